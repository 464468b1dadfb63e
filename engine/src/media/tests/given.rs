//! Legs that go to another shard.

use super::*;
use crate::mediactl::Handover;

const NAT: &str = "192.0.2.1:61000";

/// A leg is asked for; what it carried and takes along.
fn give(world: &mut World, leg: u64, port: u16) -> (LegStats, Option<Handover>) {
    world.reports.clear();
    world.command(MediaCommand::GiveLeg { leg: LegId(leg), port: PortId(port), to: ShardId(1) });
    match world.reports.pop() {
        Some(MediaReport::Given { leg: given, stats, resume }) if given == LegId(leg) => (stats, resume),
        other => panic!("{other:?}"),
    }
}

fn echoing(remote: &str, port: u16) -> LegSpec {
    leg(port, remote)
}

/// The packet with this number.
fn voice(sequence: u16) -> Vec<u8> {
    Voice { ssrc: 9, sequence, timestamp: u32::from(sequence) * 160 }.as_payload(0, &[0xff; 160])
}

fn other_shard(now: Instant) -> World {
    let mut world = World::new(2);
    world.now = now;
    world.room(RoomMode::Echo);
    world
}

#[test]
fn its_stream_goes_on_where_it_was_and_its_source_is_known() {
    let mut world = World::new(1);
    world.room(RoomMode::Echo);
    world.put(1, 1, echoing(ALICE, A));
    let first = world.packet(A, NAT, &voice(1)).remove(0);
    world.run(Duration::from_millis(20));
    let second = world.packet(A, NAT, &voice(2)).remove(0);
    let (stats, resume) = give(&mut world, 1, A);
    assert_eq!((stats.received, stats.sent), (2, 2));
    assert_eq!(world.io, [MediaIo::Give { port: PortId(A), to: ShardId(1) }]);
    assert!(world.packet(A, NAT, &voice(3)).is_empty(), "it has left");
    assert_eq!(world.shard.stats().legs, 0);

    let mut there = other_shard(world.now);
    there.put(1, 2, LegSpec { resume, ..echoing(ALICE, A) });
    there.run(Duration::from_millis(20));
    let third = there.packet(A, NAT, &voice(3)).remove(0);
    let (first, second, third) = (first.header(), second.header(), third.header());
    assert_eq!([second.ssrc, third.ssrc], [first.ssrc; 2]);
    assert_eq!(third.sequence, first.sequence.wrapping_add(2));
    assert_eq!(third.timestamp.wrapping_sub(second.timestamp), 160);
    assert_eq!(there.sent[0].to.to_string(), NAT, "nothing has to be learnt again");
    assert!(there.packet(A, THIEF, &voice(9)).is_empty());
    assert!(!there.reports.iter().any(|report| matches!(report, MediaReport::Latched { .. })));
}

#[test]
fn another_offer_means_that_its_source_is_learnt_anew() {
    let mut world = World::new(1);
    world.room(RoomMode::Echo);
    world.put(1, 1, echoing(ALICE, A));
    world.packet(A, NAT, &voice(1));
    let (_, resume) = give(&mut world, 1, A);
    let mut there = other_shard(world.now);
    there.put(1, 2, LegSpec { resume, latch: 2, ..echoing(BOB, A) });
    assert_eq!(there.packet(A, BOB, &voice(1)).remove(0).to.to_string(), BOB);
}

#[test]
fn a_port_goes_before_there_is_a_leg() {
    let mut world = World::new(1);
    assert_eq!(give(&mut world, 7, A), (LegStats::default(), None));
    assert_eq!(world.io, [MediaIo::Give { port: PortId(A), to: ShardId(1) }]);
}

#[test]
fn the_port_of_another_leg_stays() {
    let mut world = World::new(1);
    world.room(RoomMode::Echo);
    world.put(1, 1, echoing(ALICE, A));
    assert_eq!(give(&mut world, 7, A), (LegStats::default(), None));
    assert_eq!(world.io, []);
    assert_eq!(world.packet(A, ALICE, &voice(1)).len(), 1);
}
