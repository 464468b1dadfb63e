//! The wire: SIP messages and media packets between phones and the exchange, seen by the oracles as they enter
//! and leave.

use std::net::SocketAddr;

use bytes::Bytes;
use telex_engine::border::{Flow, Input, Transport};
use telex_engine::time::{Duration, Instant};

use crate::attacker;
use crate::digest::Digest;
use crate::expect;
use crate::ladder::Row;
use crate::nat::sites::Place;
use crate::net::{Channel, Fate, LinkId, Why};
use crate::oracle::{Broken, Cause, Entry, Exit, Verdict, broken, dialogs, grammar, media, rtp};
use crate::phone::{SIP_PORT, Stimulus};
use crate::text::Msg;
use crate::world::{EXCHANGE, EXCHANGE_SIP, Event, World};

impl World<'_> {
    /// A phone sends a datagram to the exchange.
    pub(crate) fn datagram_out(&mut self, phone: usize, bytes: &Bytes) {
        let remote = self.sites.leave(self.now, phone, SIP_PORT, EXCHANGE_SIP);
        let bytes = self.sites.rewritten(self.now, phone, bytes, remote);
        let msg = Msg::read(&bytes);
        let id = LinkId { phone, inward: true, channel: Channel::Sip };
        let fate = self.network.datagram(self.now, id, bytes.len());
        self.record(phone, true, msg.as_ref(), &bytes, fate);
        for at in fate.arrivals() {
            self.schedule(at, Event::Datagram { remote, bytes: fate.octets(&bytes) });
        }
    }

    pub(crate) fn datagram_in(&mut self, remote: SocketAddr, bytes: Bytes) -> Verdict {
        if self.host.away {
            self.network.stopped(Why::Away);
            return Ok(());
        }
        let msg = Msg::read(&bytes);
        self.digest.octets(&bytes);
        self.border.received(remote, bytes.len());
        if let Some(msg) = &msg {
            self.entered(remote, msg);
        }
        let input = Input::Datagram { listener: crate::exchange::UDP, local: EXCHANGE, remote, bytes };
        self.tell(input, msg.as_ref())
    }

    pub(crate) fn entered(&mut self, source: SocketAddr, msg: &Msg) {
        if expect::anything_goes(self.plan) {
            return;
        }
        let length = msg.get("content-length").and_then(|text| text.parse().ok());
        let sound = length.is_none_or(|n: usize| n == msg.body.len());
        if sound
            && matches!(msg.code(), Some(200..300))
            && msg.method() == "INVITE"
            && let Some(call) = self.book.get(msg.call_id())
        {
            self.answers.entry(*call).or_insert_with(|| msg.call_id().to_owned());
        }
        self.note_sending(msg);
        self.border.enter(&Entry { now: self.now, msg, source, sound });
    }

    /// A SIP message leaves the exchange.
    pub(crate) fn transmit(&mut self, flow: Flow, bytes: &Bytes, cause: Cause<'_>) -> Verdict {
        self.digest.octets(bytes);
        if bytes.iter().all(|b| b"\r\n".contains(b)) {
            return Ok(());
        }
        self.messages += 1;
        if matches!(flow, Flow::Datagram { remote, .. } if attacker::is_one(remote)) {
            return self.transmit_to_attacker(flow, bytes, cause);
        }
        let msg = match grammar::well_formed(self.now, bytes) {
            Ok(msg) => msg,
            // It may quote a message that was damaged on the way.
            Err(_) if expect::anything_goes(self.plan) => return Ok(()),
            Err(broken) => return Err(broken),
        };
        let (place, transport) = match flow {
            Flow::Datagram { remote, .. } => {
                (self.sites.arrive(self.now, remote, EXCHANGE_SIP), Transport::Udp)
            }
            Flow::Stream { stream } => match self.streams.get(stream) {
                Some(known) => (Place::Phone(known.phone, SIP_PORT), Transport::Tcp),
                // It is being opened to where nobody listens, and the exchange will be told so.
                None => return self.unheard(&msg, bytes, cause),
            },
        };
        let Some(phone) = self.addressee(&msg, flow, place) else {
            if expect::anything_goes(self.plan) {
                return Ok(());
            }
            let reason = format!("{} goes to nobody: {flow:?}", msg.summary());
            return Err(broken("no_stranger_invited", self.now, reason));
        };
        if !expect::anything_goes(self.plan) {
            let (remote, waits) = match flow {
                Flow::Datagram { remote, .. } => (remote, false),
                Flow::Stream { stream } => {
                    let open = self.streams.get(stream).is_some_and(|s| s.exchange_open);
                    (SocketAddr::new(self.sites.outside(phone), SIP_PORT), !open)
                }
            };
            let stream = match flow {
                Flow::Datagram { .. } => None,
                Flow::Stream { stream } => Some(stream),
            };
            let exit = Exit { now: self.now, msg: &msg, raw: bytes, transport, waits, stream, remote, cause };
            self.judge(phone, &exit)?;
        } else {
            // Calls come about on such a network too.
            let _ = self.correlate(phone, &msg, cause);
        }
        if let Flow::Stream { stream } = flow {
            self.write(stream, false, bytes);
            return Ok(());
        }
        let id = LinkId { phone, inward: false, channel: Channel::Sip };
        let fate = match place {
            Place::Phone(..) => self.network.datagram(self.now, id, bytes.len()),
            _ => self.network.stopped(Why::Box),
        };
        self.record(phone, false, Some(&msg), bytes, fate);
        if let Place::Phone(phone, SIP_PORT) = place {
            for at in fate.arrivals() {
                self.schedule(at, Event::Phone(phone, Stimulus::Datagram(fate.octets(bytes))));
            }
        }
        Ok(())
    }

    /// A message is given to a stream that will never be open.
    fn unheard(&mut self, msg: &Msg, raw: &Bytes, cause: Cause<'_>) -> Verdict {
        let (transport, remote) = (Transport::Tcp, SocketAddr::new(EXCHANGE, 0));
        let exit = Exit { now: self.now, msg, raw, transport, waits: true, stream: None, remote, cause };
        if expect::anything_goes(self.plan) { Ok(()) } else { self.border.unheard(&exit) }
    }

    /// The phone that a message is for. Behind a box it need not be the one that gets it: a port may have been
    /// another's, and a gateway may have written one that nobody has.
    fn addressee(&self, msg: &Msg, flow: Flow, place: Place) -> Option<usize> {
        let there = match place {
            Place::Phone(phone, _) | Place::Closed(Some(phone)) => Some(phone),
            Place::Closed(None) => None,
            Place::Inside | Place::Nobody => return None,
        };
        let Flow::Datagram { remote, .. } = flow else { return there };
        let named = |phone: &usize| msg.is_to(&self.plan.phones[*phone].extension);
        let neighbours = || self.sites.at_address(remote.ip());
        there.filter(named).or_else(|| neighbours().find(named)).or(there).or_else(|| neighbours().next())
    }

    /// What the oracles say about a message that leaves for `phone`.
    fn judge(&mut self, phone: usize, exit: &Exit<'_>) -> Verdict {
        self.correlate(phone, exit.msg, exit.cause)?;
        let named = |b: Broken| Broken { call: self.book.get(exit.msg.call_id()).copied(), ..b };
        dialogs::nobody_else_hangs_up(exit, self.ties(), &self.book).map_err(named)?;
        self.border.exit(exit).map_err(named)
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
        let link = LinkId { phone, inward, channel: Channel::Sip };
        let number = match self.plan.phones[phone].transport {
            Transport::Udp => self.network.sent_on(link),
            Transport::Tcp => 0,
        };
        let text = msg.summary();
        self.rows.push(Row { at: self.now, call, phone, inward, text, fate, again, number });
    }

    /// A phone sends a media packet.
    pub(crate) fn voice_out(&mut self, phone: usize, port: u16, to: SocketAddr, bytes: &Bytes) {
        if to.ip() != EXCHANGE {
            // A neighbour behind the same box, at best.
            if let Some((phone, port)) = self.sites.turn(self.now, phone, port, to) {
                let at = self.now + Duration::from_millis(1);
                self.schedule(at, Event::MediaOut { phone, port, from: 0, bytes: bytes.clone() });
            }
            return;
        }
        let remote = self.sites.leave(self.now, phone, port, to);
        let id = LinkId { phone, inward: true, channel: Channel::Media };
        let fate = self.network.datagram(self.now, id, bytes.len());
        self.note_trouble(phone, port, fate);
        for at in fate.arrivals() {
            self.schedule(at, Event::MediaIn { remote, port: to.port(), bytes: fate.octets(bytes) });
        }
    }

    /// A media packet leaves a port of the exchange.
    pub(crate) fn media_out(&mut self, from: u16, remote: SocketAddr, bytes: &[u8]) -> Verdict {
        let place = self.sites.arrive(self.now, remote, SocketAddr::new(EXCHANGE, from));
        let sure = !expect::anything_goes(self.plan);
        if sure {
            self.rtp.exit(self.now, from, remote, bytes)?;
        }
        let (phone, port) = match place {
            Place::Phone(phone, port) => (phone, port),
            Place::Closed(_) => {
                self.network.stopped(Why::Box);
                return Ok(());
            }
            Place::Inside => {
                self.network.stopped(Why::Unroutable);
                let open = |phone| {
                    media::port_is_open(self.now, self.plan, &self.phones[phone], remote.port()).is_ok()
                };
                let told = self.sites.inside(remote.ip()).any(open);
                return if told || !sure { Ok(()) } else { Err(nobody_there(self.now, remote)) };
            }
            Place::Nobody if sure => return Err(nobody_there(self.now, remote)),
            Place::Nobody => return Ok(()),
        };
        if sure && !self.sites.is_ambiguous(phone) {
            media::port_is_open(self.now, self.plan, &self.phones[phone], port)?;
        }
        let id = LinkId { phone, inward: false, channel: Channel::Media };
        let fate = self.network.datagram(self.now, id, bytes.len());
        self.note_trouble(phone, port, fate);
        let bytes = Bytes::copy_from_slice(bytes);
        for at in fate.arrivals() {
            self.schedule(at, Event::MediaOut { phone, port, from, bytes: fate.octets(&bytes) });
        }
        Ok(())
    }

    /// Notes in a leg's diary that a packet of it is lost or late.
    fn note_trouble(&mut self, phone: usize, port: u16, fate: Fate) {
        let now = self.now;
        let late = self.network.longest(phone);
        if let Some(leg) = self.phones[phone].leg_of_port_mut(port & !1)
            && leg.voice.is_some()
            && fate.arrivals().next().is_none_or(|at| at > now + late)
        {
            leg.troubles.push(now);
        }
    }

    /// A media packet reaches a phone.
    pub(crate) fn media_heard(&mut self, phone: usize, port: u16, from: u16, bytes: &Bytes) -> Verdict {
        self.media += 1;
        self.digest.octets(bytes);
        // Where a box gives one port to several phones in turn, a phone looks who sends.
        let expected =
            |p: &crate::phone::Phone| p.leg_of_port(port & !1).is_none_or(|leg| leg.expects_from(from));
        if self.sites.is_ambiguous(phone) && !expected(&self.phones[phone]) {
            return Ok(());
        }
        self.stimulate(phone, Stimulus::Media(port, bytes.clone()))?;
        if expect::anything_goes(self.plan) {
            return Ok(());
        }
        rtp::payload_type(self.now, &self.phones[phone], port, bytes)?;
        let quiet = |phone, since| !self.network.is_clogged(phone, since, self.now);
        media::heard(self.now, self.ties(), &self.phones[phone], port, bytes, &quiet)
    }
}

fn nobody_there(now: Instant, remote: SocketAddr) -> Broken {
    broken("media_ports_closed", now, format!("media for {remote}, where nobody is"))
}
