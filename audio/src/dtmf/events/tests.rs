use std::time::Duration;

use super::super::{Convention, Digit};
use super::*;
use proptest::prelude::*;

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
struct Packet {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: TelephoneEvent,
    /// When it is sent, in milliseconds.
    at: u64,
    /// Which press it belongs to.
    press: usize,
}

const BEGIN: u32 = 4_294_960_000;

/// What a sender makes of keys and lengths in milliseconds.
fn sent(clock: u32, ptime: u32, keys: &[(u8, u32)]) -> Vec<Packet> {
    let mut sender = EventSender::new(clock, Convention { on: 40, off: 40, ..Convention::COMMON });
    for &(code, milliseconds) in keys {
        sender.dial(Digit::from_code(code).unwrap(), 10, milliseconds).unwrap();
    }
    let interval = clock * ptime / 1000;
    // Both wrap on the way.
    let (mut timestamp, mut sequence, mut at, mut press) = (BEGIN, 65_500_u16, 0, usize::MAX);
    let (mut packets, mut out) = (Vec::new(), Vec::new());
    while sender.busy() {
        sender.tick(timestamp, interval, &mut out);
        for Outgoing { payload, timestamp, marker } in out.drain(..) {
            press = if marker { press.wrapping_add(1) } else { press };
            packets.push(Packet { sequence, timestamp, marker, payload, at, press });
            sequence = sequence.wrapping_add(1);
        }
        timestamp = timestamp.wrapping_add(interval);
        at += u64::from(ptime);
    }
    packets
}

fn receive(clock: u32, packets: &[Packet]) -> Vec<Received> {
    let (mut receiver, mut out) = (EventReceiver::new(clock), Vec::new());
    for packet in packets {
        let header = (packet.sequence, packet.timestamp, packet.marker);
        receiver.feed(Duration::from_millis(packet.at), header, packet.payload, &mut out);
    }
    let end = packets.last().map_or(0, |packet| packet.at) + 1000;
    receiver.tick(Duration::from_millis(end), &mut out);
    assert_eq!((receiver.pressed(), receiver.deadline()), (None, None));
    out
}

fn codes(received: &[Received]) -> Vec<u8> {
    let press = |event: &Received| match event {
        Received::Press { digit, .. } => Some(digit.code()),
        Received::Release { .. } => None,
    };
    received.iter().filter_map(press).collect()
}

fn lengths(received: &[Received]) -> Vec<u128> {
    let release = |event: &Received| match event {
        Received::Release { duration, .. } => Some(duration.as_millis()),
        Received::Press { .. } => None,
    };
    received.iter().filter_map(release).collect()
}

/// A press as it stands in packets: a line each.
fn shown(packets: &[Packet]) -> String {
    let line = |p: &Packet| {
        let (mark, end) = (if p.marker { " marker" } else { "" }, if p.payload.end { " end" } else { "" });
        format!("+{} {}{mark}{end}\n", p.timestamp.wrapping_sub(BEGIN), p.payload.duration)
    };
    packets.iter().map(line).collect()
}

#[test]
fn a_press_is_a_start_updates_and_three_ends() {
    let packets = sent(8000, 20, &[(5, 75), (5, 40)]);
    assert_eq!(
        shown(&packets),
        "+0 160 marker\n+0 320\n+0 480\n+0 600 end\n+0 600 end\n+0 600 end\n\
         +960 160 marker\n+960 320 end\n+960 320 end\n+960 320 end\n"
    );
    assert!(packets.iter().all(|p| p.payload.event == 5 && p.payload.volume == 10));
}

#[test]
fn a_long_press_is_sent_in_segments_and_is_one() {
    let packets = sent(48_000, 20, &[(11, 3000), (1, 100)]);
    let bounds: Vec<Packet> = packets.iter().filter(|p| p.payload.duration == 0xffff).copied().collect();
    assert_eq!(shown(&bounds), "+0 65535\n+65535 65535\n");
    let last = packets.iter().rfind(|p| p.payload.event == 11).unwrap();
    assert_eq!(shown(&[*last]), "+131070 12930 end\n");
    let received = receive(48_000, &packets);
    assert_eq!((codes(&received), lengths(&received)), (vec![11, 1], vec![3000, 100]));
    // The report that ends a segment is lost, and those around it.
    let holes: Vec<Packet> =
        packets.into_iter().filter(|p| !(60_000..=0xffff).contains(&u32::from(p.payload.duration))).collect();
    assert_eq!(lengths(&receive(48_000, &holes)), [3000, 100]);
}

#[test]
fn a_key_lasts_as_long_as_it_is_down() {
    let mut sender = EventSender::new(8000, Convention::COMMON);
    let mut out = Vec::new();
    sender.press(Digit::from_char('8').unwrap(), 70).unwrap();
    for n in 0..50 {
        sender.tick(n * 160, 160, &mut out);
    }
    sender.release();
    for n in 50..60 {
        sender.tick(n * 160, 160, &mut out);
    }
    assert!(!sender.busy());
    assert_eq!(out.len(), 53);
    assert!(out[50..].iter().all(|p| p.payload.end && p.payload.duration == 8000));
    assert!(out[..50].iter().all(|p| !p.payload.end && p.payload.volume == 63));
    // Two keys pressed and let go before they could be sent: both are, each for the shortest time.
    out.clear();
    for key in ['1', '1'] {
        sender.press(Digit::from_char(key).unwrap(), 0).unwrap();
    }
    sender.release();
    for n in 60..100 {
        sender.tick(n * 160, 160, &mut out);
    }
    assert_eq!(out.iter().filter(|p| p.marker).count(), 2);
    assert_eq!(out.iter().filter(|p| p.payload.end && p.payload.duration == 640).count(), 6);
}

#[test]
fn keys_beyond_the_queue_are_refused() {
    let mut sender = EventSender::new(8000, Convention::COMMON);
    let one = Digit::from_char('1').unwrap();
    while sender.dial(one, 0, 0).is_ok() {}
    assert!(sender.press(one, 0).is_err());
    // And a timestamp that jumps neither stops it nor makes a flood.
    let mut out = Vec::new();
    for n in 0..2000_u32 {
        sender.tick(n.wrapping_mul(n << 20), 160, &mut out);
    }
    assert!(!sender.busy() && out.len() <= 4000, "{}", out.len());
}

#[test]
fn an_end_that_never_comes_is_waited_for() {
    let packets = sent(8000, 20, &[(3, 100)]);
    let (mut receiver, mut out) = (EventReceiver::new(8000), Vec::new());
    let first = packets[0];
    receiver.feed(Duration::ZERO, (first.sequence, first.timestamp, true), first.payload, &mut out);
    let deadline = receiver.deadline().unwrap();
    receiver.tick(deadline - Duration::from_nanos(1), &mut out);
    assert_eq!((out.len(), receiver.pressed()), (1, Digit::from_code(3)));
    receiver.tick(deadline, &mut out);
    assert_eq!(lengths(&out), [20]);
    // What comes after all does not press it again.
    for packet in &packets[1..] {
        let header = (packet.sequence, packet.timestamp, packet.marker);
        receiver.feed(deadline, header, packet.payload, &mut out);
    }
    assert_eq!(out.len(), 2);
}

/// Phones that give each packet the timestamp of the moment, with durations that grow or do not.
#[test]
fn timestamps_that_move_within_a_press() {
    for constant in [false, true] {
        let mut packets = sent(8000, 20, &[(7, 400), (7, 400), (2, 60)]);
        for packet in &mut packets {
            packet.timestamp = BEGIN.wrapping_add(8 * packet.at as u32);
            if constant {
                packet.payload.duration = 160;
            }
        }
        assert_eq!(codes(&receive(8000, &packets)), [7, 7, 2], "constant: {constant}");
        if !constant {
            // One in three lost.
            let some: Vec<Packet> = packets.into_iter().filter(|p| p.sequence % 3 != 0).collect();
            assert_eq!(codes(&receive(8000, &some)), [7, 7, 2]);
        }
    }
}

/// Phones that use one timestamp for all.
#[test]
fn timestamps_that_stay_between_presses() {
    let mut packets = sent(8000, 20, &[(7, 100), (7, 100), (2, 60), (2, 200)]);
    for packet in &mut packets {
        packet.timestamp = 12_345;
    }
    assert_eq!(codes(&receive(8000, &packets)), [7, 7, 2, 2]);
    // Without the marker, and without the ends.
    for packet in &mut packets {
        packet.marker = false;
    }
    packets.retain(|packet| !packet.payload.end);
    assert_eq!(codes(&receive(8000, &packets)), [7, 7, 2, 2]);
}

#[test]
fn a_duration_that_wraps_in_place_is_one_press() {
    let packet = |n: u16| Packet {
        sequence: n,
        timestamp: 0,
        marker: n == 0,
        payload: TelephoneEvent {
            event: 0,
            end: n == 999,
            volume: 0,
            duration: n.wrapping_add(1).wrapping_mul(160),
        },
        at: u64::from(n) * 20,
        press: 0,
    };
    let packets: Vec<Packet> = (0..1000).map(packet).collect();
    assert_eq!(codes(&receive(8000, &packets)), [0]);
}

#[test]
fn events_that_are_no_keys_are_ignored_and_a_restart_lets_go() {
    let (mut receiver, mut out) = (EventReceiver::new(0), Vec::new());
    let mut payload = TelephoneEvent { event: 16, end: false, volume: 0, duration: 0 };
    receiver.feed(Duration::ZERO, (0, 0, true), payload, &mut out);
    assert!(out.is_empty());
    payload.event = 15;
    receiver.feed(Duration::ZERO, (1, 0, true), payload, &mut out);
    receiver.restart(&mut out);
    assert_eq!(out.len(), 2);
}

/// Lost, sent twice, and how many milliseconds late.
type Fate = (bool, bool, u64);

/// Keys with pauses, and what the network does to each packet.
fn weather() -> impl Strategy<Value = (u32, Vec<(u8, u32)>, Vec<Fate>)> {
    let clock = prop_oneof![Just(8000), Just(16_000), Just(48_000)];
    let keys = prop::collection::vec((0..4_u8, 40..2500_u32), 1..12);
    let fate = (prop::bool::weighted(0.3), prop::bool::weighted(0.1), 0..70_u64);
    (clock, keys, prop::collection::vec(fate, 400))
}

proptest! {
    /// Nothing lost: everything arrives once with its length, whatever the ptime.
    #[test]
    fn a_clean_network_tells_all(
        clock in prop_oneof![Just(8000_u32), Just(16_000), Just(48_000)],
        ptime in prop_oneof![Just(10_u32), Just(20), Just(30), Just(60)],
        keys in prop::collection::vec((0..16_u8, 40..3000_u32), 1..10),
    ) {
        let received = receive(clock, &sent(clock, ptime, &keys));
        prop_assert_eq!(codes(&received), keys.iter().map(|key| key.0).collect::<Vec<_>>());
        prop_assert_eq!(lengths(&received), keys.iter().map(|key| u128::from(key.1)).collect::<Vec<_>>());
    }

    /// Loss of 30 %, doubles and late packets: each press of which a packet comes before any of the next is told once.
    #[test]
    fn a_bad_network_neither_adds_nor_hides((clock, keys, fates) in weather()) {
        let mut arrived = Vec::new();
        for (packet, &(lost, twice, late)) in sent(clock, 20, &keys).iter().zip(fates.iter().cycle()) {
            if !lost {
                arrived.push(Packet { at: packet.at + late, ..*packet });
                if twice {
                    arrived.push(Packet { at: packet.at + late / 2 + 30, ..*packet });
                }
            }
        }
        arrived.sort_by_key(|packet| packet.at);
        let mut wanted: Vec<usize> = Vec::new();
        for packet in &arrived {
            if wanted.last().is_none_or(|&last| packet.press > last) {
                wanted.push(packet.press);
            }
        }
        let received = receive(clock, &arrived);
        let wanted: Vec<u8> = wanted.into_iter().map(|press| keys[press].0).collect();
        prop_assert_eq!(codes(&received), wanted);
        for pair in received.windows(2) {
            let presses = [pair[0], pair[1]].map(|event| matches!(event, Received::Press { .. }));
            prop_assert!(presses[0] != presses[1]);
        }
    }

    /// Anything at all: presses and releases alternate, and nothing is told of no key.
    #[test]
    fn any_packets_will_do(
        clock in any::<u32>(),
        packets in prop::collection::vec(any::<(u16, u32, bool, u8, bool, u16, u16)>(), 0..60),
    ) {
        let (mut receiver, mut out, mut now) = (EventReceiver::new(clock), Vec::new(), 0);
        for (sequence, timestamp, marker, event, end, duration, wait) in packets {
            now += u64::from(wait / 64);
            let payload = TelephoneEvent { event: event % 20, end, volume: event, duration };
            let header = (sequence, timestamp, marker);
            receiver.feed(Duration::from_millis(now), header, payload, &mut out);
        }
        receiver.restart(&mut out);
        prop_assert_eq!(out.len() % 2, 0);
        for (n, event) in out.iter().enumerate() {
            prop_assert_eq!(matches!(event, Received::Press { .. }), n % 2 == 0);
        }
    }
}

#[test]
fn an_event_reads_as_it_was_written() {
    let event = TelephoneEvent { event: 11, end: true, volume: 10, duration: 1280 };
    assert_eq!(event.to_bytes(), [11, 0x8a, 5, 0]);
    assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
    assert_eq!(event.key(), Some('#'));
    assert_eq!(TelephoneEvent { event: 16, ..event }.key(), None);
    assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
}

/// Opus, at 48,000, with events at 8000.
#[test]
fn timestamps_of_another_clock_than_durations() {
    let mut sender = EventSender::new(8000, Convention::COMMON).in_stream(48_000);
    let keys = [(1, 9000), (1, 100), (2, 100)];
    for (code, ms) in keys {
        sender.dial(Digit::from_code(code).unwrap(), 10, ms).unwrap();
    }
    let (mut receiver, mut heard) = (EventReceiver::new(8000).in_stream(48_000), Vec::new());
    let (mut out, mut stamps, mut sequence, mut now) = (Vec::new(), Vec::new(), 0, 0_u32);
    while sender.busy() {
        sender.tick(BEGIN.wrapping_add(now * 48), 160, &mut out);
        for Outgoing { payload, timestamp, marker } in out.drain(..) {
            stamps.push(timestamp.wrapping_sub(BEGIN));
            receiver.feed(
                Duration::from_millis(now.into()),
                (sequence, timestamp, marker),
                payload,
                &mut heard,
            );
            sequence += 1;
        }
        now += 20;
    }
    stamps.dedup();
    assert_eq!(stamps[..3], [0, 0xffff * 6, 9080 * 48], "a segment of 65,535 units lasts six times as many");
    assert_eq!((codes(&heard), lengths(&heard)), (vec![1, 1, 2], vec![9000, 100, 100]));
}

/// Some telephones leave the duration at 0.
#[test]
fn a_press_without_duration_lasts_as_long_as_it_was_heard() {
    let mut packets = sent(8000, 20, &[(7, 100)]);
    packets.iter_mut().for_each(|packet| packet.payload.duration = 0);
    assert_eq!(lengths(&receive(8000, &packets)), [80]);
}

#[test]
fn a_key_held_elsewhere_lasts_as_long_here() {
    let mut sender = EventSender::new(8000, Convention::COMMON);
    let mut out = Vec::new();
    sender.press(Digit::from_char('8').unwrap(), 10).unwrap();
    for n in 0..30 {
        if n == 5 {
            sender.release_after(300);
        }
        sender.tick(n * 160, 160, &mut out);
    }
    assert!(!sender.busy());
    assert_eq!(out.last().map(|p| (p.payload.end, p.payload.duration)), Some((true, 2400)));
}
