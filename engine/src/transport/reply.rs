//! Responses: made from the request they answer (RFC 3261 §8.2.6) and sent the way it came (§18.2).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smol_str::SmolStr;

use crate::sip::{HeaderName, Message, Method, Status, Writer};

/// A response as its author thinks of it: what the request does not already say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Status code.
    pub(crate) status: Status,
    /// Reason phrase; `None` for the usual one.
    pub(crate) reason: Option<SmolStr>,
    /// Our To tag; `None` for one that the transaction draws, the same in all its responses. Ignored when the
    /// request has a To tag already.
    pub(crate) to_tag: Option<SmolStr>,
    /// Header fields beside Via, From, To, Call-ID, CSeq, Record-Route, Timestamp and those of the body.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Content-Type and the body.
    pub(crate) body: Option<(&'static str, Bytes)>,
}

impl Reply {
    /// A response with nothing but a status.
    pub(crate) const fn new(status: Status) -> Self {
        Self { status, reason: None, to_tag: None, headers: Vec::new(), body: None }
    }

    /// With this reason phrase.
    pub(crate) fn reason(mut self, reason: impl Into<SmolStr>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// With this To tag.
    pub(crate) fn tagged(mut self, tag: impl Into<SmolStr>) -> Self {
        self.to_tag = Some(tag.into());
        self
    }

    /// With one more header field.
    pub(crate) fn header(self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.field(name.as_str(), value)
    }

    /// With one more header field, by its name.
    pub(crate) fn field(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.body = Some((content_type, body));
        self
    }

    /// With a session description, unless it is empty.
    pub(crate) fn session(self, body: Bytes) -> Self {
        if body.is_empty() { self } else { self.body("application/sdp", body) }
    }

    /// The whole response to `request`, which came from `source`. `tag` goes to the To that has none.
    pub(crate) fn write(&self, request: &Message, source: SocketAddr, tag: Option<&str>) -> Bytes {
        let mut writer =
            Writer::response(self.status, self.reason.as_deref().unwrap_or(self.status.reason()));
        let (received, rport) = stamp(request, source);
        writer.vias(request, received, rport);
        if self.establishes_dialog(request) {
            writer.copy(request, HeaderName::RecordRoute);
        }
        writer.copy(request, HeaderName::From);
        writer.to_tagged(request, tag.unwrap_or_default());
        writer.copy(request, HeaderName::CallId);
        writer.copy(request, HeaderName::CSeq);
        if self.status == Status::TRYING {
            writer.copy(request, HeaderName::Timestamp);
        }
        for (name, value) in &self.headers {
            writer.field(name, value);
        }
        match &self.body {
            Some((content_type, body)) => writer.body(content_type, body),
            None => writer.finish(),
        }
    }

    /// Whether the recipient learns its route set from this response (RFC 3261 §12.1.1). A copy in the 2xx of a
    /// request inside a dialog is harmless.
    fn establishes_dialog(&self, request: &Message) -> bool {
        self.status > Status::TRYING
            && self.status.code() < 300
            && matches!(request.method(), Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
    }
}

/// What the topmost Via of a response says of where the request came from: its address when sent-by does not give it
/// or `rport` asks for it (RFC 3261 §18.2.1), and its port when `rport` asks for it (RFC 3581 §4).
fn stamp(request: &Message, source: SocketAddr) -> (Option<IpAddr>, Option<u16>) {
    let address = source.ip().to_canonical();
    let Ok(via) = request.via() else { return (Some(address), None) };
    let asked = via.rport().is_some();
    let received = (asked || via.host().ip() != Some(address)).then_some(address);
    (received, asked.then_some(source.port()))
}
