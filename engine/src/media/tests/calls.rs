//! Relay and echo: who hears what, in which numbers.

use super::*;
use proptest::prelude::*;

#[test]
fn a_relay_carries_payloads_both_ways_and_writes_its_own_headers() {
    let mut w = call(1);
    let (mut alice, mut bob) = (Voice::new(1), Voice::new(2));
    for _ in 0..100 {
        w.run(Duration::from_millis(20));
        let out = w.packet(A, ALICE, &alice.next());
        assert_eq!((out[0].port, out[0].to.to_string()), (B, BOB.to_string()));
        assert_eq!(out[0].payload(), alice.payload());
        assert_ne!(out[0].header().ssrc, 1);
        let out = w.packet(B, BOB, &bob.next());
        assert_eq!((out[0].port, out[0].to.to_string()), (A, ALICE.to_string()));
        assert_eq!(out[0].payload(), bob.payload());
    }
    let stats = w.stats(1);
    assert_eq!((stats.received, stats.sent, stats.lost), (100, 100, 0));
    assert_eq!((stats.received_octets, stats.sent_octets), (16_000, 16_000));
    assert_eq!(w.media().len(), 200);
}

#[test]
fn payload_types_are_renumbered_and_strangers_among_them_counted() {
    let mut w = call(1);
    let mut alice = Voice::new(1);
    w.packet(A, ALICE, &alice.next());
    alice.sequence += 1;
    let event = w.packet(A, ALICE, &alice.as_payload(101, &[5, 10, 0, 160]));
    assert_eq!((event[0].header().payload_type, event[0].payload()), (96, &[5, 10, 0, 160][..]));
    alice.sequence += 1;
    assert_eq!(w.packet(A, ALICE, &alice.as_payload(13, &[40])), []);
    assert_eq!(w.stats(1).unknown, 1);
}

#[test]
fn what_was_agreed_with_us_alone_stays_behind() {
    let mut w = call(1);
    let mut bytes = Voice::new(1).next();
    bytes[0] |= 0x20 | 0x10 | 1;
    let payload = bytes.split_off(12);
    bytes.extend([9, 9, 9, 9]);
    bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    bytes.extend(&payload);
    bytes.extend([0, 0, 0, 4]);
    let out = w.packet(A, ALICE, &bytes);
    assert_eq!(out[0].bytes[0], 0x80);
    assert_eq!(out[0].bytes.len(), 12 + 160);
    assert_eq!(out[0].payload(), payload);
}

#[test]
fn an_echo_returns_exactly_the_payload() {
    let mut w = World::new(1);
    w.room(RoomMode::Echo);
    w.put(1, 1, leg(A, ALICE));
    let mut alice = Voice::new(1);
    for _ in 0..50 {
        w.run(Duration::from_millis(20));
        let out = w.packet(A, ALICE, &alice.next());
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].payload(), out[0].to.to_string()), (&alice.payload()[..], ALICE.to_string()));
    }
    let event = alice.as_payload(101, &[1, 2, 3, 4]);
    w.run(Duration::from_millis(20));
    alice.next();
    assert_eq!(w.packet(A, ALICE, &event), [], "an old number is a duplicate");
    let event = w.packet(A, ALICE, &alice.as_payload(101, &[1, 2, 3, 4]));
    assert_eq!(event[0].header().payload_type, 96, "the number by which the party wants it");
}

#[test]
fn hold_stops_media_and_resume_goes_on_in_sequence() {
    let mut w = call(1);
    let mut alice = Voice::new(1);
    let before = w.packet(A, ALICE, &alice.next())[0].header();
    // Bob holds: nothing is to be sent to him.
    w.put(2, 2, LegSpec { send: false, ..leg(B, BOB) });
    for _ in 0..50 {
        w.run(Duration::from_millis(20));
        assert_eq!(w.packet(A, ALICE, &alice.next()), []);
    }
    assert_eq!(w.stats(1).received, 51, "Alice is still listened to");
    w.put(2, 3, leg(B, BOB));
    w.run(Duration::from_millis(20));
    let after = w.packet(A, ALICE, &alice.next())[0].header();
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 51 * 160);
    assert!(after.marker);
    // Alice may not be heard: neither relayed nor counted, and no loss when she is again.
    w.put(1, 2, LegSpec { receive: false, ..leg(A, ALICE) });
    for _ in 0..50 {
        assert_eq!(w.packet(A, ALICE, &alice.next()), []);
    }
    w.put(1, 3, leg(A, ALICE));
    assert_eq!(w.packet(A, ALICE, &alice.next()).len(), 1);
    assert_eq!((w.stats(1).received, w.stats(1).lost), (53, 0));
}

#[test]
fn an_unspecified_address_is_hold_too() {
    let mut w = call(1);
    w.put(2, 2, LegSpec { remote: Some("0.0.0.0:5000".parse().unwrap()), ..leg(B, BOB) });
    assert_eq!(w.packet(A, ALICE, &Voice::new(1).next()), []);
}

#[test]
fn each_leg_has_one_end_and_its_port_is_free() {
    let mut w = call(1);
    w.packet(A, ALICE, &Voice::new(1).next());
    w.drop_leg(1);
    w.drop_leg(1);
    assert_eq!(w.packet(A, ALICE, &Voice::new(1).next()), []);
    assert_eq!(w.packet(B, BOB, &Voice::new(2).next()), [], "there is nobody to hear it");
    w.drop_leg(2);
    w.drop_leg(3);
    w.command(MediaCommand::DropRoom { room: RoomId(1) });
    let ended: Vec<(u64, u64)> = w
        .reports
        .iter()
        .filter_map(|r| match r {
            MediaReport::Dropped { leg, stats, .. } => Some((leg.0, stats.received)),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [(1, 1), (2, 1)]);
    let left = w.shard.stats();
    assert_eq!((left.rooms, left.legs, left.strays), (0, 0, 1));
    assert_eq!(w.shard.deadline(), None);
    w.room(RoomMode::Relay);
    w.put(4, 1, leg(A, ALICE));
    assert_eq!(w.shard.stats().legs, 1);
}

#[test]
fn a_room_takes_its_legs_along() {
    let mut w = call(1);
    w.command(MediaCommand::DropRoom { room: RoomId(1) });
    let ended = w.reports.iter().filter(|r| matches!(r, MediaReport::Dropped { .. })).count();
    assert_eq!((ended, w.shard.stats().legs), (2, 0));
}

#[test]
fn broken_commands_end_the_leg_they_name_and_no_other() {
    let mut w = call(1);
    w.put(4, 1, LegSpec { room: RoomId(9), ..leg(10_006, ALICE) });
    w.put(5, 1, leg(A, ALICE)); // a port in use
    w.put(6, 1, leg(10_001, ALICE)); // an odd port
    w.put(1, 2, leg(10_008, ALICE)); // another port
    let ended: Vec<u64> =
        w.reports.iter().map(|r| if let MediaReport::Dropped { leg, .. } = r { leg.0 } else { 0 }).collect();
    assert_eq!(ended, [4, 5, 6, 1]);
    assert_eq!(w.shard.stats().legs, 1);
}

#[test]
fn a_leg_may_come_before_the_one_it_replaces_has_gone() {
    let mut w = call(1);
    let mut alice = Voice::new(1);
    w.put(3, 1, leg(10_004, THIEF));
    assert_eq!(w.packet(A, ALICE, &alice.next()), [], "it is not clear who shall hear it");
    w.drop_leg(2);
    assert_eq!(w.packet(A, ALICE, &alice.next())[0].to.to_string(), THIEF);
}

#[test]
fn a_party_alone_is_heard_and_its_address_learnt() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, LegSpec { accept: Vec::new(), ..leg(A, ALICE) });
    w.packet(A, ALICE, &Voice::new(1).next());
    assert_eq!(w.stats(1).received, 1);
    assert!(matches!(w.reports[..], [MediaReport::Latched { .. }]));
}

#[test]
fn commands_out_of_date_change_nothing() {
    let mut w = call(1);
    w.put(2, 5, leg(B, BOB));
    w.put(2, 4, LegSpec { send: false, ..leg(B, BOB) });
    assert_eq!(w.packet(A, ALICE, &Voice::new(1).next()).len(), 1);
}

#[test]
fn a_leg_that_moves_goes_on_with_its_numbers() {
    let mut w = call(1);
    let (mut alice, mut carol) = (Voice::new(1), Voice::new(3));
    let before = w.packet(A, ALICE, &alice.next())[0].header();
    w.run(Duration::from_millis(20));
    w.drop_leg(2);
    let Some(&MediaReport::Dropped { resume, .. }) = w.reports.last() else { panic!() };
    // Bob's leg in another room, with Carol.
    w.command(MediaCommand::PutRoom { room: RoomId(2), rev: 1, spec: RoomSpec::new(RoomMode::Relay) });
    let resume = Some(crate::mediactl::Handover { stream: resume, heard: None, latch: 0, next_press: 0 });
    w.put(20, 1, LegSpec { room: RoomId(2), resume, ..leg(B, BOB) });
    w.put(21, 1, LegSpec { room: RoomId(2), ..leg(10_004, THIEF) });
    w.run(Duration::from_millis(20));
    let after = w.packet(10_004, THIEF, &carol.next())[0].header();
    assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 320);
}

#[test]
fn ports_are_asked_for_and_announced() {
    let mut w = World::new(1);
    let mut out = MediaOut::default();
    w.shard.handle(w.now, MediaInput::Command(MediaCommand::WantPorts { count: 3 }), &mut out);
    assert_eq!(out.io, [MediaIo::Bind { count: 3 }]);
    w.handle(MediaInput::Ports(vec![PortId(A)]));
    assert_eq!(w.reports, [MediaReport::Ports { ports: vec![PortId(A)] }]);
}

/// What can happen between two packets of Alice's.
#[derive(Clone, Debug)]
enum Turn {
    NewSource {
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
    },
    /// She restarts with the same source: of the jump, one packet is lost.
    Jump(u16),
    Lose,
    Duplicate,
    Swap,
    Reoffer,
    Plain,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        any::<(u32, u16, u32)>().prop_map(|(ssrc, sequence, timestamp)| Turn::NewSource {
            ssrc,
            sequence,
            timestamp
        }),
        (4000..60_000u16).prop_map(Turn::Jump),
        Just(Turn::Lose),
        Just(Turn::Duplicate),
        Just(Turn::Swap),
        Just(Turn::Reoffer),
        Just(Turn::Plain),
        Just(Turn::Plain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever Alice does, Bob hears one source; no sequence number twice; a gap only where a packet was lost; and
    /// in the order of sequence numbers the timestamps do not go back.
    #[test]
    fn bob_hears_one_continuous_source(turns in prop::collection::vec(turn(), 1..80)) {
        let mut w = call(3);
        let mut alice = Voice::new(1);
        w.packet(A, ALICE, &alice.next());
        let mut lost = 0;
        let mut latch = 1;
        for turn in turns {
            w.run(Duration::from_millis(20));
            match turn {
                Turn::NewSource { ssrc, sequence, timestamp } => alice = Voice { ssrc, sequence, timestamp },
                Turn::Jump(by) => {
                    alice.sequence = alice.sequence.wrapping_add(by);
                    prop_assert_eq!(w.packet(A, ALICE, &alice.next()), []);
                }
                Turn::Lose => {
                    alice.next();
                    lost += 1;
                }
                Turn::Duplicate => {
                    let again = alice.next();
                    prop_assert_eq!(w.packet(A, ALICE, &again).len(), 1);
                    prop_assert_eq!(w.packet(A, ALICE, &again), []);
                }
                Turn::Swap => {
                    let early = alice.next();
                    let late = alice.next();
                    w.packet(A, ALICE, &late);
                    w.packet(A, ALICE, &early);
                }
                Turn::Reoffer => {
                    latch += 1;
                    w.put(1, latch, LegSpec { latch, ..leg(A, ALICE) });
                }
                Turn::Plain => {}
            }
            prop_assert_eq!(w.packet(A, ALICE, &alice.next()).len(), 1);
        }
        let mut heard: Vec<Header> = w.media().iter().map(|s| s.header()).collect();
        let first = heard[0].sequence;
        heard.sort_by_key(|h| h.sequence.wrapping_sub(first));
        let mut gaps = 0;
        for pair in heard.windows(2) {
            let step = pair[1].sequence.wrapping_sub(pair[0].sequence);
            prop_assert!(step >= 1);
            gaps += u32::from(step) - 1;
            prop_assert_eq!(pair[0].ssrc, pair[1].ssrc);
            prop_assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 1 << 31);
        }
        // A packet lost just before a new source leaves no gap.
        prop_assert!(gaps <= lost);
    }
}
