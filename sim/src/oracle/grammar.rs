//! Every message that leaves can be read by a strict reader.

use bytes::Bytes;
use telex_engine::time::Instant;

use super::{Broken, broken};
use crate::checker;
use crate::text::Msg;

/// `well_formed`: reads the message, or says what is wrong with it.
pub(crate) fn well_formed(now: Instant, raw: &Bytes) -> Result<Msg, Broken> {
    checker::read(raw).map_err(|why| {
        let line = String::from_utf8_lossy(raw.split(|b| *b == b'\r').next().unwrap_or_default());
        broken("well_formed", now, format!("{line}: {why}\n{}", String::from_utf8_lossy(raw)))
    })
}
