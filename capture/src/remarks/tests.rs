use crate::analysis::{Options, Report};
use crate::calls::State;
use crate::testing::{
    ALICE, ALICE_MEDIA, BOB, BOB_MEDIA, Pcap, address, audio, call, close, ip, open, rtp, sdp, sip, udp,
};

const KIND: &str = "Content-Type: application/sdp\r\n";

fn report(make: impl FnOnce(&mut Pcap)) -> Report {
    let mut pcap = Pcap::new(101);
    make(&mut pcap);
    // Something later, so that what is missing is known to be missing.
    pcap.udp(60_000, "192.0.2.9:9", "192.0.2.8:9", b"x");
    pcap.report(Options::default())
}

fn remarks(report: &Report) -> Vec<String> {
    report.calls.iter().flat_map(|c| &c.remarks).map(|r| r.text.clone()).collect()
}

fn both_ways(pcap: &mut Pcap) {
    audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 100, &[]);
    audio(pcap, (BOB_MEDIA, ALICE_MEDIA), 2, 100, &[]);
}

/// A call whose only remark is this.
fn only(make: impl FnOnce(&mut Pcap), wanted: &str) {
    let report = report(make);
    let found = remarks(&report);
    assert!(found.len() == 1 && found[0] == wanted, "wanted {wanted:?}, found {found:#?}");
}

#[test]
fn a_good_call_has_no_remarks() {
    let report = report(|pcap| {
        open(pcap);
        both_ways(pcap);
        close(pcap, 3300);
    });
    assert_eq!(remarks(&report), Vec::<String>::new());
    let call = &report.calls[0];
    assert_eq!((&call.state, call.ended_by_caller), (&State::Answered, true));
    assert_eq!(call.setup().map(|d| d.as_millis()), Some(200));
    assert_eq!(call.duration().map(|d| d.as_millis()), Some(3100));
}

#[test]
fn media_one_way_only() {
    only(
        |pcap| {
            open(pcap);
            audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 100, &[]);
            close(pcap, 3300);
        },
        "one-way media: 100 packets to the callee, none to the caller, who awaits them on 192.0.2.1:4000 (message 1)",
    );
    // Nobody said that the callee would send.
    let silent = report(|pcap| {
        let tags = ("a1", "b1");
        let way = sdp("192.0.2.1", 4000, "sendonly");
        pcap.udp(0, ALICE, BOB, &sip("INVITE sip:b SIP/2.0", ("c", "1 INVITE"), ("a1", ""), KIND, &way));
        let way = sdp("198.51.100.2", 6000, "recvonly");
        pcap.udp(100, BOB, ALICE, &sip("SIP/2.0 200 OK", ("c", "1 INVITE"), tags, KIND, &way));
        pcap.udp(200, ALICE, BOB, &sip("ACK sip:b SIP/2.0", ("c", "1 ACK"), tags, "", ""));
        audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 100, &[]);
        pcap.udp(3000, ALICE, BOB, &sip("BYE sip:b SIP/2.0", ("c", "2 BYE"), tags, "", ""));
        pcap.udp(3010, BOB, ALICE, &sip("SIP/2.0 200 OK", ("c", "2 BYE"), tags, "", ""));
    });
    assert_eq!(remarks(&silent), Vec::<String>::new());
}

#[test]
fn an_answer_without_ack_and_a_request_without_answer() {
    let found = report(|pcap| {
        let tags = ("a1", "b1");
        let offer = sdp("192.0.2.1", 4000, "sendrecv");
        pcap.udp(0, ALICE, BOB, &sip("INVITE sip:b SIP/2.0", ("c", "1 INVITE"), ("a1", ""), KIND, &offer));
        let answer = sdp("198.51.100.2", 6000, "sendrecv");
        for millis in [100, 600, 1600] {
            pcap.udp(millis, BOB, ALICE, &sip("SIP/2.0 200 OK", ("c", "1 INVITE"), tags, KIND, &answer));
        }
        for millis in [2000, 2500] {
            pcap.udp(millis, BOB, ALICE, &sip("BYE sip:a SIP/2.0", ("c", "1 BYE"), ("b1", "a1"), "", ""));
        }
    });
    assert_eq!(
        remarks(&found),
        [
            "BYE to 192.0.2.1:5060 was never answered: sent twice in 0.500 s (messages 5, 6)",
            "no ACK for 200 OK (messages 2, 3, 4): it was sent 3 times in 1.500 s",
            "3 retransmissions: 2 of 200 OK, 1 of BYE (messages 3, 4, 6)",
        ]
    );
    assert_eq!((found.calls[0].retransmissions, found.calls[0].ended_by_caller), (3, false));
}

#[test]
fn an_ack_that_does_not_arrive() {
    let found = report(|pcap| {
        open(pcap);
        both_ways(pcap);
        let answer = sdp("198.51.100.2", 6000, "sendrecv");
        let again = sip("SIP/2.0 200 OK", ("call-1", "1 INVITE"), ("a1", "b1"), KIND, &answer);
        pcap.udp(700, BOB, ALICE, &again);
        close(pcap, 3300);
    });
    let wanted = "200 OK was sent again after its ACK (message 4) once (message 5): the ACK does not arrive, or is not understood";
    assert!(remarks(&found).iter().any(|r| r == wanted), "{:#?}", remarks(&found));
}

#[test]
fn a_private_address_from_a_public_source() {
    let found = report(|pcap| {
        let offer = sdp("192.168.1.7", 4000, "sendrecv");
        let more = format!("Contact: <sip:alice@192.168.1.7:5060>\r\n{KIND}");
        pcap.udp(
            0,
            "203.0.113.9:5060",
            BOB,
            &sip("INVITE sip:b SIP/2.0", ("c", "1 INVITE"), ("a1", ""), &more, &offer),
        );
        pcap.udp(
            50,
            BOB,
            "203.0.113.9:5060",
            &sip("SIP/2.0 486 Busy Here", ("c", "1 INVITE"), ("a1", "b"), "", ""),
        );
        pcap.udp(60, "203.0.113.9:5060", BOB, &sip("ACK sip:b SIP/2.0", ("c", "1 ACK"), ("a1", "b"), "", ""));
    });
    assert_eq!(
        remarks(&found),
        [
            "message 1 (INVITE) comes from 203.0.113.9, but its session description awaits audio on the private address \
             192.168.1.7: media sent there is lost",
            "message 1 (INVITE) comes from 203.0.113.9, but its Contact is the private address 192.168.1.7: requests \
             within the call reach it only if NAT is dealt with",
        ]
    );
    assert_eq!(found.calls[0].state, State::Refused(486, "Busy Here".to_owned()));
}

#[test]
fn media_to_a_port_never_announced_from_an_unexpected_host_and_after_the_end() {
    only(
        |pcap| {
            open(pcap);
            both_ways(pcap);
            audio(pcap, ("198.51.100.2:7777", "192.0.2.1:4444"), 5, 50, &[]);
            close(pcap, 3300);
        },
        "media to a port never announced: 50 packets of PCMU from 198.51.100.2:7777 to 192.0.2.1:4444, from frame 205 on",
    );
    only(
        |pcap| {
            open(pcap);
            audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 100, &[]);
            audio(pcap, ("203.0.113.77:6000", ALICE_MEDIA), 2, 100, &[]);
            close(pcap, 3300);
        },
        "stream 2 comes from 203.0.113.77:6000, but its sender announced 198.51.100.2 (message 3): NAT or a relay \
         between them",
    );
    only(
        |pcap| {
            open(pcap);
            both_ways(pcap);
            audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 400, &(0..100).collect::<Vec<u16>>());
            close(pcap, 3300);
        },
        "stream 1 goes on for 5.080 s after the BYE",
    );
}

#[test]
fn loss_silence_and_hold() {
    only(
        |pcap| {
            open(pcap);
            let lost: Vec<u16> = (10..20).collect();
            audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 100, &lost);
            audio(pcap, (BOB_MEDIA, ALICE_MEDIA), 2, 100, &[]);
            close(pcap, 3300);
        },
        "stream 1 (192.0.2.1:4000 to 198.51.100.2:6000) lost 10 of 100 packets (10.0 %), would be called poor (MOS 3.3)",
    );
    let pause = |pcap: &mut Pcap, from: &str, to: &str| {
        for n in 0..20_u16 {
            let at = 400 + 20 * u64::from(n) + if n < 10 { 0 } else { 1500 };
            pcap.rtp(at, (from, to), &rtp(0, n, u32::from(n) * 160, 8, &[0; 160]));
        }
    };
    let silent = report(|pcap| {
        open(pcap);
        pause(pcap, ALICE_MEDIA, BOB_MEDIA);
        audio(pcap, (BOB_MEDIA, ALICE_MEDIA), 2, 100, &[]);
        close(pcap, 3300);
    });
    assert!(
        remarks(&silent).iter().any(|r| r.contains("pauses for 1.520 s before frame 15")),
        "{:?}",
        remarks(&silent)
    );
    only(
        |pcap| {
            open(pcap);
            let tags = ("a1", "b1");
            let hold = sdp("192.0.2.1", 4000, "sendonly");
            pcap.udp(
                500,
                ALICE,
                BOB,
                &sip("INVITE sip:b SIP/2.0", ("call-1", "5 INVITE"), tags, KIND, &hold),
            );
            let held = sdp("198.51.100.2", 6000, "recvonly");
            pcap.udp(520, BOB, ALICE, &sip("SIP/2.0 200 OK", ("call-1", "5 INVITE"), tags, KIND, &held));
            pcap.udp(540, ALICE, BOB, &sip("ACK sip:b SIP/2.0", ("call-1", "5 ACK"), tags, "", ""));
            pause(pcap, BOB_MEDIA, ALICE_MEDIA);
            audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 2, 20, &[]);
            pcap.rtp(401, (ALICE_MEDIA, "198.51.100.2:9"), b"x");
            pcap.udp(2000, ALICE, BOB, &sip("INVITE sip:b SIP/2.0", ("call-1", "6 INVITE"), tags, "", ""));
            close(pcap, 3300);
        },
        "INVITE to 198.51.100.2:5060 was never answered: sent once (message 8)",
    );
}

#[test]
fn what_icmp_says_of_announced_media() {
    only(
        |pcap| {
            open(pcap);
            both_ways(pcap);
            let quoted = udp(address(ALICE_MEDIA), address(BOB_MEDIA), &rtp(0, 1, 1, 1, b"x"));
            let icmp = [&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat();
            pcap.add(500, &ip([198, 51, 100, 2].into(), [192, 0, 2, 1].into(), 1, &icmp));
            close(pcap, 3300);
        },
        "198.51.100.2 says once that 198.51.100.2:6000 cannot be reached (ICMP): nobody listens where media was announced",
    );
}

#[test]
fn credentials_that_are_not_taken() {
    let challenge = "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n";
    let given = "Authorization: Digest username=\"a\", response=\"x\"\r\n";
    let register = |pcap: &mut Pcap, last: &str| {
        let first = ("r", "1 REGISTER");
        pcap.udp(0, ALICE, BOB, &sip("REGISTER sip:b SIP/2.0", first, ("a1", ""), "", ""));
        pcap.udp(10, BOB, ALICE, &sip("SIP/2.0 401 Unauthorized", first, ("a1", "b"), challenge, ""));
        let second = ("r", "2 REGISTER");
        pcap.udp(20, ALICE, BOB, &sip("REGISTER sip:b SIP/2.0", second, ("a1", ""), given, ""));
        pcap.udp(30, BOB, ALICE, &sip(last, second, ("a1", "b"), challenge, ""));
    };
    let texts = |r: &Report| r.exchanges[0].remarks.iter().map(|r| r.text.clone()).collect::<Vec<_>>();
    let good = report(|pcap| register(pcap, "SIP/2.0 200 OK"));
    assert_eq!(texts(&good), Vec::<String>::new());
    let bad = report(|pcap| register(pcap, "SIP/2.0 401 Unauthorized"));
    assert_eq!(
        texts(&bad),
        [
            "the credentials of REGISTER (message 3) were not accepted: 401 Unauthorized (message 4); user name or \
          password is wrong"
        ]
    );
}

#[test]
fn codecs_that_do_not_meet_and_payload_types_nobody_named() {
    let found = report(|pcap| {
        let tags = ("a1", "b1");
        let offer = sdp("192.0.2.1", 4000, "sendrecv");
        pcap.udp(0, ALICE, BOB, &sip("INVITE sip:b SIP/2.0", ("c", "1 INVITE"), ("a1", ""), KIND, &offer));
        let answer = sdp("198.51.100.2", 6000, "sendrecv").replace("0 101", "18");
        pcap.udp(100, BOB, ALICE, &sip("SIP/2.0 200 OK", ("c", "1 INVITE"), tags, KIND, &answer));
        pcap.udp(200, ALICE, BOB, &sip("ACK sip:b SIP/2.0", ("c", "1 ACK"), tags, "", ""));
        audio(pcap, (ALICE_MEDIA, BOB_MEDIA), 1, 5, &[]);
    });
    let found = remarks(&found);
    assert_eq!(
        found,
        [
            "no audio codec of the answer (message 2) is in the offer (message 1)",
            "stream 1 has 5 packets of payload type 0 (PCMU), which 198.51.100.2:6000 did not name in its session \
             description",
        ]
    );
}

#[test]
fn states_of_calls() {
    let state = |make: &dyn Fn(&mut Pcap)| report(|pcap| make(pcap)).calls[0].state.clone();
    let invite = |pcap: &mut Pcap| {
        pcap.udp(0, ALICE, BOB, &sip("INVITE sip:b SIP/2.0", ("c", "1 INVITE"), ("a1", ""), "", ""));
    };
    let answer = |pcap: &mut Pcap, line: &str, cseq: &str| {
        pcap.udp(100, BOB, ALICE, &sip(line, ("c", cseq), ("a1", "b"), "", ""));
    };
    assert_eq!(state(&|p| invite(p)), State::Silent);
    assert_eq!(
        state(&|p| {
            invite(p);
            answer(p, "SIP/2.0 180 Ringing", "1 INVITE");
        }),
        State::Pending
    );
    assert_eq!(
        state(&|p| {
            invite(p);
            answer(p, "SIP/2.0 401 Unauthorized", "1 INVITE");
        }),
        State::Challenged
    );
    assert_eq!(
        state(&|p| {
            invite(p);
            p.udp(50, ALICE, BOB, &sip("CANCEL sip:b SIP/2.0", ("c", "1 CANCEL"), ("a1", ""), "", ""));
            answer(p, "SIP/2.0 487 Request Terminated", "1 INVITE");
        }),
        State::Cancelled
    );
    assert_eq!(
        state(&|p| {
            p.udp(0, ALICE, BOB, &sip("BYE sip:b SIP/2.0", ("c", "2 BYE"), ("a1", "b1"), "", ""));
        }),
        State::Joined
    );
    let mut pcap = Pcap::new(101);
    call(&mut pcap);
    assert_eq!(pcap.report(Options::default()).calls.len(), 1);
}
