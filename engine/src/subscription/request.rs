//! What a SUBSCRIBE asks for (RFC 6665 §4.2.1), read without a look at what there is.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::standing::Standing;
use crate::dialog::EVENTS;
use crate::limits;
use crate::sip::{HeaderName, Message, Status, Uri};
use crate::time::Duration;
use crate::transport::Reply;

/// Octets of an Event `id` and of a host name that are kept.
const NAME_OCTETS: usize = 128;
/// An expiry from here on is never refused as too brief (RFC 6665 §4.2.1.1).
const HOUR: Duration = Duration::from_secs(3600);

/// An event package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Package {
    /// Calls of an extension (RFC 4235).
    Dialog,
    /// Whether it can be reached (RFC 3856).
    Presence,
    /// Messages that wait for it (RFC 3842).
    MessageSummary,
}

impl Package {
    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Dialog, Self::Presence, Self::MessageSummary];
        all.into_iter().find(|package| package.as_str().eq_ignore_ascii_case(name))
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::Presence => "presence",
            Self::MessageSummary => "message-summary",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::Presence => "application/pidf+xml",
            Self::MessageSummary => "application/simple-message-summary",
        }
    }

    /// Whether a watcher that was told `old` has to be told `new`.
    pub(super) fn differs(self, old: &Standing, new: &Standing) -> bool {
        match self {
            Self::Dialog => old.reachable != new.reachable || old.lines != new.lines,
            Self::Presence => old.presence() != new.presence(),
            Self::MessageSummary => old.messages != new.messages,
        }
    }
}

/// A SUBSCRIBE. Every string is a copy.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) package: Package,
    /// The `id` of its Event; empty without.
    pub(super) id: SmolStr,
    /// The extension that is to be watched.
    pub(super) watched: SmolStr,
    /// The host it was asked at.
    pub(super) host: SmolStr,
    /// Zero ends the subscription, or asks once.
    pub(super) expires: Duration,
}

impl Wish {
    pub(super) fn read(request: &Message) -> Result<Self, Refusal> {
        if request.raw().len() > limits::SUBSCRIBE_OCTETS {
            return Err(Status::MESSAGE_TOO_LARGE.into());
        }
        let bad = |reason| Refusal { status: Status::BAD_REQUEST, reason };
        let event = request.event().ok_or(Status::BAD_EVENT)?.map_err(|_| bad("Event cannot be read"))?;
        if event.package.eq_ignore_ascii_case("refer") {
            // RFC 3515 §2.4.4.
            return Err(Refusal { status: Status::FORBIDDEN, reason: "Only REFER begins this" });
        }
        let package = Package::from_name(event.package).ok_or(Status::BAD_EVENT)?;
        if !accepts(request, package) {
            return Err(Status::NOT_ACCEPTABLE.into());
        }
        let id = kept(event.id.unwrap_or_default()).ok_or_else(|| bad("Event id is too long"))?;
        let uri = Uri::parse(request.request_uri()).map_err(|_| bad("Request-URI cannot be read"))?;
        let watched = match uri.user_unescaped() {
            // A phone may ask for its own mailbox at the exchange itself.
            user if user.is_empty() => request.to().map(|to| SmolStr::new(to.uri.user_unescaped())),
            user => Ok(SmolStr::new(user)),
        };
        let asked = match request.expires() {
            None => limits::SUBSCRIPTION_MOST,
            Some(Ok(seconds)) => Duration::from_secs(seconds.into()),
            Some(Err(_)) => return Err(bad("Expires cannot be read")),
        };
        if !asked.is_zero() && asked < limits::SUBSCRIPTION_LEAST && asked < HOUR {
            return Err(Status::INTERVAL_TOO_BRIEF.into());
        }
        Ok(Self {
            package,
            id,
            watched: watched.map_err(|_| bad("To cannot be read"))?,
            host: kept(uri.host_text()).ok_or_else(|| bad("Request-URI is too long"))?,
            expires: asked.min(limits::SUBSCRIPTION_MOST),
        })
    }
}

/// Why a SUBSCRIBE is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: Status,
    /// What is wrong; empty when the status says it.
    reason: &'static str,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { status, reason: "" }
    }
}

impl Refusal {
    /// It is for something else than this dialog is for (RFC 6665 §4.5.2).
    pub(super) const SHARED: Self =
        Self { status: Status::FORBIDDEN, reason: "Dialog sharing is not supported" };

    /// The answer, with what would do.
    pub(crate) fn answer(self) -> Reply {
        let reply = Reply::new(self.status);
        let reply = if self.reason.is_empty() { reply } else { reply.reason(self.reason) };
        match self.status {
            Status::BAD_EVENT => reply.header(HeaderName::AllowEvents, EVENTS),
            Status::INTERVAL_TOO_BRIEF => {
                reply.header(HeaderName::MinExpires, limits::SUBSCRIPTION_LEAST.as_secs())
            }
            Status::SERVICE_UNAVAILABLE => {
                reply.header(HeaderName::RetryAfter, limits::RETRY_SUBSCRIBE_AFTER)
            }
            _ => reply,
        }
    }
}

fn kept(text: &str) -> Option<SmolStr> {
    (text.len() <= NAME_OCTETS).then(|| SmolStr::new(text))
}

/// Whether the watcher takes documents of the package: without Accept it does.
fn accepts(request: &Message, package: Package) -> bool {
    let known = [package.content_type(), "application/*", "*/*"];
    let takes = |value: &str| {
        let range = value.split(';').next().unwrap_or_default().trim();
        known.iter().any(|known| range.eq_ignore_ascii_case(known))
    };
    request.header(HeaderName::Accept).is_none() || request.values(HeaderName::Accept).any(takes)
}

/// Text as it stands in XML. Control characters and those that are none have no place there (XML 1.0 §2.2).
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let has_no_place = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    if !text.contains(|c: char| has_no_place(c) || "&<>\"'".contains(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if has_no_place(c) => out.push(' '),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}
