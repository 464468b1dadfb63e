//! SIP messages (RFC 3261): bytes to values and back.
//!
//! [`Message`] is the octets of a message and an index of its header fields; values are parsed when asked for and
//! borrow the message's text. [`Writer`] makes messages. [`Framer`] cuts a stream into messages.

mod access;
mod digest;
mod error;
mod framer;
mod index;
mod message;
mod method;
mod name;
mod name_addr;
mod params;
mod scan;
mod status;
mod uri;
mod values;
mod via;
mod writer;

pub use access::{Addresses, Contacts, Vias};
pub use digest::{Auth, DigestChallenge, DigestCredentials};
pub use error::{ParseError, Why};
pub use framer::{Frame, Framer};
pub use message::{Header, Message, Values, unfold};
pub use method::Method;
pub use name::HeaderName;
pub use name_addr::{NameAddr, Quoted};
pub use params::{Param, ParamIter, Params};
pub use status::Status;
pub(crate) use uri::unescape;
pub use uri::{EscapedUser, Host, Scheme, Uri, UriParams};
pub use values::{
    CSEQ_MAX, CSeq, Event, MediaType, RAck, Reason, Refresher, Replaces, RetryAfter, SessionExpires,
    SubscriptionState, Tagged, Warning,
};
pub use via::{BRANCH_COOKIE, Via};
pub use writer::Writer;

/// The elements of a comma-separated list that is kept as text (RFC 3261 §7.3.1), for lists outside a message.
pub fn elements(list: &str) -> impl Iterator<Item = &str> {
    scan::Elements::new(list)
}

#[cfg(test)]
mod tests;
