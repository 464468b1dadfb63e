//! What a user agent server says to requests before anybody considers them (RFC 3261 §8.2, §11.2).

use smol_str::format_smolstr;

use super::session_timer::SessionTimer;
use super::{ALLOW, EVENTS, SUPPORTED, Stack, asked};
use crate::cx::{Cx, ServerKey};
use crate::sip::{HeaderName, Message, Method, Scheme, Status, Uri};
use crate::transaction::Reply;

/// Option tags that a request other than REGISTER may require of us.
const UNDERSTOOD: [&str; 4] = ["100rel", "timer", "replaces", "norefersub"];

/// 420 when the request requires what we do not understand (RFC 3261 §8.2.2.3).
pub(crate) fn unsupported(message: &Message) -> Option<Reply> {
    let unknown = |tag: &&str| !UNDERSTOOD.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let tags: Vec<&str> = message.values(HeaderName::Require).filter(unknown).collect();
    if tags.is_empty() {
        return None;
    }
    Some(Reply::new(Status::BAD_EXTENSION).header(HeaderName::Unsupported, tags.join(", ")))
}

/// 416 when the Request-URI is of a scheme that leads nowhere from here (RFC 3261 §8.2.2.1), and 400 when a REGISTER
/// names no address-of-record at all (§10.3 step 5: To must be a SIP URI).
pub(crate) fn unreachable(message: &Message) -> Option<Reply> {
    let unknown = |uri: &Uri<'_>| uri.scheme() == Scheme::Other;
    if Uri::parse(message.request_uri()).is_ok_and(|uri| unknown(&uri)) {
        return Some(Reply::new(Status::UNSUPPORTED_URI_SCHEME));
    }
    let aor = message.method() == Method::Register && message.to().is_ok_and(|to| unknown(&to.uri));
    aor.then(|| Reply::new(Status::BAD_REQUEST).reason("To is no SIP URI"))
}

/// 400 when Replaces stands where it means nothing: in another request than INVITE, or beside Join, which says the
/// opposite (RFC 3891 §3).
pub(crate) fn misplaced(message: &Message) -> Option<Reply> {
    message.header(HeaderName::Replaces)?;
    let why = match message.method() {
        Method::Invite if message.header(HeaderName::Join).is_some() => {
            "Replaces and Join exclude each other"
        }
        Method::Invite => return None,
        _ => "Replaces stands in INVITE only",
    };
    Some(Reply::new(Status::BAD_REQUEST).reason(why))
}

/// Kinds of privacy that we know (RFC 3323 §4.2, RFC 3325 §9.3). That of `history` (RFC 7044) is given by telling none.
const PRIVACY: [&str; 7] = ["none", "user", "header", "session", "id", "history", "critical"];

/// 500 when the sender insists on a kind of privacy that is not known here (RFC 3323 §5).
pub(crate) fn exposed(message: &Message) -> Option<Reply> {
    let words = || {
        let all = message.values(HeaderName::Privacy).flat_map(|value| value.split(';'));
        all.map(str::trim).filter(|word| !word.is_empty())
    };
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    let unknown = words().find(|word| !PRIVACY.iter().any(|known| is(word, known)))?;
    let token = unknown.len() <= 32 && unknown.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let unknown = if token { unknown } else { "of another kind" };
    let why = format_smolstr!("Privacy {unknown} is not supported");
    words().any(|word| is(word, "critical")).then(|| Reply::new(Status::SERVER_INTERNAL_ERROR).reason(why))
}

/// Whether a session description may stand in the answer (RFC 3261 §20.1): without Accept it may.
fn accepts_sdp(message: &Message) -> bool {
    let is_sdp = |value: &str| {
        let range = value.split(';').next().unwrap_or_default().trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|known| range.eq_ignore_ascii_case(known))
    };
    message.header(HeaderName::Accept).is_none() || message.values(HeaderName::Accept).any(is_sdp)
}

/// The refusal of an INVITE outside any dialog that no user agent considers: one that came twice by different paths,
/// travelled too far, takes no session description for an answer (§21.4.7), or wants a shorter session interval than we
/// keep (RFC 4028 §9).
pub(crate) fn unfit(cx: &Cx<'_>, stack: &mut Stack, txn: ServerKey, invite: &Message) -> Option<Reply> {
    if let Some(reply) = lost(stack, txn, invite) {
        return Some(reply);
    }
    if !accepts_sdp(invite) {
        return Some(Reply::new(Status::NOT_ACCEPTABLE));
    }
    let floor = SessionTimer::for_uas(asked(invite), &cx.config.session).err()?;
    Some(Reply::new(Status::SESSION_INTERVAL_TOO_SMALL).header(HeaderName::MinSe, floor.as_secs()))
}

/// The refusal of a request outside any dialog that came twice by different paths or travelled too far.
pub(crate) fn lost(stack: &mut Stack, txn: ServerKey, request: &Message) -> Option<Reply> {
    if stack.transactions.is_merged(txn) {
        return Some(Reply::new(Status::LOOP_DETECTED));
    }
    matches!(request.max_forwards(), Some(Ok(0))).then(|| Reply::new(Status::TOO_MANY_HOPS))
}

/// The answer to a request outside any dialog that opens nothing.
pub(crate) fn outside(method: Method) -> Reply {
    let not_allowed = |status| Reply::new(status).header(HeaderName::Allow, ALLOW);
    match method {
        Method::Options => capabilities(),
        Method::Bye | Method::Update | Method::Prack | Method::Info | Method::Notify => {
            Reply::new(Status::NO_SUCH_TRANSACTION)
        }
        Method::Other => not_allowed(Status::NOT_IMPLEMENTED),
        _ => not_allowed(Status::METHOD_NOT_ALLOWED),
    }
}

/// What OPTIONS is told (RFC 3261 §11.2).
fn capabilities() -> Reply {
    Reply::new(Status::OK)
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::AllowEvents, EVENTS)
        .header(HeaderName::Accept, "application/sdp")
        .header(HeaderName::AcceptEncoding, "identity")
        .header(HeaderName::AcceptLanguage, "en")
        .header(HeaderName::Supported, SUPPORTED)
}
