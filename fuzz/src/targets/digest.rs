//! A challenge, and credentials. What answers a challenge can be read and names what was challenged; octets that are no
//! answer to a challenge of ours are never accepted.

use std::sync::LazyLock;

use bytes::Bytes;
use telex_engine::auth::{Authenticator, Challenge, Login, Verdict, answer};
use telex_engine::config::{Config, Credentials, DigestOffer, Phone};
use telex_engine::rng::{Purpose, Rng, Seed};
use telex_engine::sip::{DigestChallenge, DigestCredentials, Message, Status};
use telex_engine::time::Instant;

const URI: &str = "sip:*43@telex";

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let mut config = Config { digest: DigestOffer::Md5Sha256, ..Config::default() };
    // Nobody knows a password that gives this.
    let credentials = Some(Credentials { ha1_md5: [7; 16], ha1_sha256: Some([9; 32]) });
    config.phones.insert("100".into(), Phone { credentials, ..Phone::default() });
    config
});

pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    // A line break inside a message is a fold; alone it stands in none and is not written.
    if let Ok(challenge) = DigestChallenge::parse(text)
        && !text.contains(['\r', '\n'])
    {
        answered(&challenge);
    }
    judged(text);
}

fn answered(challenge: &DigestChallenge<'_>) {
    let login = Login { user: "1\"0\\0".into(), password: "secret".into() };
    let Some(value) = answer(challenge, &login, "REGISTER", URI, "cn\"once", 3) else { return };
    let given = DigestCredentials::parse(&value).expect("our own credentials");
    assert_eq!((given.username(), given.uri()), ("1\"0\\0".into(), URI.into()));
    assert_eq!((given.realm(), given.nonce()), (challenge.realm(), challenge.nonce()));
    assert_eq!(given.opaque(), challenge.opaque());
    assert!([32, 64].contains(&given.response().len()));
    if challenge.offers_qop("auth") {
        assert_eq!((given.nonce_count(), given.cnonce()), (Some(3), Some("cn\"once".into())));
    }
}

fn judged(text: &str) {
    let mut judge = Authenticator::new(&mut Rng::new(Seed::from_number(1), Purpose::Nonce), &CONFIG);
    let raw = format!("INVITE {URI} SIP/2.0\r\nAuthorization: {text}\r\n\r\n");
    let Ok(message) = Message::parse(Bytes::from(raw)) else { return };
    let source = ([192, 0, 2, 1], 5060).into();
    match judge.check(Instant::from_millis(5), &CONFIG, &message, source, Challenge::Www) {
        Verdict::Accepted(who) => panic!("{who} was let in by {text:?}"),
        Verdict::Challenge { values, .. } => {
            assert_eq!(values.len(), 2);
            for value in &values {
                assert!(DigestChallenge::parse(value).is_ok_and(|c| c.realm() == CONFIG.realm.as_str()));
            }
        }
        Verdict::Slowed { .. } => panic!("slowed at the first guess"),
        Verdict::Malformed(reason) => {
            assert!(!reason.is_empty() && Challenge::Www.status() == Status::UNAUTHORIZED)
        }
    }
}
