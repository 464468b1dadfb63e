//! Telling people of requests that lead nowhere.

use std::net::SocketAddr;

use smol_str::SmolStr;

use super::Transport;
use crate::cx::Cx;
use crate::event::Event;
use crate::sip::{Message, Method, Status, Uri};

impl Transport {
    /// Tells people that a request which would have begun something is refused: `from` is who it has proved to come
    /// from, or nothing. Not too often, and nothing of challenges, which nearly every request begins with.
    pub(crate) fn tell_refused(
        &mut self,
        cx: &mut Cx<'_>,
        request: &Message,
        (from, source): (Option<&SmolStr>, SocketAddr),
        status: Status,
        why: &str,
    ) {
        let challenge = matches!(status, Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED);
        if status.code() < 300 || challenge || !self.gate.report(cx.now) {
            return;
        }
        let user = |uri: &Uri<'_>| SmolStr::new(uri.user_unescaped());
        let claimed = || request.from().map(|from| user(&from.uri)).unwrap_or_default();
        let to = match request.method() {
            Method::Register => request.to().map(|to| user(&to.uri)).unwrap_or_default(),
            _ => Uri::parse(request.request_uri()).map(|uri| user(&uri)).unwrap_or_default(),
        };
        cx.report(Event::Refused {
            method: SmolStr::new(request.method_name()),
            from: from.cloned().unwrap_or_else(claimed),
            to,
            source,
            status: status.code(),
            why: SmolStr::new(if why.is_empty() { status.reason() } else { why }),
        });
    }
}
