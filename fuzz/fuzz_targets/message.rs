//! One datagram: parse it, read everything in it, write it again.
#![cfg_attr(fuzzing, no_main)]

use bytes::Bytes;
use telex_engine::sip::{
    Contacts, DigestChallenge, DigestCredentials, HeaderName, MediaType, Message, Status, Warning, Writer,
};

fn check(octets: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) else { return };
    assert_eq!(message.raw(), octets);
    read(&message);
    let again = Writer::start_of(&message).copy_if(&message, |_| true).close(message.body());
    let again = Message::parse(again).expect("what was written can be read");
    if message.defect().is_none() {
        assert_eq!(again.defect(), None);
        assert!(message.validate().is_err() || again.validate().is_ok());
        assert_eq!(again.body(), message.body());
        assert_eq!(again.headers().count(), message.headers().count());
    }
    answer(&message);
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
}

telex_fuzz::target!(check);
