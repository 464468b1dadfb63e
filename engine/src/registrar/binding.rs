//! One registration as it is kept in memory.

use std::net::SocketAddr;

use smol_str::SmolStr;

use super::reach::Reach;
use crate::border::{Flow, Listener, ListenerId, RegistrationInfo, StoredBinding, StreamId, Transport};
use crate::sip::{NameAddr, elements};
use crate::time::{Duration, Instant, WallTime};
use crate::timers::TimerKey;

/// The way back to a phone, as far as it depends on sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Way {
    /// Datagrams through the socket its REGISTER came in by.
    Listener(ListenerId),
    /// The stream its REGISTER came over, which is open.
    Stream(StreamId),
    /// The socket or stream is no more.
    Gone,
}

/// A contact of an extension (RFC 3261 §10.2.1). Every string is a copy: nothing of the REGISTER is kept alive.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Binding {
    /// The extension.
    pub(crate) aor: SmolStr,
    /// The contact URI as registered: the Request-URI of a request for it.
    pub(crate) contact: SmolStr,
    /// Preference in thousandths, 0 to 1000.
    pub(crate) q: u16,
    /// What the REGISTER came over.
    pub(crate) transport: Transport,
    /// Where it came from.
    pub(crate) source: SocketAddr,
    /// Our address it was sent to.
    pub(crate) local: SocketAddr,
    /// What the phone calls itself.
    pub(crate) user_agent: SmolStr,
    /// When it ends.
    pub(crate) expires: Instant,
    pub(super) expires_wall: WallTime,
    pub(super) way: Way,
    pub(super) path: SmolStr,
    pub(super) instance: SmolStr,
    pub(super) call_id: SmolStr,
    pub(super) cseq: u32,
    pub(super) refreshed: Instant,
    pub(super) timer: TimerKey,
}

impl Binding {
    /// For people.
    pub(super) fn info(&self, now: Instant) -> RegistrationInfo {
        RegistrationInfo {
            extension: self.aor.clone(),
            contact: self.contact.clone(),
            transport: self.transport,
            source: match self.reach() {
                Reach::Address { remote, .. } | Reach::Flow(Flow::Datagram { remote, .. }) => remote,
                _ => self.source,
            },
            expires_in: self.expires.since(now),
            user_agent: self.user_agent.clone(),
        }
    }

    /// The route set of a request for it (RFC 3327 §5.4): the URIs of its Path, next hop first; empty without a path.
    pub(crate) fn route_set(&self) -> impl Iterator<Item = &str> {
        elements(&self.path).filter_map(|hop| NameAddr::parse(hop).ok()).map(|hop| hop.uri_text)
    }

    /// Seconds left, as told to phones: a live binding has at least one.
    pub(super) fn seconds_left(&self, now: Instant) -> u64 {
        let left = self.expires.since(now);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }

    pub(super) fn to_stored(&self) -> StoredBinding {
        StoredBinding {
            aor: self.aor.clone(),
            contact: self.contact.clone(),
            transport: self.transport,
            source: self.source,
            local: self.local,
            expires: self.expires_wall,
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            q: self.q,
            path: self.path.clone(),
            user_agent: self.user_agent.clone(),
            instance: self.instance.clone(),
        }
    }

    /// What was stored, `left` before its end. Its stream is gone with the last run; its socket is found again.
    pub(super) fn from_stored(
        s: StoredBinding,
        now: Instant,
        left: Duration,
        listeners: &[Listener],
    ) -> Self {
        let way = listener_for(s.transport, s.local, listeners).map_or(Way::Gone, Way::Listener);
        Self {
            aor: s.aor,
            contact: s.contact,
            q: s.q,
            transport: s.transport,
            source: s.source,
            local: s.local,
            user_agent: s.user_agent,
            expires: now + left,
            expires_wall: s.expires,
            way,
            path: s.path,
            instance: s.instance,
            call_id: s.call_id,
            cseq: s.cseq,
            refreshed: now,
            timer: TimerKey::default(),
        }
    }
}

/// The datagram socket that `local` is an address of.
pub(super) fn listener_for(
    transport: Transport,
    local: SocketAddr,
    listeners: &[Listener],
) -> Option<ListenerId> {
    let fits = |l: &&Listener| {
        let ip = l.local.ip();
        let family = ip.is_ipv4() == local.ip().is_ipv4();
        l.transport == transport
            && l.local.port() == local.port()
            && (ip == local.ip() || ip.is_unspecified() && family)
    };
    match transport {
        Transport::Udp => listeners.iter().find(fits).map(|l| l.id),
        Transport::Tcp => None,
    }
}
