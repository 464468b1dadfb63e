use super::*;
use crate::testing::{ALICE_MEDIA, BOB_MEDIA, Pcap, address, audio, close, open, tcp};
use crate::{json, ladder, svg, text, wav};
use proptest::prelude::*;

fn whole() -> Pcap {
    let mut pcap = Pcap::new(101);
    open(&mut pcap);
    audio(&mut pcap, (ALICE_MEDIA, BOB_MEDIA), 0x11, 20, &[3]);
    audio(&mut pcap, (BOB_MEDIA, ALICE_MEDIA), 0x22, 20, &[]);
    close(&mut pcap, 3300);
    pcap
}

/// Reads octets as a capture; gives where it stopped.
fn read(octets: &[u8]) -> (Report, Option<Stopped>) {
    let mut analyser = Analyser::new(Options { guess: true, audio: true });
    let stopped = analyser.read(octets).err();
    (analyser.finish(), stopped)
}

/// The same, and shows it in every way.
fn show(octets: &[u8]) -> (Report, Option<Stopped>) {
    let (report, stopped) = read(octets);
    text::report(&report, &[]);
    json::document(&report, &[], &[]);
    ladder::text(&report, &[]);
    svg::picture(&report, &[]);
    for stream in &report.streams {
        let _ = wav::file(stream);
    }
    (report, stopped)
}

#[test]
fn a_call_as_text() {
    let report = whole().report(Options::default());
    let first = text::messages(&report, &[]).next().unwrap();
    insta::assert_snapshot!(first, @r"
    Message 1: SIP Request
      Time: 2001-09-09 01:46:40.000000 UTC (+0.000000 s)
      Path: 192.0.2.1:5060 -> 198.51.100.2:5060 over UDP, frame 1
      Method: INVITE
      Request-URI: sip:bob@b.test
      From: <sip:alice@a.test>;tag=a1
      To: <sip:bob@b.test>
      Call-ID: call-1
      CSeq: 1 INVITE
      Via[0]: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKcall-11INVITE
      Max-Forwards: 70
      Content-Length: 160
      Content-Type: application/sdp
      SDP Body:
        Version: 0
        Origin: - 1 1 IN IP4 192.0.2.1
        Session: -
        Connection: IN IP4 192.0.2.1
        Timing: 0 0
        Media: audio 4000 RTP/AVP 0 101
        Attribute: rtpmap:0 PCMU/8000
        Attribute: rtpmap:101 telephone-event/8000
        Attribute: sendrecv
        In words: audio to 192.0.2.1:4000, both ways: PCMU 8000 Hz (0), telephone-event 8000 Hz (101)
    ");
    insta::assert_snapshot!(text::summary(&report, &[]), @r"
    RTP streams, announced by session descriptions
      #  SSRC      Source             Destination        Codec  Packets  Lost       Jitter  Max gap  Length   MOS  Direction
      1  00000011  192.0.2.1:4000     198.51.100.2:6000  PCMU   19       1 (5.0 %)  0.0 ms  40 ms    0.380 s  3.8  call 1, to callee
      2  00000022  198.51.100.2:6000  192.0.2.1:4000     PCMU   20       0 (0.0 %)  0.0 ms  20 ms    0.380 s  4.4  call 1, to caller
      MOS is an estimate (E-model, G.107): 50 ms of network delay, no echo and a jitter buffer are assumed.

    Call 1: <sip:alice@a.test> to <sip:bob@b.test>
      Call-ID: call-1
      Path: 192.0.2.1:5060 -> 198.51.100.2:5060
      State: answered, the caller hung up
      Times: rang after 0.100 s, answered after 0.200 s, lasted 3.100 s
      Messages: 6 (1 to 6)
      Streams: 1, 2
      What looks wrong:
        - stream 1 (192.0.2.1:4000 to 198.51.100.2:6000) lost 1 of 20 packets (5.0 %)

    45 frames in 3.310 s: 3 SIP requests, 3 responses (2 with SDP, 0 over TCP); 39 RTP packets in 2 streams
    ");
}

#[test]
fn a_call_as_a_ladder() {
    let report = whole().report(Options::default());
    insta::assert_snapshot!(ladder::text(&report, &[]), @r"
    Call 1: <sip:alice@a.test> to <sip:bob@b.test>, answered
                192.0.2.1:5060                          198.51.100.2:5060
         0.000  |--1 INVITE, SDP----------------------->|
         0.100  |<-2 180 Ringing (INVITE)---------------|
         0.200  |<-3 200 OK (INVITE), SDP---------------|
         0.300  |--4 ACK------------------------------->|
         0.400  |==PCMU, 19 packets, 5.0 % lost========>|  stream 1: 192.0.2.1:4000 to 198.51.100.2:6000
         0.400  |<=PCMU, 20 packets=====================|  stream 2: 198.51.100.2:6000 to 192.0.2.1:4000
         3.300  |--5 BYE------------------------------->|
         3.310  |<-6 200 OK (BYE)-----------------------|
    ");
    let picture = svg::picture(&report, &[]);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<g>").count(), 6 + 2);
}

#[test]
fn a_call_as_json_has_the_keys_that_are_promised() {
    let report = whole().report(Options::default());
    let all = json::document(&report, &[], &[]);
    for (key, count) in [
        ("sip_requests", 3),
        ("sip_responses", 3),
        ("rtp_packets", 39),
        ("rtp_streams", 2),
        ("sdp_bodies", 2),
    ] {
        assert_eq!(all[key], count, "{key}");
    }
    assert_eq!(all["messages"].as_array().map(Vec::len), Some(6));
    assert_eq!(all["messages"][0]["method"], "INVITE");
    assert_eq!(all["messages"][1]["status"], 180);
    assert_eq!(all["streams"][0]["lost"], 1);
    assert_eq!(all["streams"][0]["direction"], "to callee");
    assert_eq!(all["calls"][0]["state"], "answered");
    // One call only.
    let call = report.call_named("all-1").unwrap();
    assert_eq!(json::document(&report, &[], &[call])["messages"].as_array().map(Vec::len), Some(6));
    assert!(report.call_named("xyz").is_err());
}

#[test]
fn audio_of_every_codec_that_telex_speaks_becomes_a_file() {
    use telex_audio::codec::{Encoder, Encoding, Settings};
    for (number, encoding) in
        [(8, Encoding::Pcma), (9, Encoding::G722), (3, Encoding::Gsm), (18, Encoding::G729)]
    {
        let mut encoder = Encoder::new(encoding, Settings::default());
        let (rate, clock) = (encoder.rate(), encoding.properties().clock);
        let mut pcap = Pcap::new(101);
        for n in 0..50_u16 {
            let from = u32::from(n) * rate / 50;
            let sine = |at: u32| (f64::from(at) * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin();
            let pcm: Vec<i16> = (from..from + rate / 50).map(|at| (8000.0 * sine(at)) as i16).collect();
            let mut payload = Vec::new();
            encoder.encode(&pcm, &mut payload);
            let packet = crate::testing::rtp(number, n, u32::from(n) * clock / 50, 5, &payload);
            pcap.rtp(20 * u64::from(n), (ALICE_MEDIA, BOB_MEDIA), &packet);
        }
        let report = pcap.report(Options { guess: true, audio: true });
        let file = wav::file(&report.streams[0]).unwrap();
        let sound = telex_audio::wav::decode(&file).unwrap();
        assert_eq!((sound.format.rate, sound.samples.len()), (rate, rate as usize), "{encoding:?}");
        let power = sound.samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / f64::from(rate);
        assert!((4500.0..7000.0).contains(&power.sqrt()), "{encoding:?}: {}", power.sqrt());
    }
    let mut pcap = Pcap::new(101);
    for n in 0..50_u16 {
        let packet = crate::testing::rtp(4, n, u32::from(n) * 240, 5, &[1; 24]);
        pcap.rtp(30 * u64::from(n), (ALICE_MEDIA, BOB_MEDIA), &packet);
    }
    let report = pcap.report(Options { guess: true, audio: true });
    let error = wav::file(&report.streams[0]).unwrap_err();
    assert!(error.ends_with("carries G723, which cannot be decoded"), "{error}");
}

#[test]
fn audio_lies_where_its_timestamps_say() {
    let mut pcap = whole();
    // The source is silent for a second, and then goes on.
    let later = crate::testing::rtp(0, 20, 20 * 160 + 8000, 0x11, &[0x80; 160]);
    pcap.rtp(1800, (ALICE_MEDIA, BOB_MEDIA), &later);
    let report = pcap.report(Options { guess: false, audio: true });
    let file = wav::file(&report.streams[0]).unwrap();
    let samples: Vec<i16> = file[44..].as_chunks::<2>().0.iter().map(|s| i16::from_le_bytes(*s)).collect();
    assert_eq!(samples.len(), 21 * 160 + 8000);
    let loud = telex_audio::codec::g711::mu_decode(0x55);
    assert!(samples[..480].iter().all(|s| *s == loud));
    assert!(samples[480..640].iter().all(|s| *s == 0), "a lost packet is silence");
    assert!(samples[640..3200].iter().all(|s| *s == loud));
    assert!(samples[3200..11_200].iter().all(|s| *s == 0));
    assert!(samples[11_200..].iter().all(|s| *s == 32_124));
    assert_eq!(wav::name(&report.streams[0]), "stream-1-192.0.2.1-4000-to-198.51.100.2-6000.wav");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let mut pcap = Pcap::new(101);
    let evil = b"INVITE sip:b SIP/2.0\r\nSubject: \x1b[2Jgone\r\nCall-ID: c\x07\r\n\r\nx\x1b[0m<&>";
    pcap.udp(0, "10.0.0.1:5060", "10.0.0.2:5060", evil);
    let report = pcap.report(Options::default());
    let shown = [text::report(&report, &[]), ladder::text(&report, &[]), svg::picture(&report, &[])].concat();
    assert!(!shown.contains(['\x1b', '\x07']), "{shown}");
    assert!(shown.contains("\\u{1b}[2Jgone"));
}

#[test]
fn a_message_in_many_segments_and_one_of_65_kb_are_read() {
    let body = "x".repeat(70_000);
    let message = format!(
        "MESSAGE sip:b SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 70000\r\n\r\n{body}"
    );
    let mut pcap = Pcap::new(101);
    let (from, to) = (address("10.0.0.1:5060"), address("10.0.0.2:5060"));
    for (n, piece) in message.as_bytes().chunks(1400).enumerate() {
        pcap.add(n as u64, &tcp(from, to, (n * 1400) as u32, 0, piece));
    }
    let report = pcap.report(Options::default());
    assert_eq!((report.counts.requests, report.counts.over_tcp), (1, 1));
    assert_eq!(report.messages[0].body().len(), 70_000);
    assert!(report.messages[0].defects[0].contains("over the limit"), "{:?}", report.messages[0].defects);
}

#[test]
fn a_capture_cut_anywhere_is_read_as_far_as_it_goes() {
    let mut pcap = Pcap::new(101);
    open(&mut pcap);
    audio(&mut pcap, (ALICE_MEDIA, BOB_MEDIA), 0x11, 6, &[3]);
    let octets = pcap.octets;
    let all = show(&octets).0.counts.frames;
    let mut before = 0;
    for cut in 0..octets.len() {
        let (report, stopped) = read(&octets[..cut]);
        if report.counts.frames > before {
            show(&octets[..cut]);
        }
        assert!(report.counts.frames >= before && report.counts.frames < all);
        before = report.counts.frames;
        match stopped {
            Some(stopped) => assert!(stopped.offset <= cut as u64),
            // Between two records a cut cannot be seen.
            None => assert_eq!(read(&octets[..cut + 1]).1.map(|s| s.offset), Some(cut as u64)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn damage_anywhere_is_survived(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
    ) {
        let mut octets = whole().octets;
        for (at, value) in places {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        show(&octets);
    }
}

/// `cargo test --release -p telex-capture speed -- --ignored --nocapture` says how fast captures are read.
#[test]
#[ignore = "measures; of use in a release build only"]
fn speed() {
    let mut calls = Pcap::new(101);
    open(&mut calls);
    for n in 0..400_000_u32 {
        let ends = if n % 2 == 0 { (ALICE_MEDIA, BOB_MEDIA) } else { (BOB_MEDIA, ALICE_MEDIA) };
        let packet = crate::testing::rtp(0, (n / 2) as u16, n / 2 * 160, n % 2, &[0x55; 160]);
        calls.rtp(400 + u64::from(n) * 10, ends, &packet);
    }
    let mut messages = Pcap::new(101);
    while messages.octets.len() < 100_000_000 {
        open(&mut messages);
        close(&mut messages, 3300);
    }
    let mut stream = Pcap::new(101);
    let (from, to) = (address("10.0.0.1:80"), address("10.0.0.2:40000"));
    for n in 0..70_000_u32 {
        stream.add(u64::from(n), &tcp(from, to, n.wrapping_mul(1400), 0, &[0; 1400]));
    }
    for (name, pcap) in [("media", calls), ("SIP", messages), ("other TCP", stream)] {
        let start = std::time::Instant::now();
        let report = pcap.report(Options::default());
        let (megabytes, seconds) = (pcap.octets.len() as f64 / 1e6, start.elapsed().as_secs_f64());
        let c = report.counts;
        let (sip, rtp) = (c.requests + c.responses, c.rtp);
        println!(
            "{name}: {megabytes:.0} MB in {seconds:.2} s, {:.0} MB/s; {sip} SIP, {rtp} RTP",
            megabytes / seconds
        );
    }
}
