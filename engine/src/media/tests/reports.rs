//! Silence, latching and RTCP as signalling and the parties see them.

use super::*;
use crate::rtp::{Compound, ControlPacket, ReportBlock, RtcpWriter, SenderInfo};

fn silent(w: &World) -> usize {
    w.reports.iter().filter(|r| matches!(r, MediaReport::Silent { leg: LegId(1), .. })).count()
}

#[test]
fn silence_is_reported_once_and_again_after_a_packet() {
    let limit = Some(Duration::from_secs(10));
    let mut w = call(1);
    w.put(1, 2, LegSpec { silence: limit, ..leg(A, ALICE) });
    let mut alice = Voice::new(1);
    for _ in 0..20 {
        w.run(Duration::from_secs(1));
        w.packet(A, ALICE, &alice.next());
    }
    assert_eq!(silent(&w), 0);
    w.run(Duration::from_millis(9_999));
    assert_eq!(silent(&w), 0);
    w.run(Duration::from_millis(1));
    assert_eq!(silent(&w), 1);
    w.run(Duration::from_secs(60));
    assert_eq!(silent(&w), 1);
    w.packet(A, ALICE, &alice.next());
    w.run(Duration::from_secs(10));
    assert_eq!(silent(&w), 2);
}

#[test]
fn silence_is_reported_again_under_a_new_revision() {
    let spec = LegSpec { silence: Some(Duration::from_secs(10)), ..leg(A, ALICE) };
    let mut w = call(1);
    w.put(1, 2, spec.clone());
    w.run(Duration::from_secs(20));
    w.put(1, 2, spec.clone());
    w.put(1, 3, spec);
    w.run(Duration::from_secs(20));
    let revs: Vec<u32> = w
        .reports
        .iter()
        .filter_map(|r| if let MediaReport::Silent { rev, .. } = r { Some(*rev) } else { None })
        .collect();
    assert_eq!(revs, [2, 3]);
}

#[test]
fn a_party_that_sends_comfort_noise_unasked_is_not_silent() {
    let mut w = call(1);
    w.put(1, 2, LegSpec { silence: Some(Duration::from_secs(10)), ..leg(A, ALICE) });
    let mut alice = Voice::new(1);
    w.packet(A, ALICE, &alice.next());
    for _ in 0..10 {
        w.run(Duration::from_secs(5));
        alice.next();
        w.packet(A, ALICE, &alice.as_payload(13, &[40]));
    }
    assert_eq!((silent(&w), w.stats(1).unknown), (0, 10));
}

#[test]
fn silence_on_hold_is_none() {
    let limit = Some(Duration::from_secs(10));
    let mut w = call(1);
    w.put(1, 2, LegSpec { silence: limit, receive: false, ..leg(A, ALICE) });
    w.run(Duration::from_secs(60));
    assert_eq!(silent(&w), 0);
    w.put(1, 3, LegSpec { silence: limit, ..leg(A, ALICE) });
    w.run(Duration::from_millis(9_999));
    assert_eq!(silent(&w), 0, "waiting begins when media is accepted again");
    w.run(Duration::from_millis(1));
    assert_eq!(silent(&w), 1);
}

#[test]
fn an_address_is_reported_when_it_changes() {
    let mut w = call(1);
    let mut alice = Voice::new(1);
    for _ in 0..5 {
        w.packet(A, ALICE, &alice.next());
    }
    w.put(1, 2, LegSpec { latch: 2, ..leg(A, ALICE) });
    w.packet(A, ALICE, &alice.next());
    let latched =
        |rev, remote: &str| MediaReport::Latched { leg: LegId(1), rev, remote: remote.parse().unwrap() };
    assert_eq!(w.reports, [latched(1, ALICE)]);
    w.put(1, 3, LegSpec { latch: 3, ..leg(A, ALICE) });
    w.packet(A, "192.0.2.1:4444", &alice.next());
    assert_eq!(w.reports, [latched(1, ALICE), latched(3, "192.0.2.1:4444")]);
}

/// Alice's RTCP, and the last SR to her.
fn sender_reports(w: &World) -> Vec<(Instant, u32, SenderInfo, Vec<ReportBlock>)> {
    let to_alice = w.sent.iter().filter(|s| s.port == A + 1);
    to_alice
        .filter_map(|s| match Compound::parse(&s.bytes).unwrap().packets().next() {
            Some(ControlPacket::SenderReport { ssrc, info, blocks }) => {
                Some((s.at, ssrc, info, blocks.iter().collect()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn reports_come_every_five_seconds_or_so_and_say_what_was_heard() {
    let mut w = call(1);
    let (mut alice, mut bob) = (Voice::new(1), Voice::new(2));
    for n in 0..3000 {
        w.run(Duration::from_millis(20));
        let packet = alice.next();
        if n % 10 != 0 {
            w.packet(A, ALICE, &packet);
        }
        w.packet(B, BOB, &bob.next());
    }
    let reports = sender_reports(&w);
    assert!((8..=24).contains(&reports.len()), "{}", reports.len());
    for pair in reports.windows(2) {
        let gap = pair[1].0.since(pair[0].0);
        assert!((Duration::from_millis(2500)..=Duration::from_millis(7520)).contains(&gap), "{gap:?}");
        // Timestamp and NTP time advance alike.
        let ntp = ((pair[1].2.ntp - pair[0].2.ntp) * 8000) >> 32;
        let units = u64::from(pair[1].2.timestamp.wrapping_sub(pair[0].2.timestamp));
        assert!(ntp.abs_diff(units) <= 1, "{ntp} {units}");
    }
    let (_, ssrc, info, blocks) = reports.last().unwrap();
    let last = w.media().iter().rev().find(|s| s.port == A).unwrap().header();
    assert_eq!(*ssrc, last.ssrc);
    assert!(info.octets == info.packets * 160 && info.packets > 2600);
    assert_eq!(blocks[0].ssrc, 1);
    assert!((24..=27).contains(&blocks[0].fraction_lost), "{}", blocks[0].fraction_lost);
    // One packet in ten, up to the report.
    assert!((255..=300).contains(&blocks[0].lost), "{}", blocks[0].lost);
}

#[test]
fn round_trip_and_loss_are_read_from_the_partys_report() {
    let mut w = call(1);
    let mut bob = Voice::new(2);
    while sender_reports(&w).is_empty() {
        w.run(Duration::from_millis(20));
        w.packet(B, BOB, &bob.next());
    }
    let (at, ssrc, info, _) = sender_reports(&w).pop().unwrap();
    // Alice answers 300 ms after it left, having kept it for 250 ms: 50 ms on the way.
    let block = ReportBlock {
        ssrc,
        fraction_lost: 64,
        lost: 5,
        highest: 0,
        jitter: 0,
        last_report: (info.ntp >> 16) as u32,
        delay: 65_536 / 4,
    };
    let mut bytes = Vec::new();
    RtcpWriter::new(&mut bytes).report(1, None, Some(&block)).description(1, "alice");
    w.run((at + Duration::from_millis(300)).since(w.now));
    w.packet(A + 1, "192.0.2.1:4001", &bytes);
    let stats = w.stats(1);
    assert!(stats.round_trip_us.abs_diff(50_000) < 50, "{}", stats.round_trip_us);
    assert_eq!(stats.remote_fraction_lost, 64);
    // The same from elsewhere is not believed.
    w.packet(A + 1, THIEF, &bytes);
    assert_eq!(w.stats(1).refused, 1);
}

#[test]
fn rtcp_goes_where_it_is_heard_from_and_ends_with_goodbye() {
    let mut w = call(1);
    w.run(Duration::from_secs(4));
    let targets = |w: &World| -> Vec<(u16, String)> {
        let rtcp = w.sent.iter().filter(|s| s.port == A + 1 || s.port == A);
        rtcp.map(|s| (s.port, s.to.to_string())).collect()
    };
    assert_eq!(targets(&w), [(A + 1, "192.0.2.1:4001".to_string())]);
    let mut hello = Vec::new();
    RtcpWriter::new(&mut hello).report(1, None, None).description(1, "alice");
    w.packet(A + 1, "192.0.2.1:7777", &hello);
    w.sent.clear();
    w.drop_leg(1);
    assert_eq!(targets(&w), [(A + 1, "192.0.2.1:7777".to_string())]);
    let last = Compound::parse(&w.sent[0].bytes).unwrap().packets().last();
    assert!(matches!(last, Some(ControlPacket::Goodbye { .. })), "{last:?}");
    assert_eq!(w.media().len(), 0, "RTCP of one party is nothing to the other");
}

#[test]
fn rtcp_may_share_the_port_of_rtp() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, LegSpec { remote_rtcp: Some(ALICE.parse().unwrap()), ..leg(A, ALICE) });
    w.run(Duration::from_secs(4));
    assert_eq!((w.sent[0].port, w.sent[0].to.to_string()), (A, ALICE.to_string()));
    let mut hello = Vec::new();
    RtcpWriter::new(&mut hello).report(1, None, None).description(1, "alice");
    w.packet(A, ALICE, &hello);
    w.packet(A, THIEF, &hello);
    let stats = w.stats(1);
    assert_eq!((stats.refused, stats.unknown, stats.received), (1, 0, 0));
}

#[test]
fn nothing_is_said_to_a_private_address_once_the_party_is_known_to_be_elsewhere() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, LegSpec { near: Some("203.0.113.7".parse().unwrap()), ..leg(A, "192.168.1.5:4000") });
    w.packet(A, "203.0.113.7:61000", &Voice::new(1).next());
    w.run(Duration::from_secs(30));
    assert_eq!(w.sent, []);
}

#[test]
fn a_leg_without_address_says_nothing() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, LegSpec { remote: None, ..leg(A, ALICE) });
    w.run(Duration::from_secs(30));
    w.drop_leg(1);
    assert_eq!(w.sent, []);
}

#[test]
fn reports_follow_a_party_that_moves_and_never_speaks() {
    let mut w = call(1);
    let (mut report, mut bob) = (Vec::new(), Voice::new(2));
    RtcpWriter::new(&mut report).report(7, None, None);
    w.packet(A + 1, "192.0.2.1:4001", &report);
    let moved = "192.0.2.77:4000";
    w.put(1, 2, LegSpec { latch: 2, ..leg(A, moved) });
    for _ in 0..1000 {
        w.run(Duration::from_millis(20));
        w.packet(B, BOB, &bob.next());
    }
    let to: Vec<String> = w.sent.iter().filter(|s| s.port == A + 1).map(|s| s.to.to_string()).collect();
    assert!(to.len() > 2 && to.iter().all(|to| to == "192.0.2.77:4001"), "{to:?}");
}
