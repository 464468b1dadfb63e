//! What a step does.

use std::net::SocketAddr;
use std::sync::Arc;

use telex_engine::Input;
use telex_engine::border::{Control, ControlId, ResolveError, StreamEvent};
use telex_engine::rng::Seed;
use telex_engine::sip::Message;
use telex_engine::time::{Duration, WallTime};

use super::phone::{self, Dialog};
use super::world::{World, config, keep, latest, listeners};
use super::{STEP, tally};

const NUMBERS: [&str; 12] =
    ["101", "100", "102", "200", "*43", "*60", "201", "300", "301", "999", "101", "%2A43"];

const STATUSES: [u16; 24] = [
    200, 180, 183, 100, 200, 486, 603, 480, 302, 301, 401, 407, 408, 422, 481, 487, 491, 500, 503, 513, 199,
    202, 399, 699,
];

const METHODS: [&str; 12] = [
    "BYE",
    "INVITE",
    "UPDATE",
    "PRACK",
    "ACK",
    "INFO",
    "OPTIONS",
    "REFER",
    "NOTIFY",
    "MESSAGE",
    "SUBSCRIBE",
    "FOO",
];

const MILLIS: [u64; 16] = [
    1, 20, 100, 200, 500, 1000, 2000, 5000, 10_000, 32_000, 61_000, 186_000, 301_000, 1_000_000, 3_600_000,
    7_200_000,
];

impl World {
    /// Performs one step; a step of raw octets takes some of the following.
    pub(super) fn step<'a>(
        &mut self,
        [what, a, b, c]: [u8; STEP],
        rest: &mut impl Iterator<Item = &'a [u8; STEP]>,
    ) {
        let phone = usize::from(a) % self.phones.len();
        self.count += 1;
        let n = self.count;
        match what % 32 {
            0 => self.register(phone, b, c),
            1 => self.invite(phone, b, c),
            2..=4 => self.respond(a, b, c),
            5 | 6 => self.acknowledge(a, b),
            7..=9 => self.within(a, b, c),
            10 => self.cancel(a),
            11 => self.again(a, b),
            12 | 13 => self.twist = Some([a, b, c]),
            14 => {
                let octets: Vec<u8> = rest.take(usize::from(b % 64)).flatten().copied().collect();
                self.send_octets(phone, octets, None);
            }
            15 => self.piece = usize::from(a),
            16 => match b % 3 {
                0 => drop(self.open(phone)),
                1 => {
                    if let Some(stream) = self.phones[phone].stream {
                        self.close(stream);
                    }
                }
                _ => self.phones[phone].tcp = !self.phones[phone].tcp,
            },
            17 => self.connected(a, b),
            18..=20 => self.pass(Duration::from_millis(MILLIS[usize::from(a) % MILLIS.len()] + u64::from(b))),
            21 | 22 => {
                self.media.packets(self.now, a, b, c);
                self.settle();
            }
            23 => self.hold_media(a),
            24 => {
                if let Some(flow) = latest(&self.flows, a).copied() {
                    self.tell(Input::SendFailed { flow });
                }
            }
            25 => self.resolved(a, b),
            26 => self.store(a),
            27 => self.control(a, b),
            28 => self.operate(a, b),
            29 => self.meet(phone, b, c),
            30 => self.whole_call(phone, b, c),
            _ => {
                let from = SocketAddr::from(([10, 0, 0, a], 5060 + u16::from(b & 1)));
                if let Some(sent) = latest(&self.sent, c).cloned() {
                    self.send_octets(sent.phone, sent.text.into_bytes(), Some(from));
                }
            }
        }
        let _ = n;
    }

    fn register(&mut self, phone: usize, how: u8, wrong: u8) {
        let branch = format!("z9hG4bKr{}", self.count);
        let text = self.phones[phone].register(&branch, how, wrong % 8 == 7);
        self.send(phone, &text);
    }

    fn invite(&mut self, phone: usize, to: u8, how: u8) {
        let number = NUMBERS[usize::from(to) % NUMBERS.len()];
        let text = self.phones[phone].invite(number, self.count, how & 7, how >> 3 & 15, how & 128 != 0);
        self.send(phone, &text);
    }

    /// A phone answers a request of the engine.
    fn respond(&mut self, which: u8, code: u8, how: u8) {
        let Some((phone, request)) = latest(&self.asked, which & 15).cloned() else { return };
        let code = STATUSES[usize::from(code) % STATUSES.len()];
        let invite = request.method_name() == "INVITE";
        // With 0 in the low half, what fits: an answer to an offer, or nothing.
        let kind = match how & 15 {
            0 if invite && code > 100 && code < 300 => 2,
            0 => 0,
            kind => kind,
        };
        let (text, dialog) =
            self.phones[phone].respond(phone, &request, code, which >> 4 & 3, how >> 4 << 3, kind);
        if let Some(dialog) = dialog {
            self.learn(dialog);
        }
        self.send(phone, &text);
    }

    fn learn(&mut self, dialog: Dialog) {
        if !self.dialogs.iter().any(|known| known.is(&dialog)) {
            keep(&mut self.dialogs, dialog);
        }
    }

    fn acknowledge(&mut self, which: u8, kind: u8) {
        let invites = |m: &Message| {
            m.cseq().is_ok_and(|c| c.name == "INVITE") && m.status().is_some_and(|s| s.is_final())
        };
        let all: Vec<_> = self.told.iter().rev().filter(|(_, m)| invites(m)).collect();
        let Some(at) = usize::from(which).checked_rem(all.len()) else { return };
        let (phone, response) = all[at];
        let (phone, text) = (*phone, self.phones[*phone].ack(response, self.count, kind));
        self.send(phone, &text);
    }

    fn within(&mut self, which: u8, method: u8, how: u8) {
        let Some(mut dialog) = latest(&self.dialogs, which).cloned() else { return };
        let method = METHODS[usize::from(method) % METHODS.len()];
        let kind = if method == "INVITE" || method == "UPDATE" { how >> 3 & 7 } else { how & 1 };
        let (count, me) = (self.count, dialog.phone);
        let text = self.phones[me].within(&mut dialog, method, count, how & 0xc7, kind);
        if let Some(known) = self.dialogs.iter_mut().find(|known| known.is(&dialog)) {
            *known = dialog;
        }
        self.send(me, &text);
    }

    fn cancel(&mut self, which: u8) {
        let all: Vec<_> = self.sent.iter().rev().filter(|r| r.text.starts_with("INVITE ")).collect();
        let Some(at) = usize::from(which).checked_rem(all.len()) else { return };
        let (phone, text) = (all[at].phone, phone::cancel(&all[at].text));
        if let Some(text) = text {
            self.send(phone, &text);
        }
    }

    /// A message once more: a retransmission, or a late copy.
    fn again(&mut self, which: u8, times: u8) {
        for _ in 0..=times % 3 {
            if let Some(sent) = latest(&self.sent, which).cloned() {
                self.send_octets(sent.phone, sent.text.into_bytes(), None);
            }
        }
    }

    /// A stream that the engine asked for is connected, or is not.
    fn connected(&mut self, which: u8, how: u8) {
        let Some(at) = usize::from(which).checked_rem(self.connects.len()) else { return };
        let Some((stream, remote)) = self.connects.remove(at) else { return };
        let phone = self.phones.iter().position(|p| p.address == remote);
        if how % 4 == 3 {
            self.judge.closed(stream);
            return self.tell(Input::Stream { stream, event: StreamEvent::Closed });
        }
        self.opened(stream, phone.unwrap_or(self.phones.len() - 1));
        let local = SocketAddr::from(([10, 0, 0, 9], 50_000));
        self.tell(Input::Stream { stream, event: StreamEvent::Opened { listener: None, local, remote } });
    }

    fn hold_media(&mut self, how: u8) {
        match how % 4 {
            0 if !self.media.held => (self.media.held, self.media.held_since) = (true, self.now),
            0 => {}
            1 => self.media.starved = true,
            2 => self.media.starved = false,
            _ => self.media.held = false,
        }
        self.settle();
    }

    fn resolved(&mut self, which: u8, how: u8) {
        let Some(at) = usize::from(which).checked_rem(self.queries.len()) else { return };
        let Some(query) = self.queries.remove(at) else { return };
        let answer = match how % 6 {
            0 | 1 => Ok(vec![[10, 0, 0, 4].into(), [10, 0, 0, 1].into()]),
            2 => Ok(vec!["2001:db8::1".parse().expect("an address")]),
            3 => Ok(Vec::new()),
            4 => Err(ResolveError::NotFound),
            _ => Err(ResolveError::Unreachable),
        };
        self.tell(Input::Resolved { query, answer: answer.clone() });
        if how & 128 != 0 {
            self.tell(Input::Resolved { query, answer });
        }
    }

    fn store(&mut self, how: u8) {
        let lsn = self.stored;
        if how & 1 == 0 {
            self.tell(Input::Stored { through: lsn });
        } else {
            self.tell(Input::StoreFailed { at: lsn, error: "disk full".into() });
        }
    }

    fn control(&mut self, what: u8, call: u8) {
        let request = match what % 4 {
            0 => Control::Registrations,
            1 => Control::Calls,
            2 => Control::Hangup { call: u64::from(call % 8) },
            _ => Control::Stats,
        };
        self.tell(Input::Control { id: ControlId(u64::from(self.count)), request });
    }

    /// An operator reloads, the wall clock steps, or the exchange is to stop.
    fn operate(&mut self, what: u8, how: u8) {
        match what % 8 {
            0..=2 => {
                let config = Arc::new(config(how));
                self.tell(Input::Config { config, listeners: listeners(how & 64 == 0) });
            }
            3 | 4 => {
                let millis =
                    [0, 1_767_225_600_000, 1_767_139_200_000, 1_767_312_000_000, u64::MAX / 2_000_000];
                self.tell(Input::Wall(WallTime::from_unix_millis(millis[usize::from(how) % millis.len()])));
            }
            5 if how > 200 => {
                self.judge.stopping = true;
                let by = self.now + Duration::from_secs(u64::from(how));
                self.tell(Input::Stop { by });
            }
            6 => self.tell(Input::Load { waiting: Duration::from_millis(u64::from(how) * 4) }),
            7 if how & 1 == 1 => self.copy(),
            7 if how & 2 == 2 => self.tell(Input::Seed(Seed::from_number(u64::from(how)))),
            _ => self.grant(u16::from(how % 8)),
        }
    }

    /// A phone registers as it should: asked for credentials, it gives them.
    fn meet(&mut self, phone: usize, how: u8, b: u8) {
        for _ in 0..2 {
            self.register(phone, how % 3, b & 7);
            self.count += 1;
        }
    }

    /// A call that comes about: as far as the octet says.
    fn whole_call(&mut self, phone: usize, to: u8, far: u8) {
        tally::count(|| "whole call".to_owned());
        let how = far >> 3 << 3;
        for _ in 0..2 {
            self.invite(phone, to, (how & 0x78) | if how & 0x78 == 0 { 8 } else { 0 });
            self.count += 1;
        }
        if let Some((stream, _)) = self.connects.back().copied() {
            let _ = stream;
            self.connected(u8::try_from(self.connects.len() - 1).unwrap_or(0), 0);
        }
        if !self.queries.is_empty() {
            self.resolved(0, 0);
        }
        let ringing = far & 1;
        if ringing == 1 {
            self.respond(0, 1, 0x80);
            self.count += 1;
        }
        if far & 2 != 0 {
            self.respond(0, 0, 0);
            self.count += 1;
        }
        if far & 4 != 0 {
            self.acknowledge(0, 0);
        }
    }
}
