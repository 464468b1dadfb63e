//! Dialogs and the sessions in them: what a user agent does between transactions and calls
//! (RFC 3261 §12 to §15, RFC 3262, RFC 3311, RFC 4028).
//!
//! A [`Session`](session::Session) is one INVITE session. It turns SIP into [`session::LegEvent`]s, which go up as
//! return values, and takes orders from the call above it. It reads no session description.

mod asking;
mod away;
mod info;
mod introduce;
mod moved;
mod refer;
pub(crate) mod screen;
mod send_away;
pub(crate) mod session;
mod session_timer;
mod sessions;
mod state;
mod uac;
mod uas;
mod within;

pub(crate) use away::{Away, Place};
pub(crate) use info::Digit;
pub(crate) use moved::{Elsewhere, Moved};
pub(crate) use refer::{Referred, Stage};
pub(crate) use session::{
    AGENT, ALLOW, EVENTS, Ending, Heard, Invitation, Invited, LegEvent, SUPPORTED, asked, is_optional, is_sdp,
};
pub(crate) use sessions::{Sessions, Stack};
pub(crate) use state::{Dialog, routed, without_tag};
