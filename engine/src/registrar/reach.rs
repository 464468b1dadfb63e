//! How a registered contact is reached.

use std::net::{IpAddr, SocketAddr};

use smol_str::SmolStr;

use super::binding::{Binding, Way};
use crate::border::{Flow, Transport};
use crate::sip::{Host, Scheme, Uri};

/// Port of a SIP URI without one (RFC 3261 §19.1.2).
const DEFAULT_PORT: u16 = 5060;

/// Where a request for a binding goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Back the way the REGISTER came.
    Flow(Flow),
    /// To this address, from wherever.
    Address {
        /// What to speak.
        transport: Transport,
        /// The contact, or the first hop of its path.
        remote: SocketAddr,
    },
    /// To a host whose address has to be found first: the first hop of a path.
    Name {
        /// What to speak.
        transport: Transport,
        /// The host name.
        host: SmolStr,
        /// Its port.
        port: u16,
    },
    /// Nowhere: the phone's stream is gone and its address is its own secret, or it asks for a transport that is not
    /// spoken here.
    Unreachable,
}

impl Binding {
    /// Where a request for this binding goes now.
    ///
    /// A phone behind NAT registers an address that means nothing here. So the host of the Contact counts only when it
    /// is the address the REGISTER came from: then the phone is reached at host and port of its Contact. Otherwise it
    /// is reached at the very address and port the REGISTER came from. A phone that registered over a stream is reached
    /// through it while it is open. With a Path (RFC 3327 §5.4) the first hop of it is the way.
    pub(crate) fn reach(&self) -> Reach {
        if let Some(first) = self.route_set().next() {
            return reach_hop(first);
        }
        let Some(uri) = Uri::parse(&self.contact).ok().filter(|uri| uri.scheme() == Scheme::Sip) else {
            return Reach::Unreachable;
        };
        let direct = same_address(uri.host(), self.source.ip()).then(|| {
            let mut remote = self.source;
            remote.set_port(uri.port().unwrap_or(DEFAULT_PORT));
            remote
        });
        let wants_tcp = matches!(transport_of(&uri), Some(Transport::Tcp));
        match (self.way, self.transport, direct) {
            (Way::Stream(stream), ..) => Reach::Flow(Flow::Stream { stream }),
            (_, Transport::Udp, Some(remote)) if wants_tcp => {
                Reach::Address { transport: Transport::Tcp, remote }
            }
            (_, Transport::Tcp, Some(remote)) => Reach::Address { transport: Transport::Tcp, remote },
            (_, Transport::Tcp, None) => Reach::Unreachable,
            (Way::Listener(listener), Transport::Udp, direct) => {
                let remote = direct.unwrap_or(self.source);
                Reach::Flow(Flow::Datagram { listener, local: self.local.ip(), remote })
            }
            (Way::Gone, Transport::Udp, direct) => {
                Reach::Address { transport: Transport::Udp, remote: direct.unwrap_or(self.source) }
            }
        }
    }
}

/// Where the first hop of a path is.
fn reach_hop(hop: &str) -> Reach {
    let Ok(hop) = Uri::parse(hop) else { return Reach::Unreachable };
    let Some(transport) = transport_of(&hop).filter(|_| hop.scheme() == Scheme::Sip) else {
        return Reach::Unreachable;
    };
    let port = hop.port().unwrap_or(DEFAULT_PORT);
    match hop.host().ip() {
        Some(ip) => Reach::Address { transport, remote: SocketAddr::new(ip, port) },
        None => Reach::Name { transport, host: SmolStr::new(hop.host_text()), port },
    }
}

/// The transport a URI asks for; UDP without (RFC 3263 §4.1), `None` for one that is not spoken here.
fn transport_of(uri: &Uri<'_>) -> Option<Transport> {
    match uri.param("transport").flatten() {
        None => Some(Transport::Udp),
        Some(name) => {
            [Transport::Udp, Transport::Tcp].into_iter().find(|t| t.as_str().eq_ignore_ascii_case(name))
        }
    }
}

/// Whether a Contact names the address its REGISTER came from; an IPv4 address may have come through an IPv6 socket.
fn same_address(host: Host<'_>, source: IpAddr) -> bool {
    host.ip().is_some_and(|ip| ip.to_canonical() == source.to_canonical())
}
