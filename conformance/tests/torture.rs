//! The torture messages of RFC 4475 and RFC 5118, each sent as a datagram into an exchange in virtual time.
//!
//! `torture.tsv` has the verdict of the RFC for each: the statuses a user agent server or registrar may answer with, or
//! `-` where nothing may be sent. The sender is known by its address and a phone stands at every Request-URI, so that
//! what is judged is the message and not the sender. What else the RFC says of a message is in `beyond_the_answer`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use telex_conformance::virtual_exchange::VirtualExchange;
use telex_engine::config::{Config, Credentials, FixedContact, Phone};
use telex_engine::sip::{HeaderName, Message, Method, Uri, Writer};

const SENDER: &str = "192.0.2.77:5060";
const SENDER6: &str = "[2001:db8::77]:5060";
const CALLEE: &str = "192.0.2.99:5060";
const US: [&str; 2] = ["192.0.2.200:5060", "[2001:db8::200]:5060"];

fn octets(rfc: &str, name: &str) -> Vec<u8> {
    let file = format!("messages/rfc{rfc}/{name}.sip");
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// An exchange where the sender of this message is a phone, and where whom it names is one.
fn exchange(sent: &[u8], sender: SocketAddr) -> VirtualExchange {
    let mut config = Config::default();
    let phone = |address: SocketAddr| {
        let contact = FixedContact { uri: format!("sip:phone@{address}").into(), address: Some(address) };
        Phone { contact: Some(contact), ..Phone::default() }
    };
    if let Ok(message) = Message::parse(sent.to_vec().into())
        && message.is_request()
    {
        if let Ok(uri) = Uri::parse(message.request_uri()) {
            config.phones.insert(uri.user_unescaped().as_ref().into(), phone(CALLEE.parse().unwrap()));
        }
        if let Ok(from) = message.from() {
            config.phones.insert(from.uri.user_unescaped().as_ref().into(), phone(sender));
        }
        if message.header(HeaderName::Authorization).is_some() {
            let credentials = Credentials { ha1_md5: [1; 16], ha1_sha256: None };
            let known = config
                .phones
                .values_mut()
                .find(|phone| phone.contact.as_ref().unwrap().address == Some(sender));
            known.unwrap().credentials = Some(credentials);
        }
    }
    VirtualExchange::new(config, &US.map(|address| address.parse().unwrap()))
}

/// What became of a message.
struct Outcome {
    /// The final response the sender got.
    answer: Option<Message>,
    /// The INVITE the callee got.
    asked: Option<Message>,
    exchange: VirtualExchange,
}

fn outcome(octets: &[u8], sender: SocketAddr) -> Outcome {
    let mut exchange = exchange(octets, sender);
    exchange.datagram(sender, octets);
    let (mut answer, mut asked) = (None, None);
    for _ in 0..4 {
        for sent in exchange.take() {
            let m = sent.message;
            if m.method() == Method::Ack && m.is_request() {
                assert!(asked.is_some());
            } else if m.is_request() {
                exchange.datagram(sent.to, &accepted(&m));
                match m.method() {
                    Method::Invite => asked = Some(m),
                    method => assert_eq!(method, Method::Message, "to {}", sent.to),
                }
            } else if m.status().is_some_and(|status| status.code() >= 200) {
                assert_eq!(sent.to.ip(), sender.ip(), "an answer goes where the question came from");
                answer.get_or_insert(m);
            }
        }
        exchange.pass(Duration::from_millis(10));
    }
    Outcome { answer, asked, exchange }
}

/// The callee's 200: to an INVITE with the first codec of the offer.
fn accepted(invite: &Message) -> Vec<u8> {
    let offer = String::from_utf8_lossy(invite.body()).into_owned();
    let codec = offer.split("RTP/AVP ").nth(1).and_then(|rest| rest.split([' ', '\r']).next()).unwrap_or("0");
    let map = offer.lines().find(|line| line.starts_with(&format!("a=rtpmap:{codec} ")));
    let map = map.map_or(String::new(), |map| format!("{map}\r\n"));
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n\
         m=audio 6000 RTP/AVP {codec}\r\n{map}"
    );
    let mut writer = Writer::response(telex_engine::sip::Status::OK, "OK");
    writer.copy(invite, HeaderName::Via).copy(invite, HeaderName::From).to_tagged(invite, "callee");
    writer.copy(invite, HeaderName::CallId).copy(invite, HeaderName::CSeq);
    if invite.method() != Method::Invite {
        return writer.finish().to_vec();
    }
    writer.header(HeaderName::Contact, "<sip:phone@192.0.2.99:5060>");
    writer.body("application/sdp", body.as_bytes()).to_vec()
}

/// What the RFC says of a message beyond the answer.
fn beyond_the_answer(name: &str, outcome: &mut Outcome) {
    let header = |name: HeaderName| {
        let values = outcome.answer.iter().flat_map(|answer| answer.values(name));
        values.map(str::to_owned).collect::<Vec<_>>().join(", ")
    };
    let bindings = |exchange: &VirtualExchange| exchange.stats().bindings;
    match name {
        "intmeth" | "esc02" => assert!(header(HeaderName::Allow).contains("INVITE"), "{name}"),
        "escnull" => assert_eq!(bindings(&outcome.exchange), 2, "%00 and %00%00 are two contacts"),
        "dblreq" => {
            assert!(header(HeaderName::CSeq).contains("REGISTER") && outcome.asked.is_none());
            assert_eq!(bindings(&outcome.exchange), 1);
        }
        "bext01" => {
            let unsupported = "nothingSupportsThis, nothingSupportsThisEither";
            assert_eq!(header(HeaderName::Unsupported), unsupported);
        }
        "invut" => assert_eq!(header(HeaderName::Accept), "application/sdp"),
        "regaut01" => {
            assert!(header(HeaderName::WwwAuthenticate).starts_with("Digest "));
            assert_eq!(bindings(&outcome.exchange), 0);
        }
        "cparam01" => assert!(header(HeaderName::Contact).starts_with("<sip:+19725552222@gw1.example.net>")),
        "cparam02" => {
            assert!(
                header(HeaderName::Contact).starts_with("<sip:+19725552222@gw1.example.net;unknownparam>")
            );
        }
        "regescrt" => assert_eq!(bindings(&outcome.exchange), 1),
        "wsinv" => {
            assert!(header(HeaderName::To).contains("1918181833n"), "the tag is found through the folds");
        }
        "esc01" | "longreq" | "inv2543" | "baddate" | "escruri" | "lwsstart" => {
            let answer = outcome.answer.as_ref().unwrap();
            if answer.status().unwrap().code() == 200 {
                assert!(outcome.asked.is_some() && !answer.body().is_empty(), "{name} is a call");
            }
        }
        _ => {}
    }
}

struct Row<'a> {
    rfc: &'a str,
    name: &'a str,
    answers: Vec<&'a str>,
}

fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
    table.lines().skip(1).map(|line| {
        let [rfc, _, name, answers, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Row { rfc, name, answers: answers.split('|').collect() }
    })
}

fn torture(rfc: &str, mend: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> (usize, usize) {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("torture.tsv")).unwrap();
    let (mut right, mut all, mut wrong) = (0, 0, String::new());
    for row in rows(&table).filter(|row| row.rfc == rfc) {
        all += 1;
        let octets = mend(row.name, octets(rfc, row.name));
        let sender = if rfc == "5118" { SENDER6 } else { SENDER };
        let mut outcome = outcome(&octets, sender.parse().unwrap());
        let got = outcome.answer.as_ref().map_or("-".to_owned(), |m| m.status().unwrap().code().to_string());
        if row.answers.contains(&got.as_str()) {
            right += 1;
            beyond_the_answer(row.name, &mut outcome);
        } else {
            wrong += &format!("\n{}: {got}, the RFC says {}", row.name, row.answers.join(" or "));
        }
        if row.answers == ["-"] {
            assert!(outcome.asked.is_none(), "{}: nothing is passed on", row.name);
        }
        // Whatever it was, nothing of it stays but bindings.
        outcome.exchange.pass(Duration::from_secs(300));
        let stats = outcome.exchange.stats();
        assert_eq!((stats.calls, stats.legs, stats.transactions, stats.ports), (0, 0, 0, 0), "{}", row.name);
    }
    println!("RFC {rfc}: {right} of {all}");
    assert_eq!(wrong, "");
    (right, all)
}

#[test]
fn rfc_4475_forty_nine_of_forty_nine() {
    // As archived this one lacks the empty line that ends its header fields, which the RFC prints.
    let ended = |name: &str, mut octets: Vec<u8>| {
        if name == "baddn" {
            octets.extend_from_slice(b"\r\n");
        }
        octets
    };
    assert_eq!(torture("4475", ended), (49, 49));
}

#[test]
fn rfc_5118_all_twelve() {
    // As archived the body is shorter than its Content-Length: line ends were lost on the way.
    let measured = |name: &str, octets: Vec<u8>| {
        if name != "ipv6-in-sdp" {
            return octets;
        }
        let text = String::from_utf8(octets).unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1.len();
        text.replace("Content-Length: 268", &format!("Content-Length: {body}")).into_bytes()
    };
    assert_eq!(torture("5118", measured), (12, 12));
}
