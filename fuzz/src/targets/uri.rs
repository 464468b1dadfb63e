//! A URI, an address, a Via, each as a whole text: what is written of it reads the same.

use telex_engine::sip::{EscapedUser, NameAddr, Quoted, Uri, Via};

pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.to_string(), text);
        assert!(uri.equivalent(&uri));
        let _ = (uri.params().count(), uri.headers().count(), uri.password(), uri.host().to_string());
        let bare = Uri::parse(uri.without_headers()).expect("a URI without its headers");
        assert_eq!((bare.user(), bare.host_text(), bare.port()), (uri.user(), uri.host_text(), uri.port()));
        let user = uri.user_unescaped();
        let again = format!("sip:{}@h", EscapedUser(&user));
        if !user.is_empty() {
            assert_eq!(Uri::parse(&again).expect("an escaped user").user_unescaped(), user);
        }
    }
    if let Ok(address) = NameAddr::parse(text) {
        let again = address.to_string();
        let again = NameAddr::parse(&again).expect("a displayed address");
        assert_eq!((again.uri_text, again.tag()), (address.uri_text, address.tag()));
        assert_eq!(again.display_name(), address.display_name());
        assert_eq!((again.q(), again.expires()), (address.q(), address.expires()));
        let params = |a: &NameAddr<'_>| {
            a.params.iter().map(|p| (p.name.to_owned(), p.unquoted().map(String::from))).collect::<Vec<_>>()
        };
        assert_eq!(params(&again), params(&address));
    }
    let quoted = format!("{} <sip:h>", Quoted(text));
    let address = NameAddr::parse(&quoted);
    if text.len() < 20_000 {
        let address = address.expect("a quoted name");
        if !text.is_empty() && !text.contains(['\r', '\n']) {
            assert_eq!(address.display_name().as_deref(), Some(text));
        }
    }
    if let Ok(via) = Via::parse(text) {
        let again = format!("SIP/2.0/{} {}{}", via.transport(), via.sent_by(), via.params().text());
        let again = Via::parse(&again).expect("a Via written again");
        assert_eq!(
            (again.transport(), again.host_text(), again.port()),
            (via.transport(), via.host_text(), via.port())
        );
        assert_eq!(
            (again.branch(), again.rport(), again.received_ip()),
            (via.branch(), via.rport(), via.received_ip())
        );
    }
}
