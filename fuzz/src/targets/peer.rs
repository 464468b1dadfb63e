//! A datagram that both we and another parser (ezk-sip-types) accept: both read the same in it.
//!
//! What may differ, and is not compared:
//! - what we refuse: the peer checks less, so only messages without defect that validate are looked at;
//! - heads that are not ASCII, have folds or bare line ends, or a header field without value: the peer trims and cuts
//!   lines otherwise (RFC 3261 §7.3.1 allows ours);
//! - a header field that may stand once and stands twice, or a list in several fields;
//! - parameter names in capitals (the peer compares them with case), `%` (it unescapes), `"` and `\` (it keeps
//!   escapes);
//! - methods that are not letters only: the peer cuts them short;
//! - white space and odd characters in the sent-by of a Via;
//! - tags and branches that are no tokens (RFC 3261 §25.1): both parsers take some of them, the peer cuts them short.

use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, Contact, ContentLength, FromTo, Via};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::uri::SipUriUserPart;
use ezk_sip_types::{Headers, Name};
use telex_engine::sip::{HeaderName, Message, Scheme};

pub(crate) fn check(octets: &[u8]) {
    let Ok(ours) = Message::parse(Bytes::copy_from_slice(octets)) else { return };
    let letters = ours.cseq().is_ok_and(|c| c.name.bytes().all(|b| b.is_ascii_alphabetic()));
    if ours.validate().is_err() || !plain(&ours) || !letters {
        return;
    }
    let Some(theirs) = read(octets) else { return };
    start(&ours, &theirs.line);
    headers(&ours, &theirs.headers);
    if ours.content_length().is_some_and(|n| n.is_ok()) {
        assert_eq!(ours.body(), theirs.body, "body");
    }
}

/// Whether both grammars mean the same: see the head of this file.
fn plain(message: &Message) -> bool {
    let head = &message.raw()[..message.raw().len() - message.body().len()];
    let odd = |b: &u8| !(b.is_ascii_graphic() || matches!(b, b' ' | b'\r' | b'\n')) || b"%\"\\\t".contains(b);
    if head.iter().any(odd) {
        return false;
    }
    let Ok(head) = std::str::from_utf8(head) else { return false };
    let mut lines = head.split_inclusive("\r\n");
    if !lines.all(|line| {
        line.ends_with("\r\n") && line.matches(['\r', '\n']).count() == 2 && !line.starts_with(' ')
    }) {
        return false;
    }
    message.headers().all(|h| {
        let once = h.id == HeaderName::Other || message.headers_named(h.id).count() == 1;
        let lower = ["tag", "branch"].iter().all(|name| {
            let count = |text: &str| text.matches(&format!("{name}=")).count();
            count(h.value) == count(&h.value.to_ascii_lowercase()) && count(h.value) <= 1
        });
        once && lower && !h.value.is_empty() && !h.value.contains(" =") && !h.value.contains("= ")
    })
}

fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

struct Theirs {
    line: MessageLine,
    headers: Headers,
    body: Bytes,
}

/// The steps of the peer's own transport, which is private.
fn read(octets: &[u8]) -> Option<Theirs> {
    let buffer = Bytes::copy_from_slice(octets);
    let mut parser = PullParser::new(&buffer, 0);
    let mut line = None;
    let mut headers = Headers::new();
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
        Ok(n) if buffer.len() >= head.checked_add(n.0)? => buffer.slice(head..head + n.0),
        Ok(_) => return None,
        Err(_) => buffer.slice(head..),
    };
    Some(Theirs { line: line?, headers, body })
}

fn start(ours: &Message, theirs: &MessageLine) {
    match theirs {
        MessageLine::Request(line) => {
            assert!(ours.is_request());
            assert_eq!(line.method.to_string(), ours.method_name());
        }
        MessageLine::Response(line) => {
            assert_eq!(ours.status().map(|s| s.code()), Some(line.code.into_u16()));
            assert_eq!(line.reason.as_deref().unwrap_or(""), ours.reason().trim());
        }
    }
}

fn headers(ours: &Message, theirs: &Headers) {
    if let (Ok(a), Ok(b)) = (ours.call_id(), theirs.get_named::<CallID>()) {
        assert_eq!(a, &*b.0, "Call-ID");
    }
    if let (Ok(a), Ok(b)) = (ours.cseq(), theirs.get_named::<CSeq>()) {
        assert_eq!((a.number, a.name.to_owned()), (b.cseq, b.method.to_string()), "CSeq");
    }
    for (ours, name) in [(ours.from(), Name::FROM), (ours.to(), Name::TO)] {
        let (Ok(a), Ok(b)) = (ours, theirs.get::<FromTo>(name.clone())) else { continue };
        if a.tag().is_none_or(is_token) {
            assert_eq!(a.tag(), b.tag.as_deref(), "tag of {name:?}");
        }
    }
    if let (Ok(a), Ok(b)) = (ours.via(), theirs.get_named::<Via>())
        && ours.vias().count() == 1
    {
        if a.branch().is_none_or(is_token) {
            assert_eq!(a.branch(), b.params.get_val("branch").map(|v| &**v), "branch");
        }
        if a.sent_by().bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
            assert_eq!((a.transport(), a.port()), (&*b.transport, b.sent_by.port), "Via");
        }
    }
    if let (Some(Ok(a)), Ok(b)) = (ours.contact(), theirs.get_named::<Contact>())
        && matches!(a.uri.scheme(), Scheme::Sip | Scheme::Sips)
        && ours.addresses(HeaderName::Contact).count() == 1
    {
        let user = match &b.uri.uri.user_part {
            SipUriUserPart::User(user) => &**user,
            SipUriUserPart::UserPw(both) => &*both.user,
            SipUriUserPart::Empty => "",
        };
        assert_eq!((a.uri.user(), a.uri.port()), (user, b.uri.uri.host_port.port), "Contact");
    }
}
