//! The registrar (RFC 3261 §10.3) and location service.
//!
//! Memory is the authority; every change is also given out as a record to be stored, numbered without gaps. The
//! address-of-record is an extension: the user part of To, whatever its domain.

mod binding;
mod date;
mod plan;
mod reach;
mod request;
#[cfg(feature = "serde")]
mod view;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use smallvec::SmallVec;
use smol_str::SmolStr;

pub(crate) use binding::Binding;
use binding::{Way, listener_for};
use plan::{Plan, Present};
pub(crate) use reach::Reach;
use request::{Contact, Wish};

use crate::border::{Flow, Listener, Record, RegistrationInfo, StoredBinding, StreamId, Transport};
use crate::cx::{BindingKey, Cx, Timer};
use crate::event::Event;
use crate::limits::BINDINGS_PER_AOR;
use crate::planted::{self, Fault};
use crate::sip::{HeaderName, Message, ParseError, Status};
use crate::slots::Slots;
use crate::time::{Duration, Instant, WallTime};
use crate::timers::TimerKey;
use crate::transport::Reply;

/// Who is registered, and where.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Registrar {
    bindings: Slots<BindingKey, Binding>,
    /// Bindings by extension, most preferred first. No entry is empty.
    aors: BTreeMap<SmolStr, SmallVec<[BindingKey; 2]>>,
    /// Bindings that are reached through a stream. No entry is empty.
    streams: BTreeMap<StreamId, SmallVec<[BindingKey; 1]>>,
    /// Extensions that got or lost a binding since somebody asked.
    touched: Vec<SmolStr>,
}

/// The way a REGISTER came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The way back.
    pub(crate) flow: Flow,
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// Our address it was sent to.
    pub(crate) local: SocketAddr,
    /// What it came over.
    pub(crate) transport: Transport,
}

/// Why a REGISTER is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// 400, with what is wrong.
    Bad(SmolStr),
    /// 420: these option tags.
    Unsupported(String),
    /// 423: the least that is accepted.
    TooBrief(Duration),
    /// 500: a later request was carried out already.
    OutOfOrder,
    /// 503: as many contacts as there may be, from elsewhere.
    TooMany { retry_after: Duration },
}

impl Registrar {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self { bindings: Slots::new(), aors: BTreeMap::new(), streams: BTreeMap::new(), touched: Vec::new() }
    }

    /// Carries out a REGISTER for `aor`, all of it or nothing. Whoever calls has made sure that there is such an
    /// extension and that the request comes from it (RFC 3261 §10.3 steps 3 to 5).
    pub(crate) fn register(
        &mut self,
        cx: &mut Cx<'_>,
        aor: &str,
        request: &Message,
        origin: &Origin,
    ) -> Reply {
        match self.carry_out(cx, aor, request, origin) {
            Ok(()) => self.listing(cx.now, cx.wall, aor, request),
            Err(refusal) => refusal.answer(),
        }
    }

    fn carry_out(
        &mut self,
        cx: &mut Cx<'_>,
        aor: &str,
        request: &Message,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let config = cx.config.registrar;
        let mut wish = Wish::read(request, &config)?;
        let common = Common {
            call_id: wish.call_id.clone(),
            cseq: wish.cseq,
            path: std::mem::take(&mut wish.path),
            user_agent: std::mem::take(&mut wish.user_agent),
            origin: *origin,
        };
        if cx.planted.is(Fault::OldRegisterAccepted) {
            wish.cseq = u32::MAX;
        }
        let Plan { remove, put } = {
            let bindings = self.of(aor).collect();
            let limit = config.max_contacts.min(BINDINGS_PER_AOR);
            Present { bindings, now: cx.now, source: origin.source.ip(), limit }.plan(wish)?
        };
        for key in remove {
            if !cx.planted.is(Fault::UnregisterIgnored) {
                self.remove(cx, key, false);
            }
        }
        for (known, contact) in put {
            self.put(cx, aor, known, contact, &common);
        }
        Ok(())
    }

    /// All bindings of an extension, most preferred first.
    pub(crate) fn lookup(&self, aor: &str) -> impl Iterator<Item = &Binding> {
        self.of(aor).map(|(_, binding)| binding)
    }

    /// All bindings of an extension with their keys, most preferred first.
    fn of(&self, aor: &str) -> impl Iterator<Item = (BindingKey, &Binding)> {
        let keys = self.aors.get(aor).map(SmallVec::as_slice).unwrap_or_default();
        keys.iter().filter_map(|key| Some((*key, self.bindings.get(*key)?)))
    }

    /// How many bindings there are.
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// All bindings for people, by extension.
    pub(crate) fn registrations(&self, now: Instant) -> Vec<RegistrationInfo> {
        let all = self.aors.values().flatten().filter_map(|key| self.bindings.get(*key));
        all.map(|binding| binding.info(now)).collect()
    }

    /// Hands over the extensions that got or lost a binding.
    pub(crate) fn take_touched(&mut self, touched: &mut Vec<SmolStr>) {
        touched.append(&mut self.touched);
    }

    /// A binding has run out: [`Timer::Binding`] fired.
    pub(crate) fn fire(&mut self, cx: &mut Cx<'_>, key: BindingKey) {
        self.remove(cx, key, true);
    }

    /// Takes back what was stored by an earlier run, as far as it is still good by the wall clock and its extension
    /// still exists. The rest is taken out of the store. However the clock was set, nothing lives longer than the
    /// configuration allows.
    pub(crate) fn restore(&mut self, cx: &mut Cx<'_>, stored: Vec<StoredBinding>, listeners: &[Listener]) {
        for binding in stored {
            let left = binding.expires.since(cx.wall).min(cx.config.registrar.max_expires);
            let (aor, contact) = (binding.aor.clone(), binding.contact.clone());
            if left.is_zero() || !cx.config.phones.contains_key(&aor) {
                cx.store(Record::Unbind { aor, contact });
                continue;
            }
            let known = self.of(&aor).find(|(_, b)| b.contact == contact).map(|(key, _)| key);
            self.insert(cx, known, Binding::from_stored(binding, cx.now, left, listeners));
        }
    }

    /// Follows a change of the configuration: forgets extensions that are gone and sockets that were closed.
    pub(crate) fn reconfigure(&mut self, cx: &mut Cx<'_>, listeners: &[Listener]) {
        let gone: Vec<_> =
            self.bindings.iter().filter(|(_, b)| !cx.config.phones.contains_key(&b.aor)).collect();
        let gone: Vec<_> = gone.into_iter().map(|(key, _)| key).collect();
        for key in gone {
            self.remove(cx, key, false);
        }
        for binding in self.bindings.values_mut() {
            if binding.transport == Transport::Udp {
                let listener = listener_for(Transport::Udp, binding.local, listeners);
                binding.way = listener.map_or(Way::Gone, Way::Listener);
            }
        }
    }

    /// A stream is gone. Bindings that came over it stay until they expire: their phones are reached at their addresses
    /// when those mean something here, and are not reached when not.
    pub(crate) fn stream_closed(&mut self, stream: StreamId) {
        for key in self.streams.remove(&stream).unwrap_or_default() {
            if let Some(binding) = self.bindings.get_mut(key) {
                binding.way = Way::Gone;
            }
        }
    }

    /// Whether any binding is reached through this stream, so that it has to be kept open.
    pub(crate) fn uses_stream(&self, stream: StreamId) -> bool {
        self.streams.contains_key(&stream)
    }

    fn put(
        &mut self,
        cx: &mut Cx<'_>,
        aor: &str,
        known: Option<BindingKey>,
        contact: Contact,
        common: &Common,
    ) {
        let Common { call_id, cseq, path, user_agent, origin } = common;
        let before = known.and_then(|key| self.bindings.get(key)).map(|b| b.contact.clone());
        let aor = self.aors.get_key_value(aor).map_or_else(|| SmolStr::new(aor), |(known, _)| known.clone());
        if let Some(before) = before.filter(|before| *before != contact.uri) {
            cx.store(Record::Unbind { aor: aor.clone(), contact: before });
        }
        let binding = Binding {
            aor,
            contact: contact.uri,
            q: contact.q,
            transport: origin.transport,
            source: origin.source,
            local: origin.local,
            user_agent: user_agent.clone(),
            expires: cx.now + contact.expires,
            expires_wall: cx.wall + contact.expires,
            way: match origin.flow {
                Flow::Datagram { listener, .. } => Way::Listener(listener),
                Flow::Stream { stream } => Way::Stream(stream),
            },
            path: path.clone(),
            instance: contact.instance,
            call_id: call_id.clone(),
            cseq: *cseq,
            refreshed: cx.now,
            timer: TimerKey::default(),
        };
        cx.store(Record::Bind(binding.to_stored()));
        cx.report(Event::Registered {
            extension: binding.aor.clone(),
            contact: binding.contact.clone(),
            source: binding.source,
            transport: binding.transport,
            expires: contact.expires,
            refresh: known.is_some(),
        });
        self.insert(cx, known, binding);
    }

    /// Files a binding in place of `known` or anew, and arms its timer.
    fn insert(&mut self, cx: &mut Cx<'_>, known: Option<BindingKey>, binding: Binding) {
        let (aor, expires, way) = (binding.aor.clone(), binding.expires, binding.way);
        let key = match known.and_then(|key| Some((key, self.bindings.get_mut(key)?))) {
            Some((key, present)) => {
                let old = std::mem::replace(present, binding);
                cx.timers.cancel(old.timer);
                self.leave_stream(old.way, key);
                key
            }
            None => self.bindings.insert(binding),
        };
        let more = if cx.planted.is(Fault::ExpiryIgnored) { planted::NEVER } else { Duration::ZERO };
        let timer = cx.timers.arm(expires + more, Timer::Binding(key));
        if let Some(binding) = self.bindings.get_mut(key) {
            binding.timer = timer;
        }
        if let Way::Stream(stream) = way {
            self.streams.entry(stream).or_default().push(key);
        }
        let bindings = &self.bindings;
        self.touched.push(aor.clone());
        let keys = self.aors.entry(aor).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
        keys.sort_by_key(|key| Reverse(bindings.get(*key).map(|b| b.q)));
    }

    fn remove(&mut self, cx: &mut Cx<'_>, key: BindingKey, expired: bool) {
        let Some(binding) = self.bindings.remove(key) else { return };
        cx.timers.cancel(binding.timer);
        self.leave_stream(binding.way, key);
        if let Some(keys) = self.aors.get_mut(&binding.aor) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.aors.remove(&binding.aor);
            }
        }
        let (aor, contact) = (binding.aor, binding.contact);
        self.touched.push(aor.clone());
        cx.report(Event::Unregistered { extension: aor.clone(), contact: contact.clone(), expired });
        cx.store(Record::Unbind { aor, contact });
    }

    fn leave_stream(&mut self, way: Way, key: BindingKey) {
        let Way::Stream(stream) = way else { return };
        if let Some(keys) = self.streams.get_mut(&stream) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.streams.remove(&stream);
            }
        }
    }

    /// The 200 that names all bindings (RFC 3261 §10.3 step 8, RFC 3327 §5.3).
    fn listing(&self, now: Instant, wall: WallTime, aor: &str, request: &Message) -> Reply {
        let mut reply = Reply::new(Status::OK);
        for binding in self.lookup(aor) {
            let Binding { contact, q, .. } = binding;
            let left = binding.seconds_left(now);
            let q = if *q < 1000 { format_args!(";q=0.{q:03}") } else { format_args!("") };
            reply = reply.header(HeaderName::Contact, format_args!("<{contact}>;expires={left}{q}"));
        }
        for path in request.headers_named(HeaderName::Path) {
            reply = reply.header(HeaderName::Path, path);
        }
        reply.header(HeaderName::Supported, "path").header(HeaderName::Date, date::sip_date(wall))
    }

    /// Panics unless every table agrees with every other and each binding has its timer. For the simulator.
    pub(crate) fn check(&self, armed: impl Fn(TimerKey) -> bool) {
        assert!(self.bindings.values().all(|b| armed(b.timer)), "each binding has its timer");
        let listed: usize = self.aors.values().map(SmallVec::len).sum();
        assert_eq!(listed, self.bindings.len(), "each binding is listed once");
        for (aor, keys) in &self.aors {
            assert!(
                !keys.is_empty() && keys.len() <= BINDINGS_PER_AOR,
                "{aor} has between one and the limit"
            );
            assert!(
                keys.iter().all(|key| self.bindings.get(*key).is_some_and(|b| b.aor == *aor)),
                "{aor}: its own"
            );
        }
        let streamed = self.bindings.values().filter(|b| matches!(b.way, Way::Stream(_))).count();
        assert_eq!(
            streamed,
            self.streams.values().map(SmallVec::len).sum::<usize>(),
            "each stream binding is listed"
        );
        for (stream, keys) in &self.streams {
            assert!(
                keys.iter().all(|key| self.bindings.get(*key).is_some_and(|b| b.way == Way::Stream(*stream)))
            );
        }
    }
}

/// What all bindings of one request have in common.
struct Common {
    call_id: SmolStr,
    cseq: u32,
    path: SmolStr,
    user_agent: SmolStr,
    origin: Origin,
}

/// The address-of-record of a REGISTER (RFC 3261 §10.3 step 5): the user part of To, unescaped. Empty when To names no
/// user.
///
/// # Errors
/// When To cannot be read.
pub(crate) fn address_of_record(request: &Message) -> Result<SmolStr, ParseError> {
    Ok(SmolStr::new(request.to()?.uri.user_unescaped()))
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::Bad(smol_str::format_smolstr!("{error}"))
    }
}

impl Refusal {
    fn answer(self) -> Reply {
        match self {
            Self::Bad(reason) => Reply::new(Status::BAD_REQUEST).reason(reason),
            Self::Unsupported(tags) => {
                Reply::new(Status::BAD_EXTENSION).header(HeaderName::Unsupported, tags)
            }
            Self::TooBrief(least) => {
                Reply::new(Status::INTERVAL_TOO_BRIEF).header(HeaderName::MinExpires, least.as_secs())
            }
            Self::OutOfOrder => Reply::new(Status::SERVER_INTERNAL_ERROR).reason("CSeq is not in order"),
            Self::TooMany { retry_after } => Reply::new(Status::SERVICE_UNAVAILABLE)
                .reason("Too many contacts registered")
                .header(HeaderName::RetryAfter, retry_after.as_secs() + 1),
        }
    }
}

#[cfg(test)]
mod tests;
