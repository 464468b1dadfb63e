//! One header field: the first octet says which, the rest is its value. The typed value is read alone and out of a
//! message, with the same result, and what is written of it reads the same.

use bytes::Bytes;
use telex_engine::sip::{
    CSeq, Contacts, DigestChallenge, DigestCredentials, Event, HeaderName, MediaType, Message, NameAddr,
    RAck, Reason, Replaces, RetryAfter, SessionExpires, SubscriptionState, Tagged, Via, Warning, Writer,
    elements, unfold,
};

/// Header fields with a typed value, and those read as lists.
const NAMES: [HeaderName; 26] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::Contact,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Path,
    HeaderName::CSeq,
    HeaderName::CallId,
    HeaderName::MaxForwards,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::Expires,
    HeaderName::MinExpires,
    HeaderName::SessionExpires,
    HeaderName::MinSe,
    HeaderName::RSeq,
    HeaderName::RAck,
    HeaderName::ReferTo,
    HeaderName::Replaces,
    HeaderName::Event,
    HeaderName::SubscriptionState,
    HeaderName::RetryAfter,
    HeaderName::Reason,
    HeaderName::PAssertedIdentity,
    HeaderName::Warning,
];

/// The first octet of an input about this header field.
pub(crate) fn number(name: HeaderName) -> Option<u8> {
    NAMES.iter().position(|known| *known == name).and_then(|n| u8::try_from(n).ok())
}

pub(crate) fn check(octets: &[u8]) {
    let Some((&which, value)) = octets.split_first() else { return };
    let Ok(text) = std::str::from_utf8(value) else { return };
    let name = NAMES[usize::from(which) % NAMES.len()];
    alone(text);
    let raw = format!("OPTIONS sip:h SIP/2.0\r\n{}: {text}\r\n\r\n", name.as_str());
    let Ok(message) = Message::parse(Bytes::from(raw)) else { return };
    let Some(inside) = message.header(name) else { return };
    inside_message(&message, name, &inside.to_owned());
}

/// The typed value of a message is that of its text.
fn inside_message(m: &Message, name: HeaderName, text: &str) {
    let list = m.headers_named(name).count() > 1;
    match name {
        HeaderName::Via => {
            let (all, first) = (m.vias().count(), m.via());
            assert!(all > 0 || first.is_err() || text.is_empty());
            if let Ok(one) = Via::parse(text) {
                assert_eq!(first.expect("one is a list of one").params().text(), one.params().text());
            }
            for via in m.vias().flatten() {
                via_again(&via);
            }
        }
        HeaderName::From | HeaderName::To | HeaderName::ReferTo => {
            assert_eq!(m.address(name).is_ok(), NameAddr::parse(text).is_ok());
        }
        HeaderName::Contact | HeaderName::Route | HeaderName::RecordRoute | HeaderName::Path => {
            let all = m.addresses(name).count();
            if NameAddr::parse(text).is_ok() {
                assert!(all >= 1);
            }
            if let Ok(Contacts::List(list)) = m.contacts() {
                list.flatten().for_each(|a| address_again(&a));
            }
            m.addresses(name).flatten().for_each(|a| address_again(&a));
            // Control characters would be written as spaces.
            if !text.contains(|c: char| c.is_ascii_control()) {
                copied(m, name);
            }
        }
        HeaderName::CSeq => assert_eq!(m.cseq().ok(), CSeq::parse(text).ok()),
        HeaderName::RAck => assert_eq!(m.rack().and_then(Result::ok), RAck::parse(text).ok()),
        HeaderName::Replaces => assert_eq!(m.replaces().and_then(Result::ok), Replaces::parse(text).ok()),
        HeaderName::CallId => {
            if let Ok(id) = m.call_id() {
                assert_eq!(id, text);
            }
        }
        HeaderName::MaxForwards => drop(m.max_forwards()),
        HeaderName::ContentLength => drop(m.content_length()),
        HeaderName::Expires => drop(m.expires()),
        HeaderName::MinExpires => drop(m.min_expires()),
        HeaderName::MinSe => drop(m.min_se()),
        HeaderName::RSeq => drop(m.rseq()),
        HeaderName::Reason => assert!(list || m.reasons().count() == m.values(name).count()),
        HeaderName::PAssertedIdentity => drop(m.p_asserted_identity()),
        _ => {}
    }
    assert!(m.values(name).count() <= text.len() + 1);
}

/// A list copied into another message holds the same.
fn copied(m: &Message, name: HeaderName) {
    let copy = Writer::request("OPTIONS", "sip:h").copy(m, name).finish();
    let copy = Message::parse(copy).expect("what was written can be read");
    let uris =
        |m: &Message| m.addresses(name).map(|a| a.map(|a| a.uri_text.to_owned()).ok()).collect::<Vec<_>>();
    assert_eq!(uris(m), uris(&copy));
}

/// Every parser on the whole text, and what is written of its value.
fn alone(text: &str) {
    if let Ok(v) = CSeq::parse(text) {
        assert_eq!(CSeq::parse(&format!("{} {}", v.number, v.name)), Ok(v));
    }
    if let Ok(v) = RAck::parse(text) {
        assert_eq!(RAck::parse(&format!("{} {} {}", v.rseq, v.cseq.number, v.cseq.name)), Ok(v));
    }
    if let Ok(v) = Replaces::parse(text) {
        assert!(!v.call_id.is_empty());
    }
    if let Ok(v) = Tagged::parse("field", text) {
        let again = format!("{}{}", v.token, v.params.text());
        let again = Tagged::parse("field", &again).expect("a token with parameters written again");
        assert_eq!((again.token, again.params.text()), (v.token, v.params.text()));
        let _ = (Event::parse(text).map(|v| v.id), Reason::parse(text).map(|v| v.text()));
        let _ = SubscriptionState::parse(text).map(|v| v.expires);
    }
    if let Ok(v) = SessionExpires::parse(text) {
        let again = format!("{}{}", v.seconds, v.params.text());
        assert_eq!(
            SessionExpires::parse(&again).map(|a| (a.seconds, a.refresher)),
            Ok((v.seconds, v.refresher))
        );
    }
    if let Ok(v) = RetryAfter::parse(text) {
        assert!(v.comment.is_none_or(|c| c.len() < text.len()));
    }
    if let Ok(v) = MediaType::parse(text) {
        let again = format!("{}/{}{}", v.kind, v.subtype, v.params.text());
        assert!(MediaType::parse(&again).expect("a media type written again").is(v.kind, v.subtype));
        assert!(v.covers(v.kind, v.subtype));
    }
    if let Ok(v) = Warning::parse(text) {
        assert!(v.code <= 999 && v.text().len() <= text.len());
    }
    if let Ok(v) = DigestChallenge::parse(text) {
        let _ = (v.realm(), v.nonce(), v.opaque(), v.algorithm(), v.stale(), v.offers_qop("auth"));
    }
    if let Ok(v) = DigestCredentials::parse(text) {
        let count = v.auth().params().count();
        assert!(count >= 1 && v.nonce_count().is_none_or(|_| v.nc().is_some()));
    }
    let parts: usize = elements(text).map(str::len).sum();
    assert!(parts <= text.len());
    assert!(!unfold(text).contains("\r\n "));
}

fn via_again(via: &Via<'_>) {
    let again = format!("SIP/2.0/{} {}{}", via.transport(), via.sent_by(), via.params().text());
    let again = Via::parse(&again).expect("a Via written again");
    assert_eq!(
        (again.host_text(), again.port(), again.branch()),
        (via.host_text(), via.port(), via.branch())
    );
}

fn address_again(address: &NameAddr<'_>) {
    let again = address.to_string();
    let again = NameAddr::parse(&again).expect("an address written again");
    assert_eq!((again.uri_text, again.params.text()), (address.uri_text, address.params.text()));
    assert_eq!(again.display_name(), address.display_name());
}
