//! How a request finds its server transaction (RFC 3261 §17.2.3).

use std::fmt::Write as _;

use crate::sip::{BRANCH_COOKIE, HeaderName, Message, Method};
use crate::transport::DEFAULT_PORT;

/// Writes the key of `request` into `key`, with `method` in place of its own: an ACK and a CANCEL look for the INVITE.
///
/// A branch that begins with the cookie is unique together with sent-by. Without the cookie (RFC 2543 clients), or with
/// the cookie alone (RFC 4475 §3.2.1), the
/// key is all that the RFC wants to be equal, with `to_tag` as the To tag.
pub(super) fn write(key: &mut String, request: &Message, method: Method, to_tag: &str) {
    key.clear();
    let name = if method == Method::Other { request.method_name() } else { method.as_str() };
    let Ok(via) = request.via() else { return };
    // Line feeds cannot occur in a branch, a host or a tag: no two requests can write the same key by accident.
    let written = match via.branch() {
        Some(branch) if is_unique(branch) => {
            let from = key.len();
            let port = via.port().unwrap_or(DEFAULT_PORT);
            let written = write!(key, "{}:{port}", via.host_text());
            key[from..].make_ascii_lowercase();
            written.and_then(|()| write!(key, "\n{branch}\n{name}"))
        }
        _ => {
            let from = request.from().ok();
            let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
            let (call, number) =
                (request.call_id().unwrap_or_default(), request.cseq().map_or(0, |c| c.number));
            let via = request.values(HeaderName::Via).next().unwrap_or_default();
            write!(key, "{}\n{tag}\n{to_tag}\n{call}\n{number}\n{via}\n{name}", request.request_uri())
        }
    };
    debug_assert!(written.is_ok(), "a string takes everything");
}

fn is_unique(branch: &str) -> bool {
    branch.starts_with(BRANCH_COOKIE) && branch.len() > BRANCH_COOKIE.len()
}

/// Whether `request` comes from an RFC 2543 client.
pub(super) fn is_legacy(request: &Message) -> bool {
    request.via().ok().and_then(|via| via.branch()).is_none_or(|branch| !is_unique(branch))
}

/// Writes what the copies of one request that came by different paths have in common: From tag, Call-ID and CSeq
/// (RFC 3261 §8.2.2.2).
pub(super) fn write_identity(key: &mut String, request: &Message) {
    key.clear();
    let from = request.from().ok();
    let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
    let number = request.cseq().map_or(0, |c| c.number);
    let written = write!(key, "{tag}\n{}\n{number}", request.call_id().unwrap_or_default());
    debug_assert!(written.is_ok(), "a string takes everything");
}
