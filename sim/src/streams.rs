//! Streams between phones and the exchange, as the world keeps them, and the many ways in which they end.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use telex_engine::border::{Input, StreamEvent, StreamId, Transport};
use telex_engine::time::Duration;

use crate::expect;
use crate::net::{Channel, Fate, LinkId, damaged};
use crate::oracle::Verdict;
use crate::phone::{SIP_PORT, Stimulus};
use crate::text::Msg;
use crate::world::{EXCHANGE_SIP, Event, World};

/// The exchange's host gives up streams through a box that was rebooted after this.
const REBOOT_NOTICED: Duration = Duration::from_secs(60);

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The phone at its other end.
    pub(crate) phone: usize,
    /// The phone's end is open.
    pub(crate) phone_open: bool,
    /// The exchange's end is open.
    pub(crate) exchange_open: bool,
    /// The exchange asked for it, and it is not up yet: what it sends waits here, as in any driver.
    pub(crate) waiting: Option<Vec<Bytes>>,
    /// It broke: what is under way does not arrive.
    pub(crate) broken: bool,
    /// It will break in the middle of the next message.
    tears: bool,
    /// It died without a word: what is written goes nowhere, and nobody was told.
    dead: bool,
    /// Octets written by the phone, and delivered to the exchange.
    written: u64,
    read: u64,
    /// Where each of the phone's messages ends.
    messages: VecDeque<(u64, Msg)>,
}

/// All streams of a run.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    all: BTreeMap<StreamId, Stream>,
    opened: u64,
}

impl Streams {
    /// A stream that a phone asks for; such streams have odd numbers.
    pub(crate) fn open(&mut self, phone: usize) -> StreamId {
        self.opened += 1;
        let stream = StreamId(self.opened * 2 - 1);
        self.add(stream, phone);
        stream
    }

    /// A stream that the exchange asked for.
    pub(crate) fn add(&mut self, stream: StreamId, phone: usize) {
        let fresh = Stream {
            phone,
            phone_open: false,
            exchange_open: false,
            waiting: stream.0.is_multiple_of(2).then(Vec::new),
            broken: false,
            tears: false,
            dead: false,
            written: 0,
            read: 0,
            messages: VecDeque::new(),
        };
        self.all.insert(stream, fresh);
    }

    /// The host of the exchange ends every stream: those of which a phone has to be told.
    pub(crate) fn end_all(&mut self) -> Vec<(usize, StreamId)> {
        let mut told = Vec::new();
        for (id, stream) in &mut self.all {
            if stream.phone_open || stream.exchange_open {
                told.push((stream.phone, *id));
            } else if !id.0.is_multiple_of(2) {
                // A phone may be opening it: it meets nobody, or the exchange that has started again.
                continue;
            }
            (stream.phone_open, stream.exchange_open, stream.waiting) = (false, false, None);
            stream.broken = true;
        }
        told
    }

    pub(crate) fn get(&mut self, stream: StreamId) -> Option<&mut Stream> {
        self.all.get_mut(&stream)
    }

    /// Streams of a phone that are open at either end.
    pub(crate) fn of_phone(&self, phone: usize) -> Vec<StreamId> {
        let open = |s: &Stream| s.phone == phone && (s.phone_open || s.exchange_open);
        self.all.iter().filter(|(_, s)| open(s)).map(|(id, _)| *id).collect()
    }
}

impl Stream {
    /// The phone writes a message.
    pub(crate) fn write(&mut self, octets: usize, message: Option<Msg>) {
        self.written += octets as u64;
        self.messages.extend(message.map(|m| (self.written, m)));
    }

    /// Octets reach the exchange: the messages that are complete with them.
    pub(crate) fn read(&mut self, octets: usize) -> Vec<Msg> {
        self.read += octets as u64;
        let mut complete = Vec::new();
        while self.messages.front().is_some_and(|(end, _)| *end <= self.read) {
            complete.extend(self.messages.pop_front().map(|(_, message)| message));
        }
        complete
    }
}

impl World<'_> {
    /// Writes to a stream at one end.
    pub(crate) fn write(&mut self, id: StreamId, inward: bool, bytes: &Bytes) {
        let Some(stream) = self.streams.get(id) else { return };
        let open = if inward { stream.phone_open } else { stream.exchange_open };
        if let (false, Some(waiting)) = (inward, &mut stream.waiting) {
            waiting.push(bytes.clone());
            return;
        }
        let phone = stream.phone;
        if stream.dead && inward && open {
            // Nobody knows this stream any more, and says so.
            let at = self.network.handshake(self.now, phone) + self.network.rest_of_round_trip(phone);
            self.schedule(at, Event::StreamDown { stream: id, inward: false });
            return;
        }
        if !open || stream.broken || stream.dead {
            return;
        }
        let msg = Msg::read(bytes);
        let link = LinkId { phone, inward, channel: Channel::Stream };
        let torn = std::mem::take(&mut stream.tears);
        let bytes = match torn {
            true => bytes.slice(..self.network.broken_off(link, bytes.len())),
            false => bytes.clone(),
        };
        if inward {
            stream.write(bytes.len(), msg.clone().filter(|_| !torn));
        }
        let octets = match self.network.garbled(self.now, link).filter(|_| inward) {
            Some(luck) => damaged(&bytes, luck),
            None => bytes.clone(),
        };
        let mut pieces = std::mem::take(&mut self.pieces);
        let link = LinkId { phone, inward, channel: Channel::Stream };
        self.network.stream(self.now, link, octets.len(), &mut pieces);
        let arrives = pieces.last().map_or(self.now, |(_, at)| *at);
        self.record(phone, inward, msg.as_ref(), &bytes, Fate::Arrives(arrives));
        let mut start = 0;
        for (end, at) in &pieces {
            let bytes = octets.slice(start..*end);
            self.schedule(*at, Event::Octets { stream: id, inward, bytes });
            start = *end;
        }
        self.pieces = pieces;
        if torn {
            if let Some(stream) = self.streams.get(id) {
                stream.dead = true;
            }
            self.schedule(arrives, Event::StreamDown { stream: id, inward: true });
            self.schedule(arrives, Event::StreamDown { stream: id, inward: false });
        }
    }

    /// One end closes a stream; the other learns it after everything that was written.
    pub(crate) fn close(&mut self, id: StreamId, inward: bool) {
        let Some(stream) = self.streams.get(id) else { return };
        let given_up = !inward && stream.waiting.take().is_some();
        stream.broken |= given_up;
        let end = if inward { &mut stream.phone_open } else { &mut stream.exchange_open };
        if !(std::mem::replace(end, false) || given_up && stream.phone_open) || stream.dead {
            return;
        }
        let link = LinkId { phone: stream.phone, inward, channel: Channel::Stream };
        let mut pieces = std::mem::take(&mut self.pieces);
        self.network.stream(self.now, link, 0, &mut pieces);
        let at = pieces.last().map_or(self.now, |(_, at)| *at);
        self.pieces = pieces;
        self.schedule(at, Event::StreamDown { stream: id, inward });
    }

    pub(crate) fn octets(&mut self, id: StreamId, inward: bool, bytes: Bytes) -> Verdict {
        let Some(stream) = self.streams.get(id) else { return Ok(()) };
        let open = if inward { stream.exchange_open } else { stream.phone_open };
        if !open || stream.broken {
            return Ok(());
        }
        if !inward {
            let phone = stream.phone;
            return self.stimulate(phone, Stimulus::Octets(id.0, bytes));
        }
        let phone = stream.phone;
        let complete = stream.read(bytes.len());
        let source = SocketAddr::new(self.sites.outside(phone), SIP_PORT);
        self.border.received(source, bytes.len());
        for msg in complete.iter().filter(|_| !expect::anything_goes(self.plan)) {
            self.entered(source, msg);
        }
        self.digest.octets(&bytes);
        let event = StreamEvent::Bytes(bytes);
        self.tell_with(Input::Stream { stream: id, event }, &complete)
    }

    pub(crate) fn stream_up(&mut self, id: StreamId, inward: bool) -> Verdict {
        let Some(stream) = self.streams.get(id) else { return Ok(()) };
        let phone = stream.phone;
        if stream.broken {
            return Ok(());
        }
        let ours = id.0.is_multiple_of(2);
        if inward && self.host.away {
            // Nobody listens.
            stream.broken = true;
            let at = self.network.handshake(self.now, phone);
            self.schedule(at, Event::Phone(phone, Stimulus::Closed(id.0)));
            return Ok(());
        }
        if !inward {
            stream.phone_open = true;
            let stimulus = if ours { Stimulus::Accepted(id.0) } else { Stimulus::Opened(id.0) };
            if ours {
                let at = self.network.handshake(self.now, phone);
                self.schedule(at, Event::StreamUp { stream: id, inward: true });
            }
            return self.stimulate(phone, stimulus);
        }
        stream.exchange_open = true;
        for bytes in stream.waiting.take().unwrap_or_default() {
            self.write(id, false, &bytes);
        }
        if !ours {
            let at = self.network.handshake(self.now, phone);
            self.schedule(at, Event::StreamUp { stream: id, inward: false });
        }
        // Phones connect from a port of their own choosing and are connected to at their SIP port.
        let port = if ours { SIP_PORT } else { 40_000 + u16::try_from(id.0 % 20_000).unwrap_or(0) };
        let event = StreamEvent::Opened {
            listener: (!ours).then_some(crate::exchange::TCP),
            local: EXCHANGE_SIP,
            remote: SocketAddr::new(self.sites.outside(phone), port),
        };
        self.tell(Input::Stream { stream: id, event }, None)
    }

    /// `inward` says that the phone closed it.
    pub(crate) fn stream_down(&mut self, id: StreamId, inward: bool) -> Verdict {
        let Some(stream) = self.streams.get(id) else { return Ok(()) };
        let phone = stream.phone;
        if inward {
            if std::mem::replace(&mut stream.exchange_open, false) {
                let event = StreamEvent::Closed;
                self.border.stream_gone(id);
                return self.tell(Input::Stream { stream: id, event }, None);
            }
        } else if std::mem::replace(&mut stream.phone_open, false) || stream.broken {
            return self.stimulate(phone, Stimulus::Closed(id.0));
        }
        Ok(())
    }

    /// A phone's streams break: what is under way is lost, and both ends learn it a little later. Or they break in
    /// the middle of the next message.
    pub(crate) fn cut(&mut self, phone: usize, inside: bool) {
        for id in self.streams.of_phone(phone) {
            let at = self.network.handshake(self.now, phone);
            let Some(stream) = self.streams.get(id) else { continue };
            if inside {
                stream.tears = true;
                continue;
            }
            stream.broken = true;
            self.schedule(at, Event::StreamDown { stream: id, inward: true });
            self.schedule(at, Event::StreamDown { stream: id, inward: false });
        }
    }

    /// A phone's streams die without a word. The phone learns it when it writes, the exchange when its host has
    /// tried long enough.
    pub(crate) fn vanish(&mut self, phone: usize, noticed: Duration) {
        for id in self.streams.of_phone(phone) {
            if let Some(stream) = self.streams.get(id) {
                stream.dead = true;
            }
            let at = self.now + noticed;
            self.schedule(at, Event::StreamDown { stream: id, inward: true });
            self.schedule(at, Event::StreamDown { stream: id, inward: false });
        }
    }

    /// A box reboots, and with it every stream through it dies.
    pub(crate) fn reboot(&mut self, nat: usize) {
        self.sites.reboot(nat);
        for phone in self.sites.behind(nat) {
            self.vanish(phone, REBOOT_NOTICED);
        }
    }

    /// The engine asks for a stream to a phone.
    pub(crate) fn connect(&mut self, stream: StreamId, remote: SocketAddr) {
        let listens = |phone: usize| {
            let planned = &self.plan.phones[phone];
            planned.transport == Transport::Tcp || planned.takes_streams
        };
        match self.sites.listening(remote) {
            Some(phone) if listens(phone) => {
                self.streams.add(stream, phone);
                let at = self.network.handshake(self.now, phone);
                self.schedule(at, Event::StreamUp { stream, inward: false });
            }
            _ => {
                let event = StreamEvent::Closed;
                let tell = Event::Tell(Box::new(Input::Stream { stream, event }));
                self.schedule(self.now + Duration::from_millis(20), tell);
            }
        }
    }
}
