//! SIP messages: parse; parse and read thirteen typed values; write back field by field.

use std::hint::black_box;
use std::net::IpAddr;

use bytes::Bytes;

use crate::harness::{Case, measure};

/// The values every contender is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    ViaHost,
    ViaPort,
    Branch,
    FromTag,
    ToTag,
    CallId,
    CSeqNumber,
    CSeqMethod,
    ContactUser,
    ContactHost,
    MaxForwards,
    ContentLength,
    Body,
}

const FIELDS: [Field; 13] = [
    Field::ViaHost,
    Field::ViaPort,
    Field::Branch,
    Field::FromTag,
    Field::ToTag,
    Field::CallId,
    Field::CSeqNumber,
    Field::CSeqMethod,
    Field::ContactUser,
    Field::ContactHost,
    Field::MaxForwards,
    Field::ContentLength,
    Field::Body,
];

/// Where values go: into nothing when timed, into a list when checked.
trait Sink {
    fn text(&mut self, field: Field, value: &str);
    fn number(&mut self, field: Field, value: u64);
    fn address(&mut self, field: Field, value: IpAddr);
    fn body(&mut self, value: &[u8]);
}

struct Hole;

impl Sink for Hole {
    #[inline(always)]
    fn text(&mut self, _: Field, value: &str) {
        black_box(value);
    }
    #[inline(always)]
    fn number(&mut self, _: Field, value: u64) {
        black_box(value);
    }
    #[inline(always)]
    fn address(&mut self, _: Field, value: IpAddr) {
        black_box(value);
    }
    #[inline(always)]
    fn body(&mut self, value: &[u8]) {
        black_box(value);
    }
}

#[derive(Default)]
struct List(Vec<(Field, String)>);

impl Sink for List {
    fn text(&mut self, field: Field, value: &str) {
        self.0.push((field, value.into()));
    }
    fn number(&mut self, field: Field, value: u64) {
        self.0.push((field, value.to_string()));
    }
    fn address(&mut self, field: Field, value: IpAddr) {
        self.0.push((field, value.to_string()));
    }
    fn body(&mut self, value: &[u8]) {
        self.0.push((Field::Body, value.len().to_string()));
    }
}

trait Contender: 'static {
    const NAME: &'static str;
    type Message;
    type Written: AsRef<[u8]>;
    fn parse(raw: &'static [u8]) -> Option<Self::Message>;
    fn read(message: &Self::Message, sink: &mut impl Sink);
    /// Writes into `out`, or gives memory of its own.
    fn write(message: &Self::Message, out: &mut Vec<u8>) -> Option<Self::Written>;
}

struct Input {
    name: &'static str,
    raw: &'static [u8],
    /// In the order of [`FIELDS`]; empty for what is not there.
    want: [&'static str; 13],
}

const CALL_ID: &str = "3848276298220188511@atlanta.example.com";

macro_rules! input {
    ($name:literal, $($want:expr),*) => {
        Input { name: $name, raw: include_bytes!(concat!("../inputs/", $name, ".sip")), want: [$($want),*] }
    };
}

const INPUTS: [Input; 7] = [
    input!(
        "register",
        "192.0.2.201",
        "5060",
        "z9hG4bKnashds7",
        "ja743ks76zlflH",
        "",
        "1j9FpLxk3uxtm8tn@biloxi.example.com",
        "2",
        "REGISTER",
        "bob",
        "192.0.2.201",
        "70",
        "0",
        "0"
    ),
    input!(
        "invite",
        "client.atlanta.example.com",
        "5060",
        "z9hG4bK74bf9",
        "9fxced76sl",
        "",
        CALL_ID,
        "1",
        "INVITE",
        "alice",
        "192.0.2.101",
        "70",
        "264",
        "264"
    ),
    input!(
        "invite_long",
        "ss2.biloxi.example.com",
        "5060",
        "z9hG4bK721e4.1",
        "9fxced76sl",
        "",
        CALL_ID,
        "314159",
        "INVITE",
        "alice",
        "client.atlanta.example.com",
        "68",
        "264",
        "264"
    ),
    input!(
        "ringing",
        "client.atlanta.example.com",
        "5060",
        "z9hG4bK74bf9",
        "9fxced76sl",
        "8321234356",
        CALL_ID,
        "1",
        "INVITE",
        "bob",
        "client.biloxi.example.com",
        "",
        "0",
        "0"
    ),
    input!(
        "ok",
        "ss1.atlanta.example.com",
        "5060",
        "z9hG4bK2d4790.1",
        "9fxced76sl",
        "314159",
        CALL_ID,
        "1",
        "INVITE",
        "bob",
        "client.biloxi.example.com",
        "",
        "201",
        "201"
    ),
    input!(
        "invite_compact",
        "client.atlanta.example.com",
        "5060",
        "z9hG4bK74bf9",
        "9fxced76sl",
        "",
        CALL_ID,
        "1",
        "INVITE",
        "alice",
        "client.atlanta.example.com",
        "70",
        "136",
        "136"
    ),
    input!(
        "invite_folded",
        "client.atlanta.example.com",
        "5060",
        "z9hG4bK74bf9",
        "9fxced76sl",
        "",
        CALL_ID,
        "1",
        "INVITE",
        "alice",
        "client.atlanta.example.com",
        "70",
        "136",
        "136"
    ),
];

/// What a contender gets wrong on an input; an error when it refuses it.
fn check<C: Contender>(input: &Input) -> Result<String, String> {
    let Some(message) = C::parse(input.raw) else { return Err("refuses this message".into()) };
    let mut list = List::default();
    C::read(&message, &mut list);
    let mut wrong = vec![];
    for (field, want) in FIELDS.iter().zip(input.want) {
        let got = list.0.iter().find(|(f, _)| f == field).map_or("", |(_, v)| v);
        let same = got == want || (want.is_empty() && got == "0") || (got.is_empty() && want == "0");
        if !same {
            wrong.push(if got.is_empty() {
                format!("{field:?} missing")
            } else {
                format!("{field:?} wrong")
            });
        }
    }
    Ok(wrong.join(", "))
}

fn parse<C: Contender>(input: &'static Input) -> Case {
    match check::<C>(input) {
        Err(why) => Case::cannot(C::NAME, why),
        Ok(_) => Case::new(C::NAME, |repeats| {
            for _ in 0..repeats {
                black_box(C::parse(black_box(input.raw)));
            }
        }),
    }
}

fn read<C: Contender>(input: &'static Input) -> Case {
    let note = match check::<C>(input) {
        Err(why) => return Case::cannot(C::NAME, why),
        Ok(note) => note,
    };
    let run = |repeats| {
        for _ in 0..repeats {
            let message = C::parse(black_box(input.raw)).expect("it was parsed before");
            C::read(black_box(&message), &mut Hole);
        }
    };
    Case::new(C::NAME, run).note(note)
}

fn write<C: Contender>(input: &'static Input) -> Case {
    if let Err(why) = check::<C>(input) {
        return Case::cannot(C::NAME, why);
    }
    let message = C::parse(input.raw).expect("it was parsed before");
    let mut out = Vec::with_capacity(4096);
    let written = C::write(&message, &mut out).map_or_else(|| out.clone(), |w| w.as_ref().to_vec());
    let written: &'static [u8] = written.leak();
    let again = Input { name: input.name, raw: written, want: input.want };
    let note = match (check::<C>(&again), check::<C>(input)) {
        (Ok(now), Ok(before)) if now == before => String::new(),
        (Ok(now), _) => format!("reads back: {now}"),
        (Err(why), _) => format!("reads back: {why}"),
    };
    let run = move |repeats| {
        for _ in 0..repeats {
            black_box(C::write(black_box(&message), &mut out));
            black_box(&out);
        }
    };
    Case::new(C::NAME, run).note(note)
}

/// Measures everything; `wants` chooses tables by their title.
pub fn run(wants: &dyn Fn(&str) -> bool) {
    macro_rules! table {
        ($what:literal, $level:ident) => {
            for input in &INPUTS {
                let title = format!("SIP, {}: {}, {} octets", $what, input.name, input.raw.len());
                if wants(&title) {
                    measure(
                        &title,
                        vec![
                            $level::<Telex>(input),
                            $level::<Rsip>(input),
                            $level::<Rsipstack>(input),
                            $level::<Ezk>(input),
                        ],
                    );
                }
            }
        };
    }
    table!("parse", parse);
    table!("parse and read 13 values", read);
    table!("write back", write);
}

struct Telex;

impl Contender for Telex {
    const NAME: &'static str = "**Telex**";
    type Message = telex_engine::sip::Message;
    type Written = Bytes;

    fn parse(raw: &'static [u8]) -> Option<Self::Message> {
        telex_engine::sip::Message::parse(Bytes::from_static(raw)).ok().filter(|m| m.defect().is_none())
    }

    fn read(m: &Self::Message, sink: &mut impl Sink) {
        use telex_engine::sip::Host;
        fn host(sink: &mut impl Sink, field: Field, host: Host<'_>) {
            match host {
                Host::Name(name) => sink.text(field, name),
                Host::V4(v4) => sink.address(field, v4.into()),
                Host::V6(v6) => sink.address(field, v6.into()),
            }
        }
        if let Ok(via) = m.via() {
            host(sink, Field::ViaHost, via.host());
            sink.number(Field::ViaPort, via.port().unwrap_or_default().into());
            sink.text(Field::Branch, via.branch().unwrap_or_default());
        }
        for (address, field) in [(m.from(), Field::FromTag), (m.to(), Field::ToTag)] {
            if let Ok(address) = address {
                sink.text(field, address.tag().unwrap_or_default());
            }
        }
        if let Ok(call_id) = m.call_id() {
            sink.text(Field::CallId, call_id);
        }
        if let Ok(cseq) = m.cseq() {
            sink.number(Field::CSeqNumber, cseq.number.into());
            sink.text(Field::CSeqMethod, cseq.name);
        }
        if let Some(Ok(contact)) = m.contact() {
            sink.text(Field::ContactUser, contact.uri.user());
            host(sink, Field::ContactHost, contact.uri.host());
        }
        if let Some(Ok(n)) = m.max_forwards() {
            sink.number(Field::MaxForwards, n.into());
        }
        if let Some(Ok(n)) = m.content_length() {
            sink.number(Field::ContentLength, n.into());
        }
        sink.body(m.body());
    }

    fn write(m: &Self::Message, _: &mut Vec<u8>) -> Option<Bytes> {
        Some(telex_engine::sip::Writer::start_of(m).copy_if(m, |_| true).close(m.body()))
    }
}

/// rsip and rsipstack have the same interface.
macro_rules! rsip_like {
    ($contender:ident, $name:literal, $krate:ident, $port:expr, $name_of:expr, $write:expr) => {
        struct $contender;

        impl Contender for $contender {
            const NAME: &'static str = $name;
            type Message = $krate::SipMessage;
            type Written = Vec<u8>;

            fn parse(raw: &'static [u8]) -> Option<Self::Message> {
                $krate::SipMessage::try_from(raw).ok()
            }

            fn read(m: &Self::Message, sink: &mut impl Sink) {
                use $krate::prelude::*;
                use $krate::{Header, Host, Method, SipMessage};
                fn host(sink: &mut impl Sink, field: Field, host: &Host) {
                    match host {
                        Host::Domain(name) => sink.text(field, $name_of(name)),
                        Host::IpAddr(ip) => sink.address(field, *ip),
                    }
                }
                if let Ok(via) = m.via_header().and_then(|v| v.typed()) {
                    host(sink, Field::ViaHost, &via.uri.host_with_port.host);
                    sink.number(Field::ViaPort, via.uri.host_with_port.port.as_ref().map_or(0, $port));
                    if let Some(branch) = via.branch() {
                        sink.text(Field::Branch, branch.value());
                    }
                }
                if let Some(tag) = m.from_header().and_then(|v| v.typed()).ok().as_ref().and_then(|f| f.tag())
                {
                    sink.text(Field::FromTag, tag.value());
                }
                if let Some(tag) = m.to_header().and_then(|v| v.typed()).ok().as_ref().and_then(|t| t.tag()) {
                    sink.text(Field::ToTag, tag.value());
                }
                if let Ok(call_id) = m.call_id_header() {
                    sink.text(Field::CallId, call_id.value());
                }
                if let Ok(cseq) = m.cseq_header().and_then(|v| v.typed()) {
                    sink.number(Field::CSeqNumber, cseq.seq.into());
                    let method = match cseq.method {
                        Method::Invite => "INVITE",
                        Method::Register => "REGISTER",
                        _ => "?",
                    };
                    sink.text(Field::CSeqMethod, method);
                }
                if let Ok(contact) = m.contact_header().and_then(|v| v.typed()) {
                    if let Some(auth) = &contact.uri.auth {
                        sink.text(Field::ContactUser, &auth.user);
                    }
                    host(sink, Field::ContactHost, &contact.uri.host_with_port.host);
                }
                if let Some(n) = m.max_forwards_header().ok().and_then(|v| v.value().trim().parse().ok()) {
                    sink.number(Field::MaxForwards, n);
                }
                let length = m.headers().iter().find_map(|h| match h {
                    Header::ContentLength(n) => n.value().trim().parse().ok(),
                    _ => None,
                });
                if let Some(n) = length {
                    sink.number(Field::ContentLength, n);
                }
                sink.body(match m {
                    SipMessage::Request(r) => r.body().as_slice(),
                    SipMessage::Response(r) => r.body().as_slice(),
                });
            }

            fn write(m: &Self::Message, _: &mut Vec<u8>) -> Option<Vec<u8>> {
                Some($write(m))
            }
        }
    };
}

use rsipstack::sip as stack;
rsip_like!(
    Rsip,
    "rsip 0.4.0",
    rsip,
    |p: &rsip::Port| u64::from(*p.value()),
    rsip_name,
    |m: &rsip::SipMessage| m.to_string().into_bytes()
);
rsip_like!(
    Rsipstack,
    "rsipstack 0.7.14",
    stack,
    |p: &stack::Port| u64::from(p.value()),
    stack_name,
    |m: &stack::SipMessage| { m.to_bytes() }
);

fn rsip_name(domain: &rsip::Domain) -> &str {
    domain.value()
}

fn stack_name(domain: &stack::Domain) -> &str {
    &domain.0
}

struct Ezk;

struct EzkMessage {
    line: ezk_sip_types::msg::MessageLine,
    headers: ezk_sip_types::Headers,
    body: Bytes,
}

impl Contender for Ezk {
    const NAME: &'static str = "ezk-sip-types 0.6.5";
    type Message = EzkMessage;
    type Written = Vec<u8>;

    /// The steps of its own transport, which is private: copy the datagram, take lines, parse each, take the body.
    fn parse(raw: &'static [u8]) -> Option<EzkMessage> {
        use ezk_sip_types::header::typed::ContentLength;
        use ezk_sip_types::msg::{Line, MessageLine, PullParser};
        use ezk_sip_types::parse::Parse;
        let buffer = Bytes::copy_from_slice(raw);
        let mut parser = PullParser::new(&buffer, 0);
        let mut line = None;
        let mut headers = ezk_sip_types::Headers::new();
        for item in &mut parser {
            let text = std::str::from_utf8(item.ok()?).ok()?;
            if line.is_none() {
                line = Some(MessageLine::parse(&buffer)(text).ok()?.1);
            } else {
                let field = Line::parse(&buffer, text).ok()?.1;
                headers.insert(field.name, field.value);
            }
        }
        let head = parser.head_end();
        let body = match headers.get_named::<ContentLength>() {
            Ok(n) if n.0 == 0 => Bytes::new(),
            Ok(n) if buffer.len() >= head + n.0 => buffer.slice(head..head + n.0),
            Ok(_) => return None,
            Err(_) => buffer.slice(head..),
        };
        Some(EzkMessage { line: line?, headers, body })
    }

    fn read(m: &EzkMessage, sink: &mut impl Sink) {
        use ezk_sip_types::header::typed::{CSeq, CallID, Contact, ContentLength, FromTo, MaxForwards, Via};
        use ezk_sip_types::host::Host;
        use ezk_sip_types::uri::SipUriUserPart;
        use ezk_sip_types::{Method, Name};
        fn host(sink: &mut impl Sink, field: Field, host: &Host) {
            match host {
                Host::Name(name) => sink.text(field, name),
                Host::IP4(v4) => sink.address(field, (*v4).into()),
                Host::IP6(v6) => sink.address(field, (*v6).into()),
            }
        }
        if let Ok(via) = m.headers.get_named::<Via>() {
            host(sink, Field::ViaHost, &via.sent_by.host);
            sink.number(Field::ViaPort, via.sent_by.port.unwrap_or_default().into());
            if let Some(branch) = via.params.get_val("branch") {
                sink.text(Field::Branch, branch);
            }
        }
        for (name, field) in [(Name::FROM, Field::FromTag), (Name::TO, Field::ToTag)] {
            if let Ok(address) = m.headers.get::<FromTo>(name)
                && let Some(tag) = &address.tag
            {
                sink.text(field, tag);
            }
        }
        if let Ok(call_id) = m.headers.get_named::<CallID>() {
            sink.text(Field::CallId, &call_id.0);
        }
        if let Ok(cseq) = m.headers.get_named::<CSeq>() {
            sink.number(Field::CSeqNumber, cseq.cseq.into());
            let method = match cseq.method {
                Method::INVITE => "INVITE",
                Method::REGISTER => "REGISTER",
                _ => "?",
            };
            sink.text(Field::CSeqMethod, method);
        }
        if let Ok(contact) = m.headers.get_named::<Contact>() {
            match &contact.uri.uri.user_part {
                SipUriUserPart::User(user) => sink.text(Field::ContactUser, user),
                SipUriUserPart::UserPw(user) => sink.text(Field::ContactUser, &user.user),
                SipUriUserPart::Empty => {}
            }
            host(sink, Field::ContactHost, &contact.uri.uri.host_port.host);
        }
        if let Ok(n) = m.headers.get_named::<MaxForwards>() {
            sink.number(Field::MaxForwards, n.0.into());
        }
        if let Ok(n) = m.headers.get_named::<ContentLength>() {
            sink.number(Field::ContentLength, n.0 as u64);
        }
        sink.body(&m.body);
    }

    fn write(m: &EzkMessage, out: &mut Vec<u8>) -> Option<Vec<u8>> {
        use ezk_sip_types::print::AppendCtx;
        use std::io::Write;
        out.clear();
        write!(out, "{}\r\n{}\r\n", m.line.default_print_ctx(), m.headers).expect("memory takes all");
        out.extend_from_slice(&m.body);
        None
    }
}
