//! Keys: heard once however they come, told, and pressed into the other leg the way it wants them.

use super::transcode::{G722, heard, speaks};
use super::*;
use crate::limits::DIGIT_LONGEST;
use crate::mediactl::{DigitHeard, DigitWay, Digits, Press, Presses};
use crate::rtp::TelephoneEvent;
use telex_audio::dtmf::{Convention, Detector, Digit, Event, Generator};

/// The keys of a leg that were told, with their lengths.
fn told(w: &World, of: u64) -> Vec<(char, u32, DigitHeard)> {
    let digits = w.reports.iter().filter_map(|report| match *report {
        MediaReport::Digit { leg, digit, duration_ms, how, .. } if leg.0 == of => {
            Some((digit, duration_ms, how))
        }
        _ => None,
    });
    digits.collect()
}

const EVENTS: Payload = Payload::opaque(101, 8000);

fn events(forward: Option<u8>) -> Accepted {
    Accepted { payload: EVENTS, kind: Kind::Events, forward }
}

/// A leg that speaks one codec, and sends events that the other leg does not know.
fn presser(payload: Payload, port: u16, remote: &str) -> LegSpec {
    let mut spec = speaks(payload, port, remote);
    spec.accept.push(events(None));
    spec.digits.report = true;
    spec
}

/// A party that presses keys as events.
struct Keys {
    voice: Voice,
}

impl Keys {
    fn new() -> Self {
        Self { voice: Voice::new(1) }
    }

    /// 20 ms of silence.
    fn rest(&mut self) -> Vec<u8> {
        self.voice.next();
        self.voice.as_payload(0, &[0xff; 160])
    }

    /// The packets of a press, 20 ms apart but for the last three, which come together.
    fn press(&mut self, event: u8, frames: u16) -> Vec<Vec<u8>> {
        let timestamp = self.voice.timestamp.wrapping_add(160);
        let mut packets = Vec::new();
        for n in 1..=frames + 2 {
            self.voice.sequence = self.voice.sequence.wrapping_add(1);
            let (end, duration) = (n >= frames, 160 * n.min(frames));
            let bytes = TelephoneEvent { event, end, volume: 10, duration }.to_bytes();
            let mut packet = Voice { timestamp, ..self.voice.clone() }.as_payload(101, &bytes);
            packet[1] |= if n == 1 { 0x80 } else { 0 };
            packets.push(packet);
        }
        self.voice.timestamp = timestamp.wrapping_add(160 * u32::from(frames));
        packets
    }
}

/// What an ear for tones makes of what was sent from a port.
fn tones_at(w: &World, port: u16, payload: Payload) -> Vec<(char, u64)> {
    tones_in(&heard(&w.media(), port, payload.encoding.unwrap()))
}

fn tones_in(pcm: &[i16]) -> Vec<(char, u64)> {
    let (mut detector, mut found) = (Detector::new(8000).unwrap(), Vec::new());
    detector.feed(pcm, &mut found);
    let releases = found.iter().filter_map(|event| match *event {
        Event::Release { digit, duration } => Some((digit.key(), duration / 8)),
        Event::Press { .. } => None,
    });
    releases.collect()
}

/// Events sent from a port: the key, its greatest duration in milliseconds, how many packets.
fn events_at(w: &World, port: u16, number: u8) -> Vec<(char, u32, usize)> {
    let mut found: Vec<(u32, char, u32, usize)> = Vec::new();
    for s in w.media() {
        let header = s.header();
        if s.port != port || header.payload_type != number {
            continue;
        }
        let event = TelephoneEvent::parse(s.payload()).unwrap();
        let ms = u32::from(event.duration) / 8;
        match found.last_mut().filter(|known| known.0 == header.timestamp) {
            Some(known) => (known.2, known.3) = (known.2.max(ms), known.3 + 1),
            None => {
                assert!(header.marker, "the first packet of an event says so");
                found.push((header.timestamp, event.key().unwrap(), ms, 1));
            }
        }
    }
    found.into_iter().map(|(_, key, ms, packets)| (key, ms, packets)).collect()
}

/// Numbers follow each other and times do not go back.
fn assert_continuous(w: &World, port: u16) {
    let media = w.media();
    let headers: Vec<Header> = media.iter().filter(|s| s.port == port).map(|s| s.header()).collect();
    for pair in headers.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 1 << 31);
    }
}

#[test]
fn events_are_told_once_whatever_is_lost() {
    // Each subset of the seven packets of a press, but for none at all.
    for lost in 0..127u32 {
        let mut w = World::new(1);
        w.room(RoomMode::Mix);
        w.put(1, 1, presser(PCMU, A, ALICE));
        let mut keys = Keys::new();
        for digit in [5, 5, 11] {
            for _ in 0..5 {
                w.packet(A, ALICE, &keys.rest());
                w.run(Duration::from_millis(20));
            }
            for (n, packet) in keys.press(digit, 5).iter().enumerate() {
                if lost >> n & 1 == 0 {
                    w.packet(A, ALICE, packet);
                }
                w.run(Duration::from_millis(if n < 4 { 20 } else { 0 }));
            }
        }
        w.run(Duration::from_millis(500));
        let told: Vec<char> = told(&w, 1).iter().map(|d| d.0).collect();
        assert_eq!(told, ['5', '5', '#'], "lost {lost:07b}");
    }
}

#[test]
fn events_become_tones_for_one_who_knows_no_events() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, presser(PCMU, A, ALICE));
    let digits = Digits { way: DigitWay::Tones, ..Digits::default() };
    w.put(2, 1, LegSpec { events: None, digits, ..speaks(PCMA, B, BOB) });
    let mut keys = Keys::new();
    for digit in [1, 2, 2, 15] {
        for _ in 0..10 {
            w.packet(A, ALICE, &keys.rest());
            w.run(Duration::from_millis(20));
        }
        for packet in keys.press(digit, 8) {
            w.packet(A, ALICE, &packet);
            w.run(Duration::from_millis(20));
        }
    }
    for _ in 0..50 {
        w.packet(A, ALICE, &keys.rest());
        w.run(Duration::from_millis(20));
    }
    let tones = tones_at(&w, B, PCMA);
    assert_eq!(tones.iter().map(|t| t.0).collect::<String>(), "122D");
    assert!(tones.iter().all(|t| (140..200).contains(&t.1)), "{tones:?}");
    assert_eq!(told(&w, 1).len(), 4);
    assert!(told(&w, 1).iter().all(|d| d.1 == 160 && d.2 == DigitHeard::Event));
    assert_continuous(&w, B);
    let stats = w.shard.leg_stats(LegId(1)).unwrap();
    assert!(stats.concealed_ms < 100, "numbers of events are not missing: {stats:?}");
}

#[test]
fn events_become_tones_in_sound_that_is_touched_only_while_a_key_is_pressed() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let forwarded = Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) };
    w.put(1, 1, LegSpec { accept: vec![forwarded, events(None)], ..leg(A, ALICE) });
    let digits = Digits { way: DigitWay::Tones, ..Digits::default() };
    w.put(2, 1, LegSpec { events: None, digits, ..leg(B, BOB) });
    let mut keys = Keys::new();
    let mut untouched = 0;
    for n in 0..100 {
        if n == 40 {
            for packet in keys.press(7, 5) {
                w.packet(A, ALICE, &packet);
                w.run(Duration::from_millis(20));
            }
        }
        let speech = keys.voice.next();
        let sent = w.packet(A, ALICE, &speech);
        untouched += usize::from(sent.iter().any(|s| s.port == B && s.payload() == keys.voice.payload()));
        w.run(Duration::from_millis(20));
    }
    assert!((90..100).contains(&untouched), "{untouched}");
    assert_eq!(w.stats(1).played_ms, 0, "nothing is decoded");
    assert_eq!(tones_at(&w, B, PCMU).iter().map(|t| t.0).collect::<String>(), "7");
    assert_continuous(&w, B);
}

/// Alice dials tones in her sound; Bob wants events.
fn in_band(way: DigitWay) -> World {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let digits = Digits { report: true, tones: true, ..Digits::default() };
    let forwarded = Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) };
    w.put(1, 1, LegSpec { digits, events: None, accept: vec![forwarded], ..leg(A, ALICE) });
    w.put(2, 1, LegSpec { digits: Digits { way, ..Digits::default() }, ..leg(B, BOB) });
    let mut voice = Voice::new(1);
    for payload in tones_said() {
        voice.next();
        w.packet(A, ALICE, &voice.as_payload(0, &payload));
        w.run(Duration::from_millis(20));
    }
    w
}

/// Three keys as tones, with some silence behind them, in packets of PCMU.
fn tones_said() -> Vec<[u8; 160]> {
    let mut generator = Generator::new(8000, Convention::COMMON);
    for digit in "0*7".chars() {
        generator.dial(Digit::from_char(digit).unwrap(), 100).unwrap();
    }
    let mut packet = |_| {
        let mut pcm = [0; 160];
        generator.fill(&mut pcm);
        pcm.map(telex_audio::codec::g711::mu_encode)
    };
    (0..60).map(&mut packet).collect()
}

/// Packets of a key held down in the sound of a party that speaks PCMU.
struct Held {
    generator: Generator,
    voice: Voice,
}

impl Held {
    fn new() -> Self {
        let mut generator = Generator::new(8000, Convention::COMMON);
        generator.press(Digit::from_char('8').unwrap()).unwrap();
        Self { generator, voice: Voice::new(1) }
    }

    fn next(&mut self) -> Vec<u8> {
        let mut pcm = [0; 160];
        self.generator.fill(&mut pcm);
        self.voice.next();
        self.voice.as_payload(0, &pcm.map(telex_audio::codec::g711::mu_encode))
    }
}

/// Alice holds a key down in her sound, which Bob gets as an event, until something happens: it is up soon.
fn held_until(bob: &LegSpec, happens: impl FnOnce(&mut World, &LegSpec)) {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let digits = Digits { report: true, tones: true, ..Digits::default() };
    let accept = vec![Accepted { payload: PCMU, kind: Kind::Speech, forward: bob.audio.map(|a| a.number) }];
    let accept =
        accept.into_iter().map(|a| Accepted { forward: a.forward.filter(|&n| n == 0), ..a }).collect();
    let alice = LegSpec { digits, events: None, accept, ..leg(A, ALICE) };
    w.put(1, 1, alice.clone());
    w.put(2, 1, bob.clone());
    let mut key = Held::new();
    for _ in 0..25 {
        w.packet(A, ALICE, &key.next());
        w.run(Duration::from_millis(20));
    }
    assert_eq!(told(&w, 1), [], "it is down");
    happens(&mut w, &alice);
    w.run(Duration::from_millis(400));
    let told = told(&w, 1);
    assert!(matches!(told[..], [('8', 300..700, DigitHeard::InBand)]), "{told:?}");
    let events = events_at(&w, B, 101);
    assert!(matches!(events[..], [('8', 300..700, _)]), "{events:?}");
    let ends = w.media().into_iter().filter(|s| s.port == B && s.header().payload_type == 101);
    let ends = ends.filter(|s| TelephoneEvent::parse(s.payload()).unwrap().end).count();
    assert_eq!(ends, 3, "Bob was told of the end");
}

#[test]
fn a_key_held_in_sound_is_up_when_the_sound_ends_however_it_ends() {
    for bob in [leg(B, BOB), LegSpec { audio: Some(PCMA), ..leg(B, BOB) }] {
        // Decoded sound ends in concealment, packets end in nothing.
        held_until(&bob, |_, _| ());
        held_until(&bob, |w, alice| w.put(1, 2, LegSpec { receive: false, ..alice.clone() }));
        held_until(&bob, |w, alice| {
            w.put(1, 2, LegSpec { digits: Digits { report: true, ..Digits::default() }, ..alice.clone() });
        });
    }
    held_until(&leg(B, BOB), |w, _| w.drop_leg(1));
}

#[test]
fn a_key_held_in_sound_stays_down_while_the_rate_of_the_room_changes() {
    let mut w = World::new(1);
    w.room(RoomMode::Mix);
    let digits = Digits { report: true, tones: true, ..Digits::default() };
    let accept = |payload| vec![Accepted { payload, kind: Kind::Speech, forward: None }];
    w.put(1, 1, LegSpec { digits, events: None, accept: accept(PCMU), ..leg(A, ALICE) });
    let mut key = Held::new();
    for n in 0..60 {
        if n == 20 {
            let wide = G722;
            w.put(2, 1, LegSpec { audio: Some(wide), accept: accept(wide), ..leg(B, BOB) });
            let (carol, port) = ("192.0.2.3:4000", 10_004);
            w.put(3, 1, LegSpec { audio: Some(wide), accept: accept(wide), ..leg(port, carol) });
        }
        if n == 40 {
            key.generator.release();
        }
        w.packet(A, ALICE, &key.next());
        w.run(Duration::from_millis(20));
    }
    w.run(Duration::from_millis(400));
    let told = told(&w, 1);
    assert!(matches!(told[..], [('8', 760..860, DigitHeard::InBand)]), "{told:?}");
}

#[test]
fn a_key_that_is_never_let_go_is_pressed_for_so_long_only() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, presser(PCMU, A, ALICE));
    let digits = Digits { way: DigitWay::Tones, ..Digits::default() };
    w.put(2, 1, LegSpec { events: None, digits, ..leg(B, BOB) });
    let mut voice = Voice::new(1);
    for n in 1..1000_u16 {
        let event = TelephoneEvent { event: 5, end: false, volume: 10, duration: n.wrapping_mul(160) };
        voice.sequence = voice.sequence.wrapping_add(1);
        w.packet(A, ALICE, &voice.as_payload(101, &event.to_bytes()));
        w.run(Duration::from_millis(20));
    }
    let tones = tones_at(&w, B, PCMU);
    let longest = DIGIT_LONGEST.as_millis() as u64;
    assert!(matches!(tones[..], [('5', ms)] if ms.abs_diff(longest) < 100), "{tones:?}");
    assert_eq!(told(&w, 1), [], "she still holds it");
}

#[test]
fn tones_go_on_when_the_rate_of_the_encoder_changes() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let opus = Payload::of(111, Encoding::Opus);
    let digits = Digits { way: DigitWay::Tones, ..Digits::default() };
    let keys = vec![Press { digit: '6', ms: 1000 }];
    let bob = LegSpec { audio: Some(opus), events: None, digits, ..leg(B, BOB) };
    w.put(1, 1, leg(A, ALICE));
    w.put(2, 1, LegSpec { presses: Presses { first: 0, keys: keys.clone() }, ..bob.clone() });
    w.run(Duration::from_millis(500));
    let mut slow = opus;
    slow.settings.rate = 8000;
    w.put(2, 2, LegSpec { audio: Some(slow), presses: Presses { first: 0, keys }, ..bob });
    w.run(Duration::from_millis(1500));
    let wide = heard(&w.media(), B, Encoding::Opus);
    let narrow: Vec<i16> = wide.into_iter().step_by(6).collect();
    let tones = tones_in(&narrow);
    assert!(matches!(tones[..], [('6', 900..1100)]), "one key, as long as was wanted: {tones:?}");
}

#[test]
fn tones_become_events_and_are_not_heard_as_well() {
    let w = in_band(DigitWay::Events);
    let told = told(&w, 1);
    assert_eq!(told.iter().map(|d| d.0).collect::<String>(), "0*7");
    assert!(told.iter().all(|d| (80..130).contains(&d.1) && d.2 == DigitHeard::InBand), "{told:?}");
    let events = events_at(&w, B, 101);
    assert_eq!(events.iter().map(|e| e.0).collect::<String>(), "0*7");
    assert!(events.iter().all(|e| (80..140).contains(&e.1)), "{events:?}");
    let audio: Vec<&Sent> = w.media().into_iter().filter(|s| s.header().payload_type == 0).collect();
    let mut found = Vec::new();
    Detector::new(8000).unwrap().feed(&heard(&audio, B, Encoding::Pcmu), &mut found);
    assert_eq!(found, [], "the tones were taken out");
    assert_continuous(&w, B);
}

#[test]
fn sound_in_which_no_key_is_pressed_is_not_touched() {
    for way in [DigitWay::Events, DigitWay::Nothing, DigitWay::Tones] {
        let w = in_band(way);
        let sent: Vec<&Sent> =
            w.media().into_iter().filter(|s| s.port == B && s.header().payload_type == 0).collect();
        assert_eq!(w.stats(1).played_ms, 0, "{way:?}: nothing is decoded but for the ear");
        // What goes on is what came, octet for octet; what is left out of it is not missing to the listener.
        let said = tones_said();
        let mut rest = said.iter();
        for packet in &sent {
            assert!(rest.any(|payload| payload == packet.payload()), "{way:?}");
        }
        assert!(sent.len() >= 30, "{way:?}: {} of 60", sent.len());
        assert_continuous(&w, B);
    }
}

#[test]
fn tones_go_on_as_they_are_to_one_who_wants_tones() {
    let w = in_band(DigitWay::Tones);
    assert_eq!(told(&w, 1).len(), 3);
    assert_eq!(tones_at(&w, B, PCMU).iter().map(|t| t.0).collect::<String>(), "0*7");
    assert_eq!(w.stats(2).sent, 60, "packets were forwarded");
}

#[test]
fn tones_told_by_signalling_are_taken_out() {
    let w = in_band(DigitWay::Nothing);
    assert_eq!(told(&w, 1).len(), 3);
    assert_eq!(tones_at(&w, B, PCMU), []);
    assert_eq!(events_at(&w, B, 101), []);
}

/// Keys for a leg that takes them this way; the other party speaks all the while.
fn pressed(way: DigitWay, keys: &[(char, u16)]) -> World {
    let mut w = call(1);
    let presses = Presses { first: 0, keys: keys.iter().map(|&(digit, ms)| Press { digit, ms }).collect() };
    let digits = Digits { way, ..Digits::default() };
    let mut alice = Keys::new();
    for n in 0..100 {
        if n == 10 {
            w.put(2, 2, LegSpec { digits, presses: presses.clone(), ..leg(B, BOB) });
        }
        if n == 20 {
            // The same again presses nothing.
            w.put(2, 3, LegSpec { digits, presses: presses.clone(), ..leg(B, BOB) });
        }
        w.packet(A, ALICE, &alice.rest());
        w.run(Duration::from_millis(20));
    }
    assert_continuous(&w, B);
    w
}

#[test]
fn keys_are_pressed_once_each_as_events_and_speech_goes_on_after_them() {
    let w = pressed(DigitWay::Events, &[('1', 0), ('1', 200), ('#', 100)]);
    let events = events_at(&w, B, 101);
    assert_eq!(events, [('1', 100, 7), ('1', 200, 12), ('#', 100, 7)]);
    let done = |r: &&MediaReport| matches!(r, MediaReport::Pressed { leg: LegId(2), next: 3, .. });
    assert_eq!(w.reports.iter().filter(done).count(), 1);
    let last = w.media().last().unwrap().header();
    assert_eq!((last.payload_type, last.marker), (0, false), "forwarded again");
}

#[test]
fn keys_are_pressed_as_tones_with_pauses() {
    let w = pressed(DigitWay::Tones, &[('4', 0), (',', 300), ('5', 150)]);
    let tones = tones_at(&w, B, PCMU);
    assert_eq!(tones.iter().map(|t| t.0).collect::<String>(), "45");
    assert_eq!(pressed(DigitWay::Nothing, &[('4', 0)]).reports.len(), 2, "latched, and pressed in no time");
}

#[test]
fn a_long_press_is_told_in_segments_and_heard_as_one() {
    let w = pressed(DigitWay::Events, &[('9', 1500)]);
    assert_eq!(events_at(&w, B, 101), [('9', 1500, 77)]);
    // At 48 kHz one packet tells at most 1365 ms.
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let fast = Payload::opaque(110, 48_000);
    let opus = Some(Payload::of(111, Encoding::Opus));
    w.put(1, 1, LegSpec { audio: opus, events: Some(fast), presses: nine(), ..leg(A, ALICE) });
    w.run(Duration::from_secs(4));
    let sent = w.media().iter().map(|s| (s.header(), s.payload().to_vec())).collect::<Vec<_>>();
    let (mut stamps, mut shift) = (Vec::new(), 0);
    let mut ear = World::new(2);
    ear.room(RoomMode::Mix);
    let accept = vec![Accepted { payload: fast, kind: Kind::Events, forward: None }];
    let digits = Digits { report: true, ..Digits::default() };
    ear.put(1, 1, LegSpec { audio: opus, accept, digits, ..leg(A, ALICE) });
    for (header, payload) in sent {
        stamps.push(header.timestamp);
        ear.packet(A, ALICE, &[&header.to_bytes()[..], &payload].concat());
        ear.run(Duration::from_millis(20));
    }
    stamps.dedup();
    for pair in stamps.windows(2) {
        assert_eq!(pair[1].wrapping_sub(pair[0]), 0xffff);
        shift += 1;
    }
    assert_eq!(shift, 2);
    assert_eq!(told(&ear, 1), [('9', 3000, DigitHeard::Event)]);
}

fn nine() -> Presses {
    Presses { first: 0, keys: vec![Press { digit: '9', ms: 3000 }] }
}

#[test]
fn timestamps_that_move_along_make_no_new_press() {
    let mut w = World::new(1);
    w.room(RoomMode::Mix);
    w.put(1, 1, presser(PCMU, A, ALICE));
    let mut keys = Keys::new();
    for digit in [3, 3] {
        for (n, packet) in keys.press(digit, 6).iter_mut().enumerate() {
            let moved = u32::from_be_bytes(packet[4..8].try_into().unwrap()).wrapping_add(160 * n as u32);
            packet[4..8].copy_from_slice(&moved.to_be_bytes());
            w.packet(A, ALICE, packet);
            w.run(Duration::from_millis(20));
        }
        w.run(Duration::from_millis(200));
    }
    assert_eq!(told(&w, 1).iter().map(|d| d.0).collect::<String>(), "33");
}

#[test]
fn a_key_that_is_released_while_the_other_holds_is_up() {
    for way in [DigitWay::Events, DigitWay::Tones] {
        let bob = LegSpec { digits: Digits { way, ..Digits::default() }, ..leg(B, BOB) };
        let mut w = World::new(1);
        w.room(RoomMode::Relay);
        w.put(1, 1, presser(PCMU, A, ALICE));
        w.put(2, 1, bob.clone());
        let mut keys = Keys::new();
        for (n, packet) in keys.press(5, 10).iter().enumerate() {
            w.packet(A, ALICE, packet);
            w.run(Duration::from_millis(20));
            if n == 5 {
                w.put(2, 2, LegSpec { send: false, ..bob.clone() });
            }
        }
        w.put(2, 3, bob);
        for _ in 0..100 {
            w.packet(A, ALICE, &keys.rest());
            w.run(Duration::from_millis(20));
        }
        w.sent.clear();
        for _ in 0..50 {
            w.packet(A, ALICE, &keys.rest());
            w.run(Duration::from_millis(20));
        }
        let media = w.media();
        assert!(media.len() > 45 && media.iter().all(|s| s.header().payload_type == 0), "{way:?}");
        let silence = heard(&media, B, Encoding::Pcmu).iter().all(|sample| sample.abs() < 50);
        assert!(silence, "{way:?}: the tone has ended");
    }
}

#[test]
fn a_key_of_which_no_end_comes_is_up_some_day() {
    for way in [DigitWay::Events, DigitWay::Tones] {
        let bob = LegSpec { digits: Digits { way, ..Digits::default() }, ..leg(B, BOB) };
        let mut w = World::new(1);
        w.room(RoomMode::Relay);
        w.put(1, 1, presser(PCMU, A, ALICE));
        w.put(2, 1, bob);
        let mut keys = Keys::new();
        w.packet(A, ALICE, &keys.press(5, 10)[0]);
        w.run(Duration::from_millis(20));
        // Who pressed it is gone, and somebody else is there.
        w.drop_leg(1);
        let (carol, port) = ("192.0.2.3:4000", 10_004);
        w.put(3, 1, presser(PCMU, port, carol));
        w.run(DIGIT_LONGEST + Duration::from_millis(100));
        w.sent.clear();
        let mut keys = Keys { voice: Voice::new(3) };
        for _ in 0..50 {
            w.packet(port, carol, &keys.rest());
            w.run(Duration::from_millis(20));
        }
        let media = w.media();
        assert!(media.iter().any(|s| s.port == B && s.header().payload_type == 0), "{way:?}");
        assert!(!media.iter().any(|s| s.header().payload_type == 101), "{way:?}");
        let silence = heard(&media, B, Encoding::Pcmu).iter().all(|sample| sample.abs() < 50);
        assert!(silence, "{way:?}: the tone has ended");
    }
}
