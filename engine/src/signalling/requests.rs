//! Requests that open something new: who may ask, and for what (RFC 3261 §8.2).

use std::net::SocketAddr;

use smol_str::SmolStr;

use super::{Stopping, Tables};
use crate::auth::{self, Challenge, Verdict};
use crate::border::Flow;
use crate::call::{Below, Incoming};
use crate::cx::{Cx, ServerKey};
use crate::dialog::screen;
use crate::event::Event;
use crate::limits;
use crate::planted::Fault;
use crate::registrar::{Origin, address_of_record};
use crate::sip::{HeaderName, Message, Method, NameAddr, Status};
use crate::transaction::Reply;

impl Tables {
    /// A request that no transaction knows.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        txn: ServerKey,
        message: &Message,
        flow: Flow,
        source: SocketAddr,
    ) {
        let method = message.method();
        let inside = message.to().is_ok_and(|to| to.tag().is_some()) && method != Method::Register;
        if method != Method::Register
            && let Some(reply) = screen::unsupported(message)
        {
            return self.turn_away(cx, (txn, message, source), None, &reply);
        }
        if let Some(reply) = screen::misplaced(message) {
            return self.turn_away(cx, (txn, message, source), None, &reply);
        }
        if method == Method::Subscribe && (!inside || self.subscriptions.knows(message)) {
            return self.subscribe(cx, txn, message, flow, source);
        }
        if inside {
            let below = &mut self.below;
            let heard = below.sessions.on_request(cx, &mut below.stack, txn, message, flow);
            return self.heard(cx, heard);
        }
        if let Some(reply) = screen::unreachable(message).or_else(|| screen::exposed(message)) {
            return self.turn_away(cx, (txn, message, source), None, &reply);
        }
        match method {
            Method::Invite => self.invite(cx, txn, message, flow, source),
            Method::Message => self.text(cx, txn, message, flow, source),
            Method::Register => self.register(cx, txn, message, flow, source),
            method => self.turn_away(cx, (txn, message, source), None, &screen::outside(method)),
        }
    }

    fn invite(&mut self, cx: &mut Cx<'_>, txn: ServerKey, invite: &Message, flow: Flow, source: SocketAddr) {
        let stack = &mut self.below.stack;
        if let Some(reply) = screen::unfit(cx, stack, txn, invite) {
            return self.turn_away(cx, (txn, invite, source), None, &reply);
        }
        if self.stopping != Stopping::No {
            let reply = Reply::new(Status::SERVICE_UNAVAILABLE).header(HeaderName::RetryAfter, 30);
            return self.turn_away(cx, (txn, invite, source), None, &reply);
        }
        if let Some(caller) = self.authorise(cx, txn, invite, flow, source) {
            let incoming = Incoming { txn, invite, flow, source, caller };
            self.calls.open(cx, &mut self.below, &incoming);
        }
    }

    fn text(&mut self, cx: &mut Cx<'_>, txn: ServerKey, text: &Message, flow: Flow, source: SocketAddr) {
        let stack = &mut self.below.stack;
        if let Some(reply) = screen::lost(stack, txn, text) {
            return self.turn_away(cx, (txn, text, source), None, &reply);
        }
        if let Some(caller) = self.authorise(cx, txn, text, flow, source) {
            let incoming = Incoming { txn, invite: text, flow, source, caller };
            let Below { stack, registrar, .. } = &mut self.below;
            self.texts.send(cx, stack, registrar, &incoming);
        }
    }

    fn register(
        &mut self,
        cx: &mut Cx<'_>,
        txn: ServerKey,
        request: &Message,
        flow: Flow,
        source: SocketAddr,
    ) {
        let Some(extension) = self.authorise(cx, txn, request, flow, source) else { return };
        let transport = &self.below.stack.transport;
        let origin = Origin {
            flow,
            source,
            local: transport.local_of(&flow),
            transport: transport.transport_of(&flow),
        };
        let reply = match address_of_record(request) {
            Ok(aor) if auth::speaks_for(&extension, &aor) || cx.planted.is(Fault::AnybodyForAnybody) => {
                self.below.registrar.register(cx, &aor, request, &origin)
            }
            _ => Reply::new(Status::FORBIDDEN),
        };
        if reply.status.is_success() && matches!(flow, Flow::Stream { .. }) {
            let below = &mut self.below;
            for contact in request.values(HeaderName::Contact).filter_map(|value| NameAddr::parse(value).ok())
            {
                let uri = contact.uri.without_headers();
                below.sessions.reconnected(cx, &mut below.stack, uri, flow, source.ip());
            }
        }
        self.told(cx, (request, source), Some(&extension), &reply);
        self.below.stack.respond(cx, txn, &reply);
    }

    /// Refuses a request that would begin something.
    pub(super) fn turn_away(
        &mut self,
        cx: &mut Cx<'_>,
        (txn, request, source): (ServerKey, &Message, SocketAddr),
        from: Option<&SmolStr>,
        reply: &Reply,
    ) {
        self.told(cx, (request, source), from, reply);
        self.below.stack.refuse(cx, txn, reply);
    }

    /// Tells people when this reply is a refusal.
    fn told(
        &mut self,
        cx: &mut Cx<'_>,
        (request, source): (&Message, SocketAddr),
        from: Option<&SmolStr>,
        reply: &Reply,
    ) {
        let why = reply.reason.as_deref().unwrap_or_default();
        self.below.stack.transport.tell_refused(cx, request, (from, source), reply.status, why);
    }

    /// The extension a request comes from. When it does not prove one, it is challenged or refused here.
    pub(super) fn authorise(
        &mut self,
        cx: &mut Cx<'_>,
        txn: ServerKey,
        request: &Message,
        flow: Flow,
        source: SocketAddr,
    ) -> Option<SmolStr> {
        if let Some(extension) = by_address(cx, request, flow, source) {
            return Some(extension);
        }
        let claimed = request.from().map(|from| SmolStr::new(from.uri.user_unescaped())).unwrap_or_default();
        if cx.planted.is(Fault::InviteNotAuthorised) && request.method() == Method::Invite {
            return Some(claimed);
        }
        let stack = &mut self.below.stack;
        if cx.planted.is(Fault::UnknownUserTold) && !cx.config.phones.contains_key(&claimed) {
            let reply = Reply::new(Status::NOT_FOUND);
            stack.transactions.refuse(cx, &mut stack.transport, txn, &reply);
            return None;
        }
        let kind = Challenge::Www;
        let reply = match self.auth.check(cx.now, cx.config, request, source, kind) {
            Verdict::Accepted(extension) => {
                stack.transport.know(source);
                return Some(extension);
            }
            Verdict::Malformed(reason) => {
                let reply = Reply::new(Status::BAD_REQUEST).reason(reason);
                self.turn_away(cx, (txn, request, source), None, &reply);
                return None;
            }
            Verdict::Slowed { user, tell } => {
                if tell {
                    cx.report(Event::GuessingSlowed { user, source });
                }
                Reply::new(Status::SERVICE_UNAVAILABLE)
                    .header(HeaderName::RetryAfter, limits::GUESS_RETRY_AFTER)
            }
            Verdict::Challenge { values, failed, .. } => {
                if let Some(user) = failed {
                    let method = SmolStr::new(request.method_name());
                    cx.report(Event::AuthenticationFailed { user, source, method });
                }
                let challenge = |reply: Reply, value| reply.header(kind.header(), value);
                values.into_iter().fold(Reply::new(kind.status()), challenge)
            }
        };
        stack.refuse(cx, txn, &reply);
        None
    }
}

/// A fixed contact without a password is known by the address it sends from: a device on a wire we trust.
fn by_address(cx: &Cx<'_>, request: &Message, flow: Flow, source: SocketAddr) -> Option<SmolStr> {
    let user = request.from().ok()?.uri.user_unescaped();
    let (extension, phone) = cx.config.phones.get_key_value(user.as_ref())?;
    let address = phone.contact.as_ref()?.address?;
    // A stream's port is the device's to choose.
    let known = match flow {
        Flow::Datagram { .. } => address == source,
        Flow::Stream { .. } => address.ip() == source.ip(),
    };
    (known && phone.credentials.is_none()).then(|| extension.clone())
}
