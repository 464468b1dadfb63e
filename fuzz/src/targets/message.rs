//! One datagram: parse it, read everything in it, write it again. What was written says the same, and an answer to any
//! request that can be answered is itself well formed.

use bytes::Bytes;
use telex_engine::sip::{
    Contacts, DigestChallenge, DigestCredentials, HeaderName, MediaType, Message, Status, Warning, Writer,
    unfold,
};

pub(crate) fn check(octets: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) else { return };
    assert_eq!(message.raw(), octets);
    read(&message);
    let again = Writer::start_of(&message).copy_if(&message, |_| true).close(message.body());
    let again = Message::parse(again).expect("what was written can be read");
    if message.defect().is_none() {
        same(&message, &again);
    }
    answer(&message);
}

/// Both messages say the same, but for folds and control characters.
fn same(message: &Message, again: &Message) {
    assert_eq!(again.defect(), None);
    assert_eq!(again.body(), message.body());
    assert_eq!(again.headers().count(), message.headers().count());
    assert_eq!((again.is_request(), again.status()), (message.is_request(), message.status()));
    for (a, b) in message.headers().zip(again.headers()) {
        assert_eq!((a.id, a.name), (b.id, b.name));
        assert_eq!(printable(&unfold(a.value)), printable(b.value));
    }
    if message.validate().is_err() {
        return;
    }
    assert_eq!(again.validate(), Ok(()));
    assert_eq!((again.method_name(), again.request_uri()), (message.method_name(), message.request_uri()));
    assert_eq!(message.call_id(), again.call_id());
    let cseq = |m: &Message| m.cseq().map(|c| (c.number, c.method, c.name.to_owned()));
    assert_eq!(cseq(message), cseq(again));
    let tags = |m: &Message| {
        [m.from(), m.to()].map(|a| a.map(|a| (a.uri_text.to_owned(), a.tag().map(str::to_owned))))
    };
    assert_eq!(tags(message), tags(again));
    let vias = |m: &Message| -> Vec<_> {
        m.vias()
            .flatten()
            .map(|v| (v.host_text().to_owned(), v.port(), v.branch().map(str::to_owned)))
            .collect()
    };
    assert_eq!(vias(message), vias(again));
    assert_eq!(message.max_forwards(), again.max_forwards());
    assert_eq!(message.expires().and_then(Result::ok), again.expires().and_then(Result::ok));
}

/// Control characters are written as spaces, and how much white space stands somewhere means nothing.
fn printable(value: &str) -> String {
    let space = |c: char| c <= ' ' || c == '\u{7f}';
    value.split(space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn read(m: &Message) {
    let _ = (m.defect().map(ToString::to_string), m.method_name(), m.request_uri(), m.reason());
    for header in m.headers() {
        assert!(!header.name.is_empty());
        let _ =
            m.addresses(header.id).count() + m.values(header.id).count() + m.headers_named(header.id).count();
        let _ = m.other(header.name);
        let _ = (
            DigestChallenge::parse(header.value),
            MediaType::parse(header.value),
            Warning::parse(header.value),
        );
        if let Ok(credentials) = DigestCredentials::parse(header.value) {
            let _ = (credentials.username(), credentials.nonce_count(), credentials.auth().params().count());
        }
    }
    for via in m.vias().flatten() {
        let _ = (via.host(), via.received_ip(), via.rport(), via.params().iter().count());
    }
    if let Ok(Contacts::List(list)) = m.contacts() {
        list.flatten().for_each(|c| {
            let _ = (c.q(), c.expires(), c.display_name(), c.uri.user_unescaped());
        });
    }
    let _ = (m.from(), m.to(), m.call_id(), m.cseq(), m.max_forwards(), m.content_length(), m.expires());
    let _ = (m.min_expires(), m.session_expires(), m.min_se(), m.rseq(), m.rack(), m.content_type());
    let _ =
        (m.refer_to(), m.replaces(), m.event(), m.subscription_state(), m.retry_after(), m.reasons().count());
}

/// A response to any request that can be answered is itself well formed.
fn answer(request: &Message) {
    if !request.is_request() || request.validate().is_err() {
        return;
    }
    let mut writer = Writer::response(Status::OK, "");
    writer.vias(request, Some([192, 0, 2, 1].into()), Some(5060)).copy(request, HeaderName::From);
    writer.to_tagged(request, "tag").copy(request, HeaderName::CallId).copy(request, HeaderName::CSeq);
    let response = Message::parse(writer.finish()).expect("our own response");
    assert_eq!(response.validate(), Ok(()), "{:?}", response.raw());
    assert_eq!(response.vias().count(), request.vias().count());
    let via = response.via().expect("validated");
    assert_eq!(via.received_ip(), Some([192, 0, 2, 1].into()));
    let asked = request.via().expect("validated");
    assert_eq!((via.branch(), via.sent_by()), (asked.branch(), asked.sent_by()));
    let tag = request.to().expect("validated").tag().map_or("tag".to_owned(), str::to_owned);
    assert_eq!(response.to().expect("validated").tag(), Some(tag.as_str()));
}
