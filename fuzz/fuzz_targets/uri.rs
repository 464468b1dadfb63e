//! A URI, an address, a Via.
#![cfg_attr(fuzzing, no_main)]

use telex_engine::sip::{EscapedUser, NameAddr, Quoted, Uri, Via};

fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.to_string(), text);
        assert!(uri.equivalent(&uri));
        let _ = (uri.params().count(), uri.headers().count(), uri.password(), uri.host().to_string());
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
    }
    let quoted = format!("{} <sip:h>", Quoted(text));
    let address = NameAddr::parse(&quoted).expect("a quoted name");
    if !text.is_empty() && !text.contains(['\r', '\n']) {
        assert_eq!(address.display_name().as_deref(), Some(text));
    }
    let _ = Via::parse(text).map(|via| (via.received_ip(), via.sent_by().len()));
}

telex_fuzz::target!(check);
