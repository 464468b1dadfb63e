//! What must hold whatever is said to an exchange.
//!
//! - Nothing panics, `check()` of signalling and of every shard holds after every input, and no machine asks to be
//!   woken again and again at one moment.
//! - Every message sent is whole: it parses without defect, obeys its Content-Length, and validates; only a 400 or
//!   505 may carry back header fields that were broken when they came.
//! - A request goes out with a branch of RFC 3261, Max-Forwards and exactly one Via.
//! - Nothing is sent through a stream that is closed; streams of ours have even numbers.
//! - One input has a bounded number of effects.
//! - Records are numbered without gaps. Events never say that something here is broken. A call that started ends once.
//! - A port belongs to one leg at a time, and was granted; a leg gets one Dropped.
//! - At the end, when everybody has gone and time has passed, every table is empty (`world.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use telex_engine::Action;
use telex_engine::border::{Flow, StreamId, Transport};
use telex_engine::event::Event;
use telex_engine::mediactl::{LegId, MediaCommand, MediaReport, PortId, ShardId};
use telex_engine::sip::{BRANCH_COOKIE, Message};

use super::tally;

/// Actions that one input may cause.
const ACTIONS: usize = 100;
/// ... and a wake, which may find many timers due.
const ACTIONS_OF_WAKE: usize = 2000;

#[derive(Default)]
pub(super) struct Judge {
    streams: BTreeSet<StreamId>,
    calls: BTreeMap<u64, bool>,
    granted: BTreeSet<PortId>,
    legs: BTreeMap<LegId, PortId>,
    lsn: Option<u64>,
    pub(super) stopping: bool,
    stopped: bool,
}

impl Judge {
    pub(super) fn number_of_actions(&self, number: usize, wake: bool) {
        let most = if wake { ACTIONS_OF_WAKE } else { ACTIONS };
        assert!(number <= most, "{number} actions at one input");
    }

    pub(super) fn opened(&mut self, stream: StreamId) {
        self.streams.insert(stream);
    }

    pub(super) fn closed(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    pub(super) fn action(&mut self, action: &Action) {
        match action {
            Action::Transmit { flow, bytes } => {
                self.flow(*flow);
                message(bytes);
            }
            Action::Connect { stream, remote, transport } => {
                assert!(stream.0.is_multiple_of(2) && *transport == Transport::Tcp, "{action:?}");
                reachable(*remote);
                assert!(self.streams.insert(*stream), "{action:?}: the number is taken");
            }
            Action::Disconnect { stream } => {
                assert!(self.streams.remove(stream), "{action:?}: it is not open")
            }
            Action::Media { shard, command } => self.command(*shard, command),
            Action::Store { lsn, .. } => {
                assert!(self.lsn.is_none_or(|last| lsn.0 == last + 1), "{:?} after {:?}", lsn, self.lsn);
                self.lsn = Some(lsn.0);
            }
            Action::Report(event) => self.event(event),
            Action::Stopped => {
                assert!(self.stopping && !self.stopped, "stopped unasked, or twice");
                self.stopped = true;
            }
            Action::Resolve { host, .. } => assert!(!host.is_empty()),
            Action::Reply { .. } => {}
        }
    }

    fn flow(&self, flow: Flow) {
        match flow {
            Flow::Datagram { remote, local, .. } => {
                reachable(remote);
                assert!(!local.is_unspecified());
            }
            Flow::Stream { stream } => {
                assert!(self.streams.contains(&stream), "sent through {stream:?}, which is closed")
            }
        }
    }

    fn command(&mut self, shard: ShardId, command: &MediaCommand) {
        match command {
            MediaCommand::PutLeg { leg, spec, .. } => {
                assert!(self.granted.contains(&spec.port), "{:?} was not granted", spec.port);
                let taken = self.legs.iter().find(|(other, port)| **port == spec.port && *other != leg);
                assert_eq!(taken, None, "{:?} has a leg", spec.port);
                self.legs.insert(*leg, spec.port);
                tally::count(|| {
                    format!(
                        "leg audio {:?} playing {}",
                        spec.audio.map(|a| a.encoding),
                        spec.playing.is_some()
                    )
                });
            }
            MediaCommand::DropLeg { leg } => assert!(self.legs.contains_key(leg), "{leg:?} was not put"),
            MediaCommand::GiveLeg { leg, port, to } => {
                assert!(*to != shard && self.granted.contains(port), "{port:?} was not granted");
                self.legs.insert(*leg, *port);
            }
            _ => {}
        }
    }

    pub(super) fn report(&mut self, report: &MediaReport) {
        match report {
            MediaReport::Ports { ports } => self.granted.extend(ports),
            MediaReport::Dropped { leg, .. } => {
                assert!(self.legs.remove(leg).is_some(), "{leg:?} was dropped twice");
            }
            MediaReport::Given { leg, .. } => {
                assert!(self.legs.remove(leg).is_some(), "{leg:?} was given twice");
            }
            MediaReport::Digit { .. }
            | MediaReport::Pressed { .. }
            | MediaReport::Played { .. }
            | MediaReport::Quiet { .. }
            | MediaReport::NoSound { .. }
            | MediaReport::Recorded { .. }
            | MediaReport::Carried { .. } => tally::count(|| "report of something done".to_owned()),
            MediaReport::Latched { .. } => tally::count(|| "report Latched".to_owned()),
            MediaReport::Silent { .. } => tally::count(|| "report Silent".to_owned()),
        }
    }

    fn event(&mut self, event: &Event) {
        tally::count(|| match event {
            Event::CallEnded { cause, duration, .. } => {
                format!("event CallEnded {cause:?} answered {}", duration.is_some())
            }
            event => format!("event {}", format!("{event:?}").split([' ', '{']).next().unwrap_or_default()),
        });
        match event {
            Event::Broken { what } => panic!("broken: {what}"),
            Event::CallStarted { call, .. } => {
                assert_eq!(self.calls.insert(*call, false), None, "call {call} started twice");
            }
            Event::Answered { call, .. } => {
                let before = self.calls.insert(*call, true);
                assert!(before.is_some(), "call {call} was answered, and is none");
            }
            Event::CallEnded { call, duration, .. } => {
                let answered = self.calls.remove(call);
                assert_eq!(answered, Some(duration.is_some()), "call {call} ended");
            }
            Event::Ringing { call, .. }
            | Event::Asking { call, .. }
            | Event::Hold { call, .. }
            | Event::Parking { call, .. }
            | Event::Transfer { call, .. } => {
                assert!(self.calls.contains_key(call), "{event:?} of no call");
            }
            _ => {}
        }
    }

    pub(super) fn end(&self) {
        assert!(self.calls.is_empty(), "calls that never ended: {:?}", self.calls);
        assert!(self.legs.is_empty() && self.streams.is_empty());
    }
}

fn reachable(remote: SocketAddr) {
    assert!(remote.port() != 0 && !remote.ip().is_unspecified(), "nobody can be reached at {remote}");
}

fn message(bytes: &bytes::Bytes) {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let message = Message::parse(bytes.clone()).unwrap_or_else(|e| panic!("sent {e}: {}", shown()));
    let code = message.status().map(|s| s.code());
    if matches!(code, Some(400 | 505)) {
        return;
    }
    assert_eq!(message.defect(), None, "sent: {}", shown());
    assert_eq!(message.validate(), Ok(()), "sent: {}", shown());
    let length = message.content_length().and_then(Result::ok);
    assert_eq!(length, u32::try_from(message.body().len()).ok(), "sent: {}", shown());
    assert!(
        message.body().is_empty() || message.content_type().is_some_and(|t| t.is_ok()),
        "sent: {}",
        shown()
    );
    if message.is_request() {
        assert_eq!(message.vias().count(), 1, "sent: {}", shown());
        let branch = message.via().ok().and_then(|via| via.branch()).unwrap_or_default();
        assert!(branch.len() > BRANCH_COOKIE.len() && branch.starts_with(BRANCH_COOKIE), "sent: {}", shown());
        assert!(message.max_forwards().is_some_and(|m| m.is_ok()), "sent: {}", shown());
        assert!(message.from().is_ok_and(|from| from.tag().is_some()), "sent: {}", shown());
    } else if code.is_some_and(|code| code > 100) {
        assert!(message.to().is_ok_and(|to| to.tag().is_some()), "sent: {}", shown());
    }
}
