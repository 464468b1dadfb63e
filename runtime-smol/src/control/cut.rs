//! A recording, asked for through the control socket: the reply is followed by the octets of the file.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use telex_replay::{Order, Wanted};

use super::Reply;
use crate::record::Cutting;

/// What shall be cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutRequest {
    /// A call: its number as `telex calls` shows it, or a Call-ID. Everything when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<String>,
    /// How long before the call the recording shall begin, in milliseconds.
    #[serde(default)]
    pub(crate) before: u64,
}

/// What was cut. So many octets follow the reply's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    pub(crate) octets: usize,
    /// What its reader should know.
    pub(crate) notes: Vec<String>,
}

impl CutRequest {
    /// Makes the file. It takes a while: not on a thread that others wait for.
    pub(super) fn make(&self, cutting: &Cutting) -> (Reply, Vec<u8>) {
        let wanted = match &self.call {
            None => Wanted::All,
            Some(call) => call.parse().map_or_else(|_| Wanted::CallId(call.clone()), Wanted::Call),
        };
        let order = Order { wanted, before: Duration::from_millis(self.before) };
        let made = cutting.make(&order).map_err(|e| e.to_string()).and_then(|recording| {
            let octets = recording.write(Vec::new()).map_err(|e| e.to_string())?;
            Ok((Reply::Recording(Cut { octets: octets.len(), notes: recording.header.notes }), octets))
        });
        made.unwrap_or_else(|error| (Reply::Error(error), Vec::new()))
    }
}
