//! Responses: made from the request they answer (RFC 3261 §8.2.6) and sent the way it came (§18.2).

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use smol_str::SmolStr;

use crate::sip::{HeaderName, Message, Method, Status, Via, Writer};

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
    pub(crate) fn to_tag(mut self, tag: impl Into<SmolStr>) -> Self {
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

    /// The whole response to `request`, which came from `source`. `tag` goes to the To that has none.
    pub(crate) fn write(&self, request: &Message, source: SocketAddr, tag: Option<&str>) -> Bytes {
        let mut writer = Writer::response(self.status, self.reason.as_deref().unwrap_or(self.status.reason()));
        for (n, value) in request.values(HeaderName::Via).enumerate() {
            match Via::parse(value) {
                Ok(via) if n == 0 => writer.header(HeaderName::Via, Stamped { via, source }),
                _ => writer.header(HeaderName::Via, value),
            };
        }
        if self.establishes_dialog(request) {
            writer.copy(request, HeaderName::RecordRoute);
        }
        writer.copy(request, HeaderName::From);
        match tag {
            Some(tag) if !has_to_tag(request) => {
                writer.header(HeaderName::To, format_args!("{};tag={tag}", request.header(HeaderName::To).unwrap_or_default()));
            }
            _ => {
                writer.copy(request, HeaderName::To);
            }
        }
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

/// Whether the request is inside a dialog, by its To tag.
pub(crate) fn has_to_tag(request: &Message) -> bool {
    request.to().is_ok_and(|to| to.tag().is_some())
}

/// The topmost Via as a response carries it: `received` when sent-by is not where the request came from, or when
/// `rport` was asked for, and then `rport` filled in (RFC 3261 §18.2.1, RFC 3581 §4). What the sender itself wrote
/// there is replaced.
struct Stamped<'a> {
    via: Via<'a>,
    source: SocketAddr,
}

impl fmt::Display for Stamped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.via.transport(), self.via.sent_by())?;
        for param in self.via.params() {
            if param.name.eq_ignore_ascii_case("received") || param.name.eq_ignore_ascii_case("rport") {
                continue;
            }
            match param.value {
                Some(value) if param.quoted => write!(f, ";{}=\"{value}\"", param.name)?,
                Some(value) => write!(f, ";{}={value}", param.name)?,
                None => write!(f, ";{}", param.name)?,
            }
        }
        let address = self.source.ip().to_canonical();
        let asked = self.via.rport().is_some();
        if asked || self.via.host().ip() != Some(address) {
            write!(f, ";received={address}")?;
        }
        if asked {
            write!(f, ";rport={}", self.source.port())?;
        }
        Ok(())
    }
}
