//! The wire: SIP messages and media packets between phones and the exchange, by datagram and by stream, seen
//! by the oracles as they enter and leave.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use telex_engine::border::{Flow, Input, StreamEvent, StreamId, Transport};
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use crate::digest::Digest;
use crate::ladder::Row;
use crate::net::{Channel, Fate, LinkId};
use crate::oracle::{Broken, Cause, Entry, Exit, Verdict, broken, grammar, media};
use crate::phone::{SIP_PORT, Stimulus};
use crate::text::Msg;
use crate::world::{EXCHANGE, EXCHANGE_SIP, Event, World};

impl World<'_> {
    pub(crate) fn datagram_in(&mut self, phone: usize, bytes: Bytes) -> Verdict {
        let msg = Msg::read(&bytes);
        self.digest.octets(&bytes);
        let remote = SocketAddr::new(self.phones[phone].address, SIP_PORT);
        self.watch.received(remote, bytes.len());
        if let Some(msg) = &msg {
            self.watch.enter(&Entry { now: self.now, msg, source: remote });
        }
        let input = Input::Datagram { listener: crate::exchange::UDP, local: EXCHANGE, remote, bytes };
        self.tell(input, msg.as_ref())
    }

    /// A SIP message leaves the exchange.
    pub(crate) fn transmit(&mut self, flow: Flow, bytes: &Bytes, cause: Cause<'_>) -> Verdict {
        self.digest.octets(bytes);
        if bytes.iter().all(|b| b"\r\n".contains(b)) {
            return Ok(());
        }
        self.messages += 1;
        let msg = grammar::well_formed(self.now, bytes)?;
        let (phone, transport) = match flow {
            Flow::Datagram { remote, .. } => (phone_at(remote.ip()), Transport::Udp),
            Flow::Stream { stream } => (self.streams.get(stream).map(|s| s.phone), Transport::Tcp),
        };
        let Some(phone) = phone.filter(|p| *p < self.phones.len()) else {
            let reason = format!("{} goes to nobody: {flow:?}", msg.summary());
            return Err(broken("no_stranger_invited", self.now, reason));
        };
        self.correlate(phone, &msg, cause)?;
        let remote = match flow {
            Flow::Datagram { remote, .. } => remote,
            Flow::Stream { .. } => SocketAddr::new(self.phones[phone].address, SIP_PORT),
        };
        let exit = Exit { now: self.now, msg: &msg, raw: bytes, transport, remote, cause };
        let named = |b: Broken| Broken { call: self.book.get(msg.call_id()).copied(), ..b };
        self.watch.exit(&exit).map_err(named)?;
        match flow {
            Flow::Datagram { remote, .. } => {
                let id = LinkId { phone, inward: false, channel: Channel::Sip };
                let fate = self.network.datagram(self.now, id);
                self.record(phone, false, Some(&msg), bytes, fate);
                for at in arrivals(fate).filter(|_| remote.port() == SIP_PORT) {
                    self.schedule(at, Event::Phone(phone, Stimulus::Datagram(bytes.clone())));
                }
            }
            Flow::Stream { stream } => self.write(stream, false, bytes),
        }
        Ok(())
    }

    /// `no_stranger_invited`: finds the call that an INVITE of the exchange belongs to.
    fn correlate(&mut self, phone: usize, msg: &Msg, cause: Cause<'_>) -> Verdict {
        let opens = msg.is_request() && msg.method() == "INVITE" && msg.tag("to").is_none();
        if !opens || self.book.contains_key(msg.call_id()) {
            return Ok(());
        }
        let plan = self.plan;
        let fits = |call: &usize| {
            let planned = &plan.calls[*call];
            planned.dial == plan.phones[phone].extension
                && plan.phones[planned.caller].extension == msg.user("from")
        };
        let by_cause = match cause {
            Cause::Messages(causes) => {
                causes.iter().find_map(|cause| self.book.get(cause.call_id()).copied().filter(fits))
            }
            _ => None,
        };
        let calling = |call: &usize| {
            let legs = &self.phones[plan.calls[*call].caller].legs;
            legs.iter().any(|l| l.call == *call && l.side == Side::Caller && l.ended.is_none())
        };
        let begun = || {
            (0..plan.calls.len())
                .rev()
                .find(|call| plan.calls[*call].at <= self.now && fits(call) && calling(call))
        };
        match by_cause.or_else(begun) {
            Some(call) => {
                self.book.insert(msg.call_id().to_owned(), call);
                Ok(())
            }
            None => {
                let reason = format!("INVITE from {} to phone {phone}", msg.user("from"));
                Err(broken("no_stranger_invited", self.now, reason))
            }
        }
    }

    /// Writes a message down for the ladder.
    pub(crate) fn record(
        &mut self,
        phone: usize,
        inward: bool,
        msg: Option<&Msg>,
        bytes: &Bytes,
        fate: Fate,
    ) {
        let Some(msg) = msg else { return };
        if inward && !self.book.contains_key(msg.call_id()) {
            // A caller writes the number of its call into the Call-ID.
            let number = msg.call_id().strip_prefix("call").and_then(|rest| rest.split('-').next());
            if let Some(call) = number.and_then(|n| n.parse().ok()) {
                self.book.insert(msg.call_id().to_owned(), call);
            }
        }
        let mut hash = Digest::default();
        hash.octets(bytes);
        hash.number(phone as u64);
        let again = !self.sent_before.insert(hash.value());
        let call = self.book.get(msg.call_id()).copied();
        self.rows.push(Row { at: self.now, call, phone, inward, text: msg.summary(), fate, again });
    }

    /// Writes to a stream at one end.
    pub(crate) fn write(&mut self, id: StreamId, inward: bool, bytes: &Bytes) {
        let Some(stream) = self.streams.get(id) else { return };
        let open = if inward { stream.phone_open } else { stream.exchange_open };
        if let (false, Some(waiting)) = (inward, &mut stream.waiting) {
            waiting.push(bytes.clone());
            return;
        }
        if !open || stream.broken {
            return;
        }
        let phone = stream.phone;
        let msg = Msg::read(bytes);
        if inward {
            stream.write(bytes.len(), msg.clone());
        }
        let mut pieces = std::mem::take(&mut self.pieces);
        let link = LinkId { phone, inward, channel: Channel::Stream };
        self.network.stream(self.now, link, bytes.len(), &mut pieces);
        let arrives = pieces.last().map_or(self.now, |(_, at)| *at);
        self.record(phone, inward, msg.as_ref(), bytes, Fate::Arrives(arrives));
        let mut start = 0;
        for (end, at) in &pieces {
            let bytes = bytes.slice(start..*end);
            self.schedule(*at, Event::Octets { stream: id, inward, bytes });
            start = *end;
        }
        self.pieces = pieces;
    }

    /// One end closes a stream; the other learns it after everything that was written.
    pub(crate) fn close(&mut self, id: StreamId, inward: bool) {
        let Some(stream) = self.streams.get(id) else { return };
        let end = if inward { &mut stream.phone_open } else { &mut stream.exchange_open };
        if !std::mem::replace(end, false) {
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
        let complete = stream.read(bytes.len());
        let source = SocketAddr::new(self.phones[stream.phone].address, SIP_PORT);
        self.watch.received(source, bytes.len());
        for msg in &complete {
            self.watch.enter(&Entry { now: self.now, msg, source });
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
            remote: SocketAddr::new(address(phone), port),
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
                return self.tell(Input::Stream { stream: id, event }, None);
            }
        } else if std::mem::replace(&mut stream.phone_open, false) || stream.broken {
            return self.stimulate(phone, Stimulus::Closed(id.0));
        }
        Ok(())
    }

    /// A phone's streams break: what is under way is lost, and both ends learn it a little later.
    pub(crate) fn cut(&mut self, phone: usize) {
        for id in self.streams.of_phone(phone) {
            let at = self.network.handshake(self.now, phone);
            if let Some(stream) = self.streams.get(id) {
                stream.broken = true;
            }
            self.schedule(at, Event::StreamDown { stream: id, inward: true });
            self.schedule(at, Event::StreamDown { stream: id, inward: false });
        }
    }

    /// The engine asks for a stream to a phone.
    pub(crate) fn connect(&mut self, stream: StreamId, remote: SocketAddr) {
        let phone = phone_at(remote.ip()).filter(|p| *p < self.phones.len());
        let listens =
            |phone: &usize| remote.port() == SIP_PORT && self.plan.phones[*phone].transport == Transport::Tcp;
        match phone.filter(listens) {
            Some(phone) => {
                self.streams.add(stream, phone);
                let at = self.network.handshake(self.now, phone);
                self.schedule(at, Event::StreamUp { stream, inward: false });
            }
            None => {
                let event = StreamEvent::Closed;
                self.schedule(
                    self.now + Duration::from_millis(20),
                    Event::Tell(Box::new(Input::Stream { stream, event })),
                );
            }
        }
    }

    /// A media packet leaves the exchange.
    pub(crate) fn media_out(&mut self, remote: SocketAddr, bytes: &[u8]) -> Verdict {
        let Some(phone) = phone_at(remote.ip()).filter(|p| *p < self.phones.len()) else {
            return Err(broken(
                "media_ports_closed",
                self.now,
                format!("media for {remote}, where nobody is"),
            ));
        };
        media::port_is_open(self.now, &self.phones[phone], remote.port())?;
        let fate = self.network.datagram(self.now, LinkId { phone, inward: false, channel: Channel::Media });
        let bytes = Bytes::copy_from_slice(bytes);
        for at in arrivals(fate) {
            self.schedule(at, Event::MediaOut { phone, port: remote.port(), bytes: bytes.clone() });
        }
        Ok(())
    }
}

/// Where phone `index` is.
pub(crate) fn address(index: usize) -> IpAddr {
    let [high, low] = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 1, high, low))
}

fn phone_at(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 1, high, low] => Some(usize::from(u16::from_be_bytes([high, low]))),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

pub(crate) fn arrivals(fate: Fate) -> impl Iterator<Item = Instant> {
    let (first, second) = match fate {
        Fate::Arrives(at) => (Some(at), None),
        Fate::Twice(at, again) => (Some(at), Some(again)),
        Fate::Lost(_) => (None, None),
    };
    first.into_iter().chain(second)
}
