use super::*;
use crate::analysis::Options;
use crate::streams::How;
use crate::testing::{ALICE, ALICE_MEDIA, BOB, BOB_MEDIA, Pcap, audio, call, close, open, rtp, sdp, sip};

#[test]
fn streams_are_told_by_their_ends_and_belong_to_their_call() {
    let mut pcap = Pcap::new(101);
    open(&mut pcap);
    audio(&mut pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 100, &[7, 8, 50]);
    audio(&mut pcap, (BOB_MEDIA, ALICE_MEDIA), 2, 100, &[]);
    close(&mut pcap, 3300);
    let report = pcap.report(Options::default());
    let rows: Vec<(u32, u64, u64, bool, Option<usize>)> =
        report.streams.iter().map(|s| (s.ssrc, s.packets, s.lost, s.to_caller, s.call)).collect();
    assert_eq!(rows, [(1, 97, 3, false, Some(1)), (2, 100, 0, true, Some(1))]);
    let s = &report.streams[0];
    assert_eq!((s.codec.name.as_str(), s.how), ("PCMU", How::Announced { message: 3 }));
    assert!(s.jitter.is_some_and(|j| j.most < 0.01) && s.mos.is_some_and(|m| m > 3.5), "{s:?}");
    assert_eq!(s.gap.length.as_millis(), 60);
}

#[test]
fn media_before_its_announcement_is_found() {
    let mut pcap = Pcap::new(101);
    audio(&mut pcap, (BOB_MEDIA, ALICE_MEDIA), 2, 10, &[]);
    call(&mut pcap);
    assert_eq!(pcap.report(Options::default()).counts.rtp, 10);
}

#[test]
fn keys_are_pressed_once_however_often_they_are_told() {
    let mut pcap = Pcap::new(101);
    open(&mut pcap);
    let mut sequence = 0;
    for (n, key) in [5_u8, 5, 11].iter().enumerate() {
        for (flags, duration) in [(10, 160_u16), (10, 320), (0x8a, 480), (0x8a, 480), (0x8a, 480)] {
            let [high, low] = duration.to_be_bytes();
            let packet = rtp(101, sequence, 8000 * n as u32, 1, &[*key, flags, high, low]);
            pcap.rtp(400 + 20 * u64::from(sequence), (ALICE_MEDIA, BOB_MEDIA), &packet);
            sequence += 1;
        }
    }
    let report = pcap.report(Options::default());
    let stream = &report.streams[0];
    assert_eq!((stream.keys().as_str(), stream.events, stream.packets), ("55#", 15, 15));
    assert!(stream.digits.iter().all(|d| d.ended && d.duration == 480 && d.packets == 5));
    assert_eq!(stream.jitter, None);
}

#[test]
fn what_nobody_announces_is_guessed_when_asked_for_or_when_nothing_is_announced() {
    let media = |pcap: &mut Pcap| audio(pcap, ("10.0.0.1:4000", "10.0.0.2:5000"), 9, 30, &[]);
    let mut pcap = Pcap::new(101);
    media(&mut pcap);
    // What is no RTP though it begins like it: nonsense numbers.
    for n in 0..50_u32 {
        let nonsense = rtp(0, (n * 7919) as u16, n, 77, b"x");
        pcap.rtp(500, ("10.0.0.1:4001", "10.0.0.2:5001"), &nonsense);
    }
    let report = pcap.report(Options::default());
    assert_eq!((report.counts.rtp, report.streams[0].how), (30, How::Guessed));
    call(&mut pcap);
    let report = pcap.report(Options::default());
    assert_eq!((report.counts.rtp, report.suspects.len()), (0, 1));
    let report = pcap.report(Options { guess: true, audio: false });
    assert_eq!((report.counts.rtp, report.suspects.len()), (30, 0));
}

#[test]
fn dynamic_payload_types_have_the_clock_of_the_description() {
    let mut pcap = Pcap::new(101);
    let kind = "Content-Type: application/sdp\r\n";
    let offer =
        sdp("192.0.2.1", 4000, "sendrecv").replace("0 101", "96").replace(":0 PCMU/8000", ":96 opus/48000/2");
    pcap.udp(0, ALICE, BOB, &sip("INVITE sip:b SIP/2.0", ("c", "1 INVITE"), ("a", ""), kind, &offer));
    for n in 0..50_u16 {
        let packet = rtp(96, n, u32::from(n) * 960, 3, &[0; 80]);
        pcap.rtp(20 * u64::from(n), (BOB_MEDIA, ALICE_MEDIA), &packet);
    }
    let report = pcap.report(Options::default());
    let stream = &report.streams[0];
    assert_eq!((stream.codec.name.as_str(), stream.codec.clock, stream.mos), ("opus", 48_000, None));
    assert!(stream.jitter.is_some_and(|j| j.most < 0.01), "{:?}", stream.jitter);
}

#[test]
fn sources_are_bounded() {
    let mut sources = Sources::new(false);
    let origin = Origin { frame: 1, at: Time::default() };
    let (a, b) = (SocketAddr::from(([10, 0, 0, 1], 4000)), SocketAddr::from(([10, 0, 0, 2], 4000)));
    for n in 0..10 {
        sources.add(a, b, &rtp(0, n, 0, 0, b""), origin);
    }
    for ssrc in 1..STREAMS as u32 + 5000 {
        sources.add(a, b, &rtp(0, 0, 0, ssrc, b""), origin);
    }
    assert!(sources.list.len() <= STREAMS && sources.index.len() == sources.list.len());
    sources.add(a, b, &rtp(0, 10, 0, 0, b""), origin);
    assert_eq!(sources.finish()[0].packets, 11);
}
