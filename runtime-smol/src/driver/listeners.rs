//! The sockets that are listened on, and their change when the configuration is read again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use smol::channel::Sender;
use smol::{LocalExecutor, Task};
use telex_engine::border::{Flow, Listener, ListenerId, Transport};

use super::Arrival;
use super::streams;
use super::udp::{Scratch, UdpPort};
use crate::config::Listen;
use crate::poll::Poller;

/// One bound socket.
#[derive(Debug)]
struct Bound {
    listen: Listen,
    listener: Listener,
    udp: Option<UdpPort>,
    /// Accepts streams; dropping it closes the socket.
    _accept: Option<Task<()>>,
}

/// All bound sockets.
#[derive(Debug)]
pub(super) struct Listeners {
    executor: Rc<LocalExecutor<'static>>,
    inbox: Sender<Arrival>,
    scratch: Scratch,
    bound: Vec<Bound>,
    next: u16,
}

impl Listeners {
    pub(super) fn new(executor: Rc<LocalExecutor<'static>>, inbox: Sender<Arrival>) -> Self {
        Self { executor, inbox, scratch: Scratch::new(), bound: Vec::new(), next: 0 }
    }

    /// Binds what `wanted` has and was not bound, then lets go of what it no longer has. A socket that stays keeps its
    /// number; numbers are not used again.
    ///
    /// Errors with what could not be bound and why; then everything is as it was.
    pub(super) fn become_(&mut self, wanted: &[Listen], poller: &Poller) -> Result<(), String> {
        let mut fresh = Vec::new();
        let mut kept: Vec<bool> = vec![false; self.bound.len()];
        for listen in wanted {
            let same = (0..).zip(&self.bound).position(|(i, b): (usize, _)| !kept[i] && b.listen == *listen);
            match same {
                Some(index) => kept[index] = true,
                None => fresh.push(self.bind(*listen, poller).map_err(|e| refusal(*listen, &e))?),
            }
        }
        let mut kept = kept.into_iter();
        self.bound.retain(|_| kept.next().unwrap_or(false));
        self.bound.append(&mut fresh);
        Ok(())
    }

    fn bind(&mut self, listen: Listen, poller: &Poller) -> std::io::Result<Bound> {
        let id = ListenerId(self.next);
        let (local, udp, accept) = match listen.transport {
            Transport::Udp => {
                let port = UdpPort::bind(id, listen.address)?;
                port.watch(poller)?;
                (port.local, Some(port), None)
            }
            Transport::Tcp => {
                let socket = Rc::new(streams::bind(listen.address)?);
                let local = socket.get_ref().local_addr()?;
                let accept = streams::accept(id, socket, self.inbox.clone());
                (local, None, Some(self.executor.spawn(accept)))
            }
        };
        self.next += 1;
        let listener = Listener { id, transport: listen.transport, local };
        Ok(Bound { listen, listener, udp, _accept: accept })
    }

    /// What is bound.
    pub(super) fn list(&self) -> Vec<Listener> {
        self.bound.iter().map(|b| b.listener).collect()
    }

    /// Appends what has arrived at the UDP socket of this number, one batch at most. True when there may be more.
    pub(super) fn receive(&mut self, id: ListenerId, arrivals: &mut VecDeque<Arrival>) -> bool {
        let port = self.bound.iter().find(|b| b.listener.id == id).and_then(|b| b.udp.as_ref());
        port.is_some_and(|port| port.receive(&mut self.scratch, arrivals))
    }

    /// Sends a datagram, or keeps it until the kernel has room, for which [`Listeners::retry`] asks. False when it
    /// cannot be sent at all.
    pub(super) fn send(&mut self, id: ListenerId, flow: Flow, bytes: Bytes) -> bool {
        let port = self.bound.iter_mut().find(|b| b.listener.id == id).and_then(|b| b.udp.as_mut());
        port.is_some_and(|port| port.send(flow, bytes))
    }

    /// Sends what waits, as far as the kernel takes it. True when something still waits.
    pub(super) fn retry(&mut self) -> bool {
        let mut waits = false;
        for port in self.bound.iter_mut().filter_map(|b| b.udp.as_mut()) {
            waits |= port.retry();
        }
        waits
    }
}

fn refusal(listen: Listen, error: &std::io::Error) -> String {
    let Listen { transport, address } = listen;
    let remedy = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let port = address.port();
            format!(
                "another program, perhaps another telex, listens on port {port}: stop it, or choose another port"
            )
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "this host does not have that address; 0.0.0.0 stands for all".to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE; SIP uses 5060".to_owned()
        }
        _ => "check [listen] in the configuration".to_owned(),
    };
    format!("cannot listen on {} {address}: {error}; {remedy}", name(transport))
}

/// As written in the configuration.
pub(super) fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    }
}

/// The listeners as the readiness line shows them: `udp 127.0.0.1:5060, tcp 127.0.0.1:5060`.
pub(super) fn describe(listeners: &[Listener]) -> String {
    let shown: Vec<String> = listeners
        .iter()
        .map(|l| (l.transport, l.local))
        .map(|(transport, local): (Transport, SocketAddr)| format!("{} {local}", name(transport)))
        .collect();
    shown.join(", ")
}
