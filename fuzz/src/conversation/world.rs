//! The exchange, its driver and its phones.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use telex_engine::border::{
    Flow, Interface, Listener, ListenerId, Lsn, QueryId, ResolveError, StreamEvent, StreamId, Transport,
};
use telex_engine::config::{Config, Credentials, DigestOffer, FixedContact, Phone as Known};
use telex_engine::rng::Seed;
use telex_engine::sip::Message;
use telex_engine::time::{Duration, Instant, WallTime};
use telex_engine::{Action, Actions, Boot, Input, Signalling};
use telex_replay::{Checkpoint, state_hash};

use super::judge::Judge;
use super::media::Media;
use super::phone::{Dialog, Phone, Request};
use super::{tally, twist};

/// Our address, on which everything listens.
pub(super) const US: &str = "10.0.0.9:5060";
/// What was said is remembered so far back.
const MEMORY: usize = 24;
/// Wakes in a row at one moment, after which the engine is said to be busy with nothing.
const WAKES: usize = 100;
/// The longest that media and signalling do not hear each other; after ten seconds a driver counts as broken.
const HELD: Duration = Duration::from_secs(8);
/// After this everything has ended: the longest registration and session are two hours.
const QUIET: Duration = Duration::from_secs(4 * 3600);

pub(super) struct World {
    pub(super) machine: Signalling,
    pub(super) now: Instant,
    pub(super) phones: Vec<Phone>,
    pub(super) judge: Judge,
    pub(super) media: Media,
    /// Messages of the phones as they were sent, the engine's requests and its responses.
    pub(super) sent: VecDeque<Request>,
    pub(super) asked: VecDeque<(usize, Message)>,
    pub(super) told: VecDeque<(usize, Message)>,
    pub(super) dialogs: VecDeque<Dialog>,
    pub(super) flows: VecDeque<Flow>,
    pub(super) queries: VecDeque<QueryId>,
    pub(super) connects: VecDeque<(StreamId, SocketAddr)>,
    pub(super) stored: Lsn,
    /// Open streams and whose they are.
    pub(super) streams: Vec<(StreamId, usize)>,
    next_stream: u64,
    /// Numbers everything that has to be unique.
    pub(super) count: u32,
    /// Damage to the next message.
    pub(super) twist: Option<[u8; 3]>,
    /// Octets of a piece of a message on a stream; 0 sends it whole.
    pub(super) piece: usize,
    actions: Actions,
    /// A copy that was made from the written state: it must go on doing the same.
    twin: Option<Signalling>,
}

/// Keeps the latest.
pub(super) fn keep<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() == MEMORY {
        all.pop_front();
    }
    all.push_back(one);
}

/// The `k`th latest.
pub(super) fn latest<T>(all: &VecDeque<T>, k: u8) -> Option<&T> {
    let back = usize::from(k).checked_rem(all.len())?;
    all.get(all.len() - 1 - back)
}

/// The sockets, with or without the one for streams.
pub(super) fn listeners(tcp: bool) -> Vec<Listener> {
    let local = US.parse().expect("an address");
    let udp = Listener { id: ListenerId(0), transport: Transport::Udp, local };
    let tcp = tcp.then_some(Listener { id: ListenerId(1), transport: Transport::Tcp, local });
    std::iter::once(udp).chain(tcp).collect()
}

/// A configuration; the octet varies what a site may decide.
pub(super) fn config(how: u8) -> Config {
    let digest = [DigestOffer::Md5, DigestOffer::Sha256, DigestOffer::Md5Sha256, DigestOffer::Sha256Md5];
    let mut config = Config { digest: digest[usize::from(how & 3)], ..Config::default() };
    for name in ["100", "101", "102"] {
        let secret = format!("{name}:telex:secret");
        let credentials = Credentials {
            ha1_md5: Md5::digest(secret.as_bytes()).into(),
            ha1_sha256: Some(Sha256::digest(secret.as_bytes()).into()),
        };
        config.phones.insert(name.into(), Known { credentials: Some(credentials), ..Known::default() });
    }
    for (name, uri, address) in [
        ("200", "sip:200@10.0.0.4", Some("10.0.0.4:5060")),
        ("201", "sip:201@10.0.0.5;transport=tcp", Some("10.0.0.5:5060")),
        ("300", "sip:300@gateway.example", None),
        ("301", "sip:301@gateway.example;transport=tcp", None),
    ] {
        let contact =
            FixedContact { uri: uri.into(), address: address.map(|a| a.parse().expect("an address")) };
        config.phones.insert(name.into(), Known { contact: Some(contact), ..Known::default() });
    }
    if how & 4 != 0 {
        config.media_timeout = None;
    }
    if how & 8 != 0 {
        config.session.expires = Duration::from_secs(90);
        config.ring = Duration::from_secs(5);
    }
    if how & 16 != 0 {
        config.media_address = Some([203, 0, 113, 1].into());
        config.registrar.max_contacts = 1;
        config.registrar.min_expires = Duration::from_secs(1);
    }
    if how & 32 != 0 {
        config.phones.remove("101");
    }
    config
}

impl World {
    pub(super) fn new(options: u8) -> Self {
        let shards = if options & 64 != 0 { 2 } else { 1 };
        let seed = Seed::from_number(1);
        let boot = Boot {
            wall: WallTime::from_unix_millis(1_767_225_600_000),
            listeners: listeners(true),
            interfaces: vec![Interface { address: [10, 0, 0, 9].into(), prefix: 8 }],
            shards,
            ..Boot::default()
        };
        let phones = vec![
            Phone::new("100", "secret", "10.0.0.1:5060", false),
            Phone::new("101", "secret", "10.0.0.2:5060", false),
            Phone::new("102", "secret", "10.0.0.3:5060", true),
            Phone::new("200", "", "10.0.0.4:5060", false),
            Phone::new("201", "", "10.0.0.5:5060", true),
            Phone::new("101", "secret", "10.0.0.6:5062", true),
            Phone::new("stranger", "guess", "192.0.2.66:5060", false),
        ];
        let mut world = Self {
            machine: Signalling::new(Arc::new(config(options & 0x1f)), seed, boot),
            now: Instant::ZERO,
            phones,
            judge: Judge::default(),
            media: Media::new(shards, seed),
            sent: VecDeque::new(),
            asked: VecDeque::new(),
            told: VecDeque::new(),
            dialogs: VecDeque::new(),
            flows: VecDeque::new(),
            queries: VecDeque::new(),
            connects: VecDeque::new(),
            stored: Lsn(0),
            streams: Vec::new(),
            next_stream: 1,
            count: 0,
            twist: None,
            piece: 0,
            actions: Actions::new(),
            twin: None,
        };
        let few = options & 128 != 0;
        world.grant(if few { 3 } else { 40 });
        world
    }

    /// One input, all that comes of it, and a look at everything.
    pub(super) fn tell(&mut self, input: Input) {
        self.one(input);
        self.settle();
    }

    fn one(&mut self, input: Input) {
        tally::count(|| format!("input {}", name(&input)));
        let mut actions = std::mem::take(&mut self.actions);
        let wake = matches!(input, Input::Wake);
        let copy = self.twin.is_some().then(|| input.clone());
        self.machine.handle(self.now, input, &mut actions);
        self.machine.check();
        if let (Some(twin), Some(input)) = (&mut self.twin, copy) {
            let mut same = Actions::new();
            twin.handle(self.now, input, &mut same);
            assert_eq!(same, actions, "a copy of the state does something else");
            assert_eq!(twin.deadline(), self.machine.deadline());
        }
        self.judge.number_of_actions(actions.len(), wake);
        for action in actions.drain(..) {
            self.judge.action(&action);
            self.act(action);
        }
        self.actions = actions;
    }

    /// Wakes what is due and hands media and signalling what they said to each other.
    pub(super) fn settle(&mut self) {
        let mut wakes = 0;
        loop {
            self.exchange_media();
            let Some(deadline) = self.machine.deadline().filter(|d| d.at <= self.now) else { return };
            wakes += 1;
            assert!(wakes < WAKES, "busy with nothing: {deadline:?} at {}", self.now);
            self.one(Input::Wake);
        }
    }

    /// From now on there is a copy, as the flight recorder makes it.
    pub(super) fn copy(&mut self) {
        let checkpoint = Checkpoint::of(&self.machine, 0, self.now);
        let twin = checkpoint.machine().expect("our own state can be read");
        assert_eq!(state_hash(&twin), state_hash(&self.machine));
        twin.check();
        self.twin = Some(twin);
    }

    /// What media and signalling told each other arrives.
    fn exchange_media(&mut self) {
        for _ in 0..1000 {
            let reports = self.media.work(self.now);
            if reports.is_empty() {
                return;
            }
            for (shard, report) in reports {
                self.judge.report(&report);
                self.one(Input::Media { shard, report });
            }
        }
        panic!("media and signalling do not come to rest");
    }

    /// Binds so many port pairs at every shard.
    pub(super) fn grant(&mut self, pairs: u16) {
        self.media.bind(self.now, pairs);
        self.settle();
    }

    /// Lets time pass; everything due on the way happens.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        if self.media.held && until.since(self.media.held_since) > HELD {
            self.media.held = false;
            self.settle();
        }
        let fine = time <= Duration::from_secs(2);
        loop {
            let signalling = self.machine.deadline().map(|d| d.at);
            let media = self.media.deadline().filter(|_| fine);
            let next = [signalling, media].into_iter().flatten().min().filter(|at| *at <= until);
            self.now = self.now.max(next.unwrap_or(until));
            self.media.tick(self.now);
            self.settle();
            if next.is_none() {
                return;
            }
        }
    }

    /// Ends everything and waits: nothing may be left.
    pub(super) fn end(&mut self) {
        self.media.held = false;
        self.settle();
        let until = self.now + QUIET;
        for _ in 0..5000 {
            self.refuse_everything();
            let Some(deadline) = self.machine.deadline().filter(|d| d.at <= until) else { break };
            self.now = self.now.max(deadline.at);
            self.media.tick(self.now);
            self.settle();
        }
        let stats = self.machine.stats();
        let deadline = self.machine.deadline();
        let left = [stats.transactions, stats.dialogs, stats.legs, stats.calls, stats.ports, stats.streams];
        assert_eq!(left, [0; 6], "left over at {}: {stats:?}, {deadline:?}", self.now);
        assert_eq!((stats.bindings, stats.timers, deadline), (0, 0, None), "left over at {}", self.now);
        self.media.is_empty();
        self.judge.end();
    }

    fn refuse_everything(&mut self) {
        while let Some(query) = self.queries.pop_front() {
            self.tell(Input::Resolved { query, answer: Err(ResolveError::NotFound) });
        }
        while let Some((stream, _)) = self.connects.pop_front() {
            self.judge.closed(stream);
            self.tell(Input::Stream { stream, event: StreamEvent::Closed });
        }
        while let Some((stream, _)) = self.streams.last().copied() {
            self.close(stream);
        }
    }

    /// A phone sends a message, damaged if that was ordered before.
    pub(super) fn send(&mut self, phone: usize, text: &str) {
        self.send_octets(phone, text.as_bytes().to_vec(), None);
        keep(&mut self.sent, Request { phone, text: text.to_owned() });
    }

    /// Octets arrive from a phone, or from elsewhere.
    pub(super) fn send_octets(&mut self, phone: usize, mut octets: Vec<u8>, from: Option<SocketAddr>) {
        if let Some(how) = self.twist.take() {
            twist::twist(&mut octets, how);
        }
        if self.phones[phone].tcp && from.is_none() {
            let stream = self.phones[phone].stream.unwrap_or_else(|| self.open(phone));
            let piece = if self.piece == 0 { octets.len().max(1) } else { self.piece.max(octets.len() / 32) };
            for part in octets.chunks(piece) {
                // The exchange may have closed it in the middle.
                if self.phones[phone].stream != Some(stream) {
                    return;
                }
                let event = StreamEvent::Bytes(Bytes::copy_from_slice(part));
                self.tell(Input::Stream { stream, event });
            }
            return;
        }
        let remote = from.unwrap_or(self.phones[phone].address);
        let (listener, local) = (ListenerId(0), IpAddr::from([10, 0, 0, 9]));
        self.tell(Input::Datagram { listener, local, remote, bytes: Bytes::from(octets) });
    }

    /// A phone opens a stream.
    pub(super) fn open(&mut self, phone: usize) -> StreamId {
        let stream = StreamId(self.next_stream);
        self.next_stream += 2;
        let remote = SocketAddr::new(self.phones[phone].address.ip(), 40_000);
        self.opened(stream, phone);
        let local = US.parse().expect("an address");
        let event = StreamEvent::Opened { listener: Some(ListenerId(1)), local, remote };
        self.tell(Input::Stream { stream, event });
        stream
    }

    /// A stream is open from now on.
    pub(super) fn opened(&mut self, stream: StreamId, phone: usize) {
        self.streams.push((stream, phone));
        self.judge.opened(stream);
        self.phones[phone].stream = Some(stream);
    }

    /// The peer closes a stream.
    pub(super) fn close(&mut self, stream: StreamId) {
        self.forget(stream);
        self.judge.closed(stream);
        self.tell(Input::Stream { stream, event: StreamEvent::Closed });
    }

    fn forget(&mut self, stream: StreamId) {
        self.streams.retain(|(known, _)| *known != stream);
        for phone in &mut self.phones {
            phone.stream = phone.stream.filter(|known| *known != stream);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Transmit { flow, bytes } => {
                let to = self.receiver(flow);
                keep(&mut self.flows, flow);
                self.hear(to, Message::parse(bytes).expect("judged before"));
            }
            Action::Connect { stream, remote, .. } => self.connects.push_back((stream, remote)),
            Action::Disconnect { stream } => {
                self.forget(stream);
                self.connects.retain(|(known, _)| *known != stream);
            }
            Action::Resolve { query, .. } => self.queries.push_back(query),
            Action::Media { shard, command } => self.media.commands.push_back((shard, command)),
            Action::Store { lsn, .. } => self.stored = lsn,
            Action::Reply { .. } | Action::Report(_) | Action::Stopped => {}
        }
    }

    fn receiver(&self, flow: Flow) -> usize {
        let by_address = |remote: SocketAddr| self.phones.iter().position(|p| p.address == remote);
        match flow {
            Flow::Datagram { remote, .. } => by_address(remote),
            Flow::Stream { stream } => {
                self.streams.iter().find(|(known, _)| *known == stream).map(|(_, phone)| *phone)
            }
        }
        .unwrap_or(self.phones.len() - 1)
    }

    /// A phone hears a message of the engine.
    fn hear(&mut self, phone: usize, message: Message) {
        if message.is_request() {
            tally::count(|| format!("asked {}", message.method_name()));
            return keep(&mut self.asked, (phone, message));
        }
        tally::count(|| {
            let cseq = message.cseq().map(|c| c.name.to_owned()).unwrap_or_default();
            format!("told {:.12} {}", cseq, message.status().map_or(0, |s| s.code()))
        });
        self.phones[phone].heard_challenge(&message);
        if let Some(dialog) = Dialog::of_response(phone, &message) {
            match self.dialogs.iter_mut().find(|known| known.is(&dialog)) {
                Some(known) => known.update(&dialog),
                None => keep(&mut self.dialogs, dialog),
            }
        }
        keep(&mut self.told, (phone, message));
    }
}

fn name(input: &Input) -> &'static str {
    match input {
        Input::Wake => "Wake",
        Input::Datagram { .. } => "Datagram",
        Input::Stream { .. } => "Stream",
        Input::SendFailed { .. } => "SendFailed",
        Input::Resolved { .. } => "Resolved",
        Input::Media { .. } => "Media",
        Input::Stored { .. } => "Stored",
        Input::StoreFailed { .. } => "StoreFailed",
        Input::Control { .. } => "Control",
        Input::Config { .. } => "Config",
        Input::Wall(_) => "Wall",
        Input::Load { .. } => "Load",
        Input::Seed(_) => "Seed",
        Input::Stop { .. } => "Stop",
    }
}
