//! Offers and answers as whole texts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

const LOCAL: Local =
    Local { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: 10_000, session_id: 77, version: 1 };

/// A description with these lines behind `t=`.
fn body(lines: &[&str]) -> String {
    let mut text = String::from("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nt=0 0\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text
}

fn audio(lines: &[&str]) -> Audio {
    read(body(lines).as_bytes()).unwrap().audio().unwrap().clone()
}

fn text(bytes: &bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n")
}

#[test]
fn an_offer_is_written_as_one_expects() {
    let ptime = Ptime { wanted: Some(20), longest: Some(150) };
    let offer = write_offer(&LOCAL, &default_codecs(), Direction::SendRecv, ptime);
    insta::assert_snapshot!(text(&offer), @r"
    v=0
    o=- 77 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 10000 RTP/AVP 0 8 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
    a=maxptime:150
    a=sendrecv
    ");
}

#[test]
fn what_was_written_is_read_back() {
    let local = Local { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..LOCAL };
    let offer = write_offer(&local, &default_codecs(), Direction::SendOnly, Ptime::default());
    let read = read(&offer).unwrap();
    let audio = read.audio().unwrap();
    assert_eq!(audio.address.to_string(), "[::1]:10000");
    assert_eq!(audio.remote(), Some(audio.address));
    assert_eq!(audio.codecs, default_codecs());
    assert_eq!(audio.direction, Direction::SendOnly);
    assert_eq!(read.describe(), "PCMU/8000 PCMA/8000 telephone-event/8000");
}

#[test]
fn an_answer_has_the_streams_of_the_offer_and_refuses_what_it_cannot_take() {
    let offer = read(
        body(&[
            "c=IN IP4 198.51.100.7",
            "m=audio 6000 RTP/SAVP 0",
            "m=video 6002 RTP/AVP 96 97",
            "a=rtpmap:96 H264/90000",
            "m=audio 6004/2 RTP/AVP 111 8",
            "a=rtpmap:111 opus/48000/2",
            "a=mid:a",
            "m=application 9 TCP/MSRP *",
            "m=audio 6008 RTP/AVP 0",
            "m=image 0 udptl t38",
        ])
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(offer.audio().unwrap().address.to_string(), "198.51.100.7:6004");
    let chosen = agree(&offer, &default_codecs()).unwrap();
    let answer = write_answer(&LOCAL, &offer, &chosen, Direction::SendRecv, Ptime::default());
    insta::assert_snapshot!(text(&answer), @r"
    v=0
    o=- 77 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 0 RTP/SAVP 0
    m=video 0 RTP/AVP 96
    m=audio 10000 RTP/AVP 8
    a=rtpmap:8 PCMA/8000
    a=sendrecv
    m=application 0 TCP/MSRP *
    m=audio 0 RTP/AVP 0
    m=image 0 udptl t38
    ");
}

#[test]
fn the_answer_repeats_the_time_and_profile_of_the_offer() {
    let text = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=3338481189 3370017201\n\
                m=audio 5000 RTP/AVPF 0\n";
    let offer = read(text.as_bytes()).unwrap();
    let answer = write_answer(&LOCAL, &offer, &default_codecs()[..1], Direction::SendRecv, Ptime::default());
    let answer = self::text(&answer);
    assert!(answer.contains("\nt=3338481189 3370017201\nm=audio 10000 RTP/AVPF 0\n"), "{answer}");
}

#[test]
fn directions_are_read_at_both_levels_and_the_old_hold_counts() {
    let c = "c=IN IP4 198.51.100.7";
    let m = "m=audio 6000 RTP/AVP 0";
    assert_eq!(audio(&[c, m]).direction, Direction::SendRecv);
    assert_eq!(audio(&[c, "a=sendonly", m]).direction, Direction::SendOnly);
    assert_eq!(audio(&[c, "a=sendonly", m, "a=inactive"]).direction, Direction::Inactive);
    assert_eq!(audio(&[c, m, "a=recvonly"]).direction, Direction::RecvOnly);
    let held = audio(&["c=IN IP4 0.0.0.0", m]);
    assert_eq!((held.direction, held.remote()), (Direction::SendOnly, None));
    assert_eq!(audio(&["c=IN IP4 0.0.0.0", m, "a=recvonly"]).direction, Direction::Inactive);
    assert_eq!(audio(&["c=IN IP6 ::", m]).direction, Direction::SendOnly);
    assert_eq!(audio(&["c=IN IP6 hold.invalid", m]).direction, Direction::SendOnly);
    assert_eq!(
        audio(&[c, m, "c=IN IP4 0.0.0.0"]).direction,
        Direction::SendOnly,
        "the media's own c= counts"
    );
}

#[test]
fn a_host_name_leaves_the_address_to_be_learnt() {
    let named = audio(&["c=IN IP4 phone.example.com", "m=audio 6000 RTP/AVP 0"]);
    assert_eq!((named.direction, named.remote()), (Direction::SendRecv, None));
}

#[test]
fn codecs_are_known_by_rtpmap_or_by_number() {
    let audio = audio(&[
        "c=IN IP4 198.51.100.7",
        "m=audio 6000 RTP/AVP 18 0 97 97 13 10 98 300 x",
        "a=fmtp:97 mode=20",
        "a=fmtp:18 annexb=no",
        "a=rtpmap:97 iLBC/8000",
        "a=rtpmap:97 second/8000",
        "a=rtpmap:0 pcmu/8000/1",
        "a=rtpmap:99 unlisted/8000",
    ]);
    assert_eq!(describe(&audio.codecs), "G729/8000 pcmu/8000 iLBC/8000 CN/8000 L16/44100/2");
    assert_eq!(audio.codecs[0].fmtp, "annexb=no");
    assert_eq!(audio.codecs[2].fmtp, "mode=20");
}

#[test]
fn rtcp_is_found_where_the_offer_says() {
    let m = ["c=IN IP4 198.51.100.7", "m=audio 6000 RTP/AVP 0"];
    let rtcp = |line: &str| audio(&[m[0], m[1], line]).rtcp.map(|rtcp| rtcp.to_string());
    assert_eq!(rtcp("a=x"), None);
    assert_eq!(rtcp("a=rtcp:53020"), Some("198.51.100.7:53020".into()));
    assert_eq!(rtcp("a=rtcp:53020 IN IP4 126.16.64.4"), Some("126.16.64.4:53020".into()));
    assert_eq!(rtcp("a=rtcp:53020 IN IP6 2001:db8::1"), Some("[2001:db8::1]:53020".into()));
    assert_eq!(rtcp("a=rtcp:9 IN IP4 0.0.0.0"), None);
    assert_eq!(rtcp("a=rtcp:9 IN IP4 host.example.com"), None);
    assert!(audio(&[m[0], m[1], "a=rtcp-mux"]).rtcp_mux);
}

#[test]
fn packet_times_are_read_and_bounded() {
    let lines = ["c=IN IP4 198.51.100.7", "m=audio 6000 RTP/AVP 0", "a=ptime:30", "a=maxptime:0"];
    assert_eq!(audio(&lines).ptime, Ptime { wanted: Some(30), longest: None });
    for (wanted, longest, produced) in [
        (None, None, 20),
        (Some(30), None, 30),
        (Some(25), None, 20),
        (Some(500), None, 60),
        (Some(1), None, 10),
    ] {
        assert_eq!(Ptime { wanted, longest }.produced(), produced);
    }
    assert_eq!(Ptime { wanted: Some(60), longest: Some(40) }.produced(), 40);
    assert_eq!(Ptime { wanted: None, longest: Some(5) }.produced(), 10);
}

#[test]
fn an_offer_without_usable_audio_is_read_and_refused() {
    for line in [
        "m=audio 6000 RTP/SAVP 0",
        "m=audio 6000 UDP/TLS/RTP/SAVPF 0",
        "m=audio 0 RTP/AVP 0",
        "m=video 6000 RTP/AVP 0",
        "m=audio 6000 udp 0",
    ] {
        let offer = read(body(&["c=IN IP4 198.51.100.7", line]).as_bytes()).unwrap();
        assert_eq!(offer.audio(), None, "{line}");
        assert_eq!(agree(&offer, &default_codecs()), Err(OfferError::NoAudio));
    }
    for c in ["c=IN IP4 224.2.17.12/127", "c=IN IP4 255.255.255.255", "c=IN IP6 ff15::101/3"] {
        assert_eq!(read(body(&[c, "m=audio 6000 RTP/AVP 0"]).as_bytes()).unwrap().audio(), None, "{c}");
    }
    let offer = read(body(&["c=IN IP4 198.51.100.7", "m=audio 6000 RTP/AVP 18"]).as_bytes()).unwrap();
    let error = agree(&offer, &default_codecs()).unwrap_err();
    assert_eq!((error, error.status(), error.warning()), (OfferError::NoCommonCodec, 488, 305));
}

#[test]
fn audio_without_an_address_is_malformed() {
    let error = read(body(&["m=audio 6000 RTP/AVP 0"]).as_bytes()).unwrap_err();
    assert_eq!((error, error.status()), (OfferError::NoConnection, 400));
    assert_eq!(read(b"").unwrap_err().to_string(), "bad SDP at line 1: v=0 expected");
}

#[test]
fn an_answer_must_fit_the_offer() {
    let layout = Layout::default();
    let c = "c=IN IP4 198.51.100.7";
    let answer = |lines: &[&str]| read_answer(body(lines).as_bytes(), &layout);
    assert!(answer(&[c, "m=audio 6000 RTP/AVP 0"]).unwrap().audio().is_some());
    assert!(answer(&[c, "m=audio 0 RTP/AVP 0"]).unwrap().audio().is_none());
    assert_eq!(answer(&[c]), Err(OfferError::NoFit));
    assert_eq!(answer(&[c, "m=video 6000 RTP/AVP 0"]), Err(OfferError::NoFit));
    assert_eq!(answer(&[c, "m=audio 6000 RTP/AVP 0", "m=audio 6002 RTP/AVP 0"]), Err(OfferError::NoFit));
}

#[test]
fn a_later_offer_keeps_the_streams_in_their_places() {
    let offer = read(
        body(&[
            "c=IN IP4 198.51.100.7",
            "m=video 6002 RTP/AVP 96",
            "m=audio 6000 RTP/AVP 0",
            "m=audio 1 RTP/AVP 0",
        ])
        .as_bytes(),
    )
    .unwrap();
    let local = Local { version: 2, ..LOCAL };
    let again =
        write_reoffer(&local, offer.layout(), &default_codecs()[..1], Direction::SendOnly, Ptime::default());
    insta::assert_snapshot!(text(&again), @r"
    v=0
    o=- 77 2 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=video 0 RTP/AVP 96
    m=audio 10000 RTP/AVP 0
    a=rtpmap:0 PCMU/8000
    a=sendonly
    m=audio 0 RTP/AVP 0
    ");
}

#[test]
fn a_later_offer_can_bring_audio_back() {
    let reoffer = |lines: &[&str]| {
        let offer = read(body(lines).as_bytes()).unwrap();
        let body = write_reoffer(
            &LOCAL,
            offer.layout(),
            &default_codecs()[..1],
            Direction::SendRecv,
            Ptime::default(),
        );
        let text = text(&body);
        text.lines().filter(|line| line.starts_with("m=")).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(
        reoffer(&["m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 0"]),
        "m=video 0 RTP/AVP 96 | m=audio 10000 RTP/AVP 0"
    );
    assert_eq!(reoffer(&["m=video 0 RTP/AVP 96"]), "m=video 0 RTP/AVP 96 | m=audio 10000 RTP/AVP 0");
}

/// The bodies of RFC 3264 §10.1 and §10.2 in their order: offer, answer, offer, answer.
const RFC_10_1: [&str; 4] = [
    "v=0
o=alice 2890844526 2890844526 IN IP4 host.anywhere.com
s=
c=IN IP4 host.anywhere.com
t=0 0
m=audio 49170 RTP/AVP 0
a=rtpmap:0 PCMU/8000
m=video 51372 RTP/AVP 31
a=rtpmap:31 H261/90000
m=video 53000 RTP/AVP 32
a=rtpmap:32 MPV/90000
",
    "v=0
o=bob 2890844730 2890844730 IN IP4 host.example.com
s=
c=IN IP4 host.example.com
t=0 0
m=audio 49920 RTP/AVP 0
a=rtpmap:0 PCMU/8000
m=video 0 RTP/AVP 31
m=video 53000 RTP/AVP 32
a=rtpmap:32 MPV/90000
",
    "v=0
o=bob 2890844730 2890844731 IN IP4 host.example.com
s=
c=IN IP4 host.example.com
t=0 0
m=audio 65422 RTP/AVP 0
a=rtpmap:0 PCMU/8000
m=video 0 RTP/AVP 31
m=video 53000 RTP/AVP 32
a=rtpmap:32 MPV/90000
m=audio 51434 RTP/AVP 110
a=rtpmap:110 telephone-events/8000
a=recvonly
",
    "v=0
o=alice 2890844526 2890844527 IN IP4 host.anywhere.com
s=
c=IN IP4 host.anywhere.com
t=0 0
m=audio 49170 RTP/AVP 0
a=rtpmap:0 PCMU/8000
m=video 0 RTP/AVP 31
a=rtpmap:31 H261/90000
m=video 53000 RTP/AVP 32
a=rtpmap:32 MPV/90000
m=audio 53122 RTP/AVP 110
a=rtpmap:110 telephone-events/8000
a=sendonly
",
];

const RFC_10_2: [&str; 4] = [
    "v=0
o=alice 2890844526 2890844526 IN IP4 host.anywhere.com
s=
c=IN IP4 host.anywhere.com
t=0 0
m=audio 62986 RTP/AVP 0 4 18
a=rtpmap:0 PCMU/8000
a=rtpmap:4 G723/8000
a=rtpmap:18 G729/8000
a=inactive
",
    "v=0
o=bob 2890844730 2890844731 IN IP4 host.example.com
s=
c=IN IP4 host.example.com
t=0 0
m=audio 54344 RTP/AVP 0 4
a=rtpmap:0 PCMU/8000
a=rtpmap:4 G723/8000
a=inactive
",
    "v=0
o=alice 2890844526 2890844527 IN IP4 host.anywhere.com
s=
c=IN IP4 host.anywhere.com
t=0 0
m=audio 62986 RTP/AVP 4
a=rtpmap:4 G723/8000
a=sendrecv
",
    "v=0
o=bob 2890844730 2890844732 IN IP4 host.example.com
s=
c=IN IP4 host.example.com
t=0 0
m=audio 54344 RTP/AVP 4
a=rtpmap:4 G723/8000
a=sendrecv
",
];

fn said(codecs: &[Codec], direction: Direction) -> Said {
    Said { codecs: codecs.to_vec(), direction, ptime: Ptime::default() }
}

/// The lines of a description behind `t=`.
fn streams(body: &bytes::Bytes) -> String {
    let text = text(body);
    text.split_once("t=0 0\n").unwrap().1.to_owned()
}

#[test]
fn several_streams_as_in_rfc_3264_10_1() {
    let mut bob = Negotiation::new(LOCAL);
    let offer = bob.received_offer(RFC_10_1[0].as_bytes()).unwrap().clone();
    let chosen = agree(&offer, &default_codecs()).unwrap();
    let answer = bob.answer(said(&chosen, Direction::SendRecv)).unwrap();
    insta::assert_snapshot!(streams(&answer), @r"
    m=audio 10000 RTP/AVP 0
    a=rtpmap:0 PCMU/8000
    a=sendrecv
    m=video 0 RTP/AVP 31
    m=video 0 RTP/AVP 32
    ");
    // The second exchange, from the side of Alice: Bob adds a stream that is refused, as it has no speech in it.
    let mut alice = Negotiation::new(LOCAL);
    let heard = alice.received_offer(RFC_10_1[2].as_bytes()).unwrap().clone();
    assert_eq!(heard.describe(), "PCMU/8000");
    let answer = alice.answer(said(&chosen, Direction::SendRecv)).unwrap();
    insta::assert_snapshot!(streams(&answer), @r"
    m=audio 10000 RTP/AVP 0
    a=rtpmap:0 PCMU/8000
    a=sendrecv
    m=video 0 RTP/AVP 31
    m=video 0 RTP/AVP 32
    m=audio 0 RTP/AVP 110
    ");
    for (offer, answer) in [(0, 1), (2, 3)] {
        let offer = read(RFC_10_1[offer].as_bytes()).unwrap();
        let answer = read_answer(RFC_10_1[answer].as_bytes(), offer.layout()).unwrap();
        assert_eq!(answer.describe(), "PCMU/8000");
        assert_eq!(answer.audio().unwrap().remote(), None, "host names are not looked up");
    }
}

#[test]
fn one_codec_of_several_as_in_rfc_3264_10_2() {
    let codecs = read(RFC_10_2[0].as_bytes()).unwrap().audio().unwrap().codecs.clone();
    let mut alice = Negotiation::new(Local { port: 62986, ..LOCAL });
    let offer = alice.offer(said(&codecs, Direction::Inactive)).unwrap();
    assert_eq!(
        format!("{}{}", &RFC_10_2[0][..RFC_10_2[0].find("m=").unwrap()], streams(&offer)),
        RFC_10_2[0]
    );
    alice.received_answer(RFC_10_2[1].as_bytes()).unwrap();
    let stream = alice.stream().unwrap();
    assert_eq!(
        (stream.send, stream.receive, stream.audio.map(|audio| audio.number)),
        (false, false, Some(0))
    );
    let offer = alice.offer(said(&codecs[1..2], Direction::SendRecv)).unwrap();
    assert!(RFC_10_2[2].ends_with(&streams(&offer)));
    alice.received_answer(RFC_10_2[3].as_bytes()).unwrap();
    let stream = alice.stream().unwrap();
    assert_eq!((stream.send, stream.receive, stream.audio.map(|audio| audio.number)), (true, true, Some(4)));
}

#[test]
fn a_call_through_the_exchange_is_relayed_untouched() {
    let c = "c=IN IP4 198.51.100.7";
    let caller_offer = body(&[
        c,
        "m=audio 6000 RTP/AVP 111 9 0 13 110 126",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "a=ptime:20",
    ]);
    let (mut caller, mut callee) =
        (Negotiation::new(LOCAL), Negotiation::new(Local { port: 10_002, ..LOCAL }));
    let audio = caller.received_offer(caller_offer.as_bytes()).unwrap().audio().unwrap().clone();
    let offer =
        callee.offer(Said { codecs: audio.codecs, direction: audio.direction, ptime: audio.ptime }).unwrap();
    insta::assert_snapshot!(streams(&offer), @r"
    m=audio 10002 RTP/AVP 111 9 0 13 110 126
    a=rtpmap:111 opus/48000/2
    a=fmtp:111 minptime=10;useinbandfec=1
    a=rtpmap:9 G722/8000
    a=rtpmap:0 PCMU/8000
    a=rtpmap:13 CN/8000
    a=rtpmap:110 telephone-event/48000
    a=rtpmap:126 telephone-event/8000
    a=ptime:20
    a=sendrecv
    ");
    let callee_answer = body(&[
        c,
        "m=audio 7000 RTP/AVP 98 110",
        "a=rtpmap:98 OPUS/48000/2",
        "a=fmtp:98 maxplaybackrate=16000",
        "a=rtpmap:110 telephone-event/48000",
        "a=ptime:40",
    ]);
    let answer = callee.received_answer(callee_answer.as_bytes()).unwrap().audio().unwrap().clone();
    let chosen = agree(caller.heard().unwrap(), &answer.codecs).unwrap();
    let answer =
        caller.answer(Said { codecs: chosen, direction: answer.direction, ptime: answer.ptime }).unwrap();
    insta::assert_snapshot!(streams(&answer), @r"
    m=audio 10000 RTP/AVP 111 110
    a=rtpmap:111 opus/48000/2
    a=fmtp:111 maxplaybackrate=16000
    a=rtpmap:110 telephone-event/48000
    a=ptime:40
    a=sendrecv
    ");
    let map = |from: &Negotiation, to: &Negotiation| {
        from.relay_to(to)
            .iter()
            .filter_map(|map| Some((map.payload.number, map.forward?)))
            .collect::<Vec<_>>()
    };
    assert_eq!(map(&caller, &callee), [(111, 98), (110, 110)]);
    assert_eq!(map(&callee, &caller), [(111, 111), (110, 110), (98, 111)], "only what was answered");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn codecs() -> impl Strategy<Value = Vec<Codec>> {
        let codec = prop_oneof![
            Just(Codec::of_static(0).unwrap()),
            Just(Codec::of_static(8).unwrap()),
            Just(Codec::of_static(10).unwrap()),
            Just(Codec::of_static(13).unwrap()),
            (
                "(opus|AMR|telephone-event|x-[a-z]{1,30})",
                96u8..128,
                1u32..96_000,
                1u8..3,
                "([!-~][ -~]{0,30}[!-~])?"
            )
                .prop_map(|(name, number, clock, channels, fmtp)| Codec {
                    number,
                    name: name.into(),
                    clock,
                    channels,
                    fmtp: fmtp.into(),
                }),
        ];
        prop::collection::vec(codec, 1..10).prop_map(|mut codecs| {
            codecs.sort_by_key(|codec| codec.number);
            codecs.dedup_by_key(|codec| codec.number);
            codecs
        })
    }

    fn direction() -> impl Strategy<Value = Direction> {
        (any::<bool>(), any::<bool>()).prop_map(|(sends, receives)| Direction::of(sends, receives))
    }

    fn local() -> impl Strategy<Value = Local> {
        (any::<IpAddr>(), 1u16.., any::<u64>(), any::<u64>())
            .prop_map(|(address, port, session_id, version)| Local { address, port, session_id, version })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            local in local(),
            codecs in codecs(),
            direction in direction(),
            wanted in prop::option::of(1u16..),
            longest in prop::option::of(1u16..),
        ) {
            let address = local.address.to_canonical();
            let plain = !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST);
            prop_assume!(plain && !address.is_unspecified());
            let ptime = Ptime { wanted, longest };
            let body = write_offer(&local, &codecs, direction, ptime);
            let description = read(&body).unwrap();
            let audio = description.audio().unwrap();
            prop_assert_eq!(audio.address, std::net::SocketAddr::new(address, local.port));
            prop_assert_eq!((audio.direction, audio.ptime), (direction, ptime));
            prop_assert_eq!(&audio.codecs, &codecs);
            prop_assert_eq!(write_answer(&local, &description, &codecs, direction, ptime), body);
        }

        #[test]
        fn what_is_chosen_was_offered_and_wanted(offered in codecs(), wanted in codecs()) {
            let chosen = choose(&offered, &wanted);
            let mut rest = offered.iter();
            for codec in &chosen {
                prop_assert!(rest.any(|o| o.number == codec.number && o.same_as(codec)), "in the offer's order");
                prop_assert!(wanted.iter().any(|w| w.same_as(codec) && w.fmtp == codec.fmtp));
            }
            prop_assert_eq!(choose(&offered, &chosen), chosen);
        }
    }
}

#[test]
fn audio_takes_the_place_of_a_refused_stream_when_there_are_too_many() {
    let mut party = Negotiation::new(LOCAL);
    let streams = vec!["m=video 6000 RTP/AVP 99"; crate::limits::SDP_MEDIA];
    let heard = read(format!("{}c=IN IP4 198.51.100.7\r\n", body(&streams)).as_bytes()).unwrap();
    party.take_offer(heard).unwrap();
    let said = Said { codecs: default_codecs(), direction: Direction::SendRecv, ptime: Ptime::default() };
    party.answer(said.clone()).unwrap();
    let offer = text(&party.offer(said).unwrap());
    let lines: Vec<&str> = offer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines.len(), crate::limits::SDP_MEDIA);
    assert_eq!((lines[30], lines[31]), ("m=video 0 RTP/AVP 99", "m=audio 10000 RTP/AVP 0 8 101"));
}
