//! The requests that this layer writes itself.

use bytes::{BufMut, Bytes, BytesMut};
use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::border::Transport;
use crate::sip::{HeaderName, Message, Method, Writer};

/// Max-Forwards of the requests written here (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u8 = 70;

/// A request without Via. The transaction adds that, because branch and transport are its own to choose.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Draft {
    pub(super) method: Method,
    bytes: Bytes,
}

impl Draft {
    /// `bytes` is a whole request that has no Via, as a [`Writer`] makes it.
    pub(crate) const fn new(method: Method, bytes: Bytes) -> Self {
        Self { method, bytes }
    }

    /// Octets of the request as it will be sent, to within a few.
    pub(super) fn octets(&self) -> usize {
        self.bytes.len()
            + "Via: SIP/2.0/UDP 255.255.255.255:65535;branch=;rport\r\n".len()
            + super::clients::BRANCH
    }

    /// The whole request. Responses go back to `local`, or by `rport` to wherever the request seems to come from.
    pub(super) fn with_via(&self, transport: Transport, local: SocketAddr, branch: &str) -> Bytes {
        let line = memchr::memmem::find(&self.bytes, b"\r\n").map_or(0, |at| at + 2);
        let (head, rest) = self.bytes.split_at(line);
        let mut whole = BytesMut::with_capacity(self.octets() + 64);
        whole.put_slice(head);
        let written = write!(whole, "Via: SIP/2.0/{} {local};branch={branch};rport\r\n", transport.as_str());
        debug_assert!(written.is_ok(), "a buffer takes everything");
        whole.put_slice(rest);
        whole.freeze()
    }
}

/// The ACK for a final response that is no 2xx (RFC 3261 §17.1.1.3). `None` only when the INVITE is not one we wrote.
pub(super) fn ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    within(Method::Ack, invite, Some(response), "")
}

/// The CANCEL of an INVITE (RFC 3261 §9.1). `None` only when the INVITE is not one we wrote.
pub(super) fn cancel(invite: &Bytes, reason: &str) -> Option<Bytes> {
    within(Method::Cancel, invite, None, reason)
}

/// A request of the INVITE's own transaction: the same Request-URI, topmost Via, Route, From, Call-ID and CSeq number,
/// and the To of the response if there is one.
fn within(method: Method, invite: &Bytes, response: Option<&Message>, reason: &str) -> Option<Bytes> {
    let invite = Message::parse(invite.clone()).ok()?;
    let number = invite.cseq().ok()?.number;
    let mut writer = Writer::request(method.as_str(), invite.request_uri());
    writer.header(HeaderName::Via, invite.values(HeaderName::Via).next()?);
    writer.header(HeaderName::MaxForwards, MAX_FORWARDS);
    writer.copy(&invite, HeaderName::Route);
    writer.copy(&invite, HeaderName::From);
    writer.copy(response.unwrap_or(&invite), HeaderName::To);
    writer.copy(&invite, HeaderName::CallId);
    writer.header(HeaderName::CSeq, format_args!("{number} {method}"));
    if !reason.is_empty() {
        writer.header(HeaderName::Reason, reason);
    }
    Some(writer.finish())
}
