use super::digest::work;
use super::*;
use crate::config::Phone;
use crate::limits;
use crate::rng::{Purpose, Seed};
use crate::time::Duration;
use bytes::Bytes;
use md5::Digest as _;

/// A phone's side of the digest, by its own formulas.
struct Client {
    user: &'static str,
    password: &'static str,
    /// Parameters after the usual ones; `@` stands for the response's other inputs being left out.
    algorithm: &'static str,
    qop: bool,
    nc: u32,
}

fn hex(algorithm: &str, text: &str) -> String {
    let octets = match algorithm {
        "MD5" => md5::Md5::digest(text).to_vec(),
        _ => sha2::Sha256::digest(text).to_vec(),
    };
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Client {
    fn new(user: &'static str, password: &'static str) -> Self {
        Self { user, password, algorithm: "MD5", qop: true, nc: 1 }
    }

    /// The value of Authorization for a request.
    fn answer(&self, method: &str, uri: &str, nonce: &str) -> String {
        let Self { user, password, algorithm, qop, nc } = *self;
        let a1 = hex(algorithm, &format!("{user}:telex:{password}"));
        let a2 = hex(algorithm, &format!("{method}:{uri}"));
        let (middle, params) = if qop {
            (format!(":{nc:08x}:c0ffee:auth"), format!(", qop=auth, nc={nc:08x}, cnonce=\"c0ffee\""))
        } else {
            (String::new(), String::new())
        };
        let response = hex(algorithm, &format!("{a1}:{nonce}{middle}:{a2}"));
        format!(
            "Digest username=\"{user}\", realm=\"telex\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}{params}"
        )
    }
}

struct Site {
    config: Config,
    authenticator: Authenticator,
    now: Instant,
    source: SocketAddr,
}

impl Site {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        for user in ["100", "101"] {
            let credentials = Some(Credentials::from_password(user, "telex", "secret"));
            config.phones.insert(user.into(), Phone { credentials, ..Phone::default() });
        }
        change(&mut config);
        let mut rng = Rng::new(Seed::from_number(1), Purpose::Nonce);
        let authenticator = Authenticator::new(&mut rng, &config);
        let source = "192.0.2.1:5060".parse().unwrap();
        Self { config, authenticator, now: Instant::from_millis(5000), source }
    }

    fn check(&mut self, method: &str, uri: &str, authorization: Option<&str>) -> Verdict {
        let authorization =
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:100@telex>;tag=1\r\n\
             To: <sip:100@telex>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{authorization}Content-Length: 0\r\n\r\n"
        );
        let request = Message::parse(Bytes::from(text)).unwrap();
        self.authenticator.check(self.now, &self.config, &request, self.source, Challenge::Www)
    }

    fn register(&mut self, authorization: Option<&str>) -> Verdict {
        self.check("REGISTER", "sip:telex", authorization)
    }

    /// A fresh nonce, from a challenge.
    fn nonce(&mut self) -> String {
        nonce_in(&self.register(None))
    }

    fn values(&mut self) -> Vec<String> {
        match self.register(None) {
            Verdict::Challenge { values, .. } => values,
            other => panic!("{other:?}"),
        }
    }
}

fn nonce_in(verdict: &Verdict) -> String {
    let Verdict::Challenge { values, .. } = verdict else { panic!("no challenge: {verdict:?}") };
    let (_, rest) = values[0].split_once("nonce=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn is_stale(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Challenge { values, stale, failed } => {
            assert_eq!(*failed, None);
            assert!(values.iter().all(|value| value.contains("stale=true") == *stale));
            *stale
        }
        _ => false,
    }
}

fn accepted(extension: &str) -> Verdict {
    Verdict::Accepted(extension.into())
}

#[test]
fn a_request_without_credentials_is_challenged() {
    let mut site = Site::new();
    let values = site.values();
    let nonce = nonce_in(&Verdict::Challenge { values: values.clone(), stale: false, failed: None });
    assert_eq!(values, [format!("Digest realm=\"telex\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"")]);
    assert_ne!(site.nonce(), nonce, "each challenge has a nonce of its own");
}

#[test]
fn right_credentials_are_accepted_with_either_algorithm() {
    let mut site = Site::with(|config| config.digest = DigestOffer::Sha256Md5);
    let values = site.values();
    assert!(values[0].contains("algorithm=SHA-256") && values[1].contains("algorithm=MD5"), "{values:?}");
    for algorithm in ["SHA-256", "MD5"] {
        let nonce = site.nonce();
        let client = Client { algorithm, ..Client::new("100", "secret") };
        let answer = client.answer("REGISTER", "sip:telex", &nonce);
        assert_eq!(site.register(Some(&answer)), accepted("100"));
    }
}

#[test]
fn a_phone_known_by_ha1_alone_is_accepted_and_keeps_everybody_at_md5() {
    let mut site = Site::with(|config| {
        config.digest = DigestOffer::Sha256Md5;
        let ha1 = hex("MD5", "101:telex:secret");
        config.phones.get_mut("101").unwrap().credentials = Credentials::from_ha1(&ha1);
    });
    let values = site.values();
    assert_eq!(values.len(), 1);
    assert!(values[0].contains("algorithm=MD5"));
    let nonce = site.nonce();
    let answer = Client::new("101", "secret").answer("REGISTER", "sip:telex", &nonce);
    assert_eq!(site.register(Some(&answer)), accepted("101"));

    let nonce = site.nonce();
    let client = Client { algorithm: "SHA-256", ..Client::new("100", "secret") };
    let verdict = site.register(Some(&client.answer("REGISTER", "sip:telex", &nonce)));
    assert!(
        matches!(verdict, Verdict::Challenge { stale: false, failed: None, .. }),
        "not offered: {verdict:?}"
    );
}

#[test]
fn sha256_alone_stays_alone() {
    let mut site = Site::with(|config| {
        config.digest = DigestOffer::Sha256;
        config.phones.get_mut("101").unwrap().credentials = Credentials::from_ha1(&"0".repeat(32));
    });
    assert_eq!(site.values().len(), 1);
    let nonce = site.nonce();
    let client = Client { algorithm: "SHA-256", ..Client::new("101", "secret") };
    let verdict = site.register(Some(&client.answer("REGISTER", "sip:telex", &nonce)));
    assert!(matches!(verdict, Verdict::Challenge { failed: Some(_), .. }), "{verdict:?}");
}

#[test]
fn a_new_configuration_is_followed() {
    let mut site = Site::new();
    site.config.digest = DigestOffer::Md5Sha256;
    let config = site.config.clone();
    site.authenticator.reconfigure(&config);
    assert_eq!(site.values().len(), 2);
    let nonce = site.nonce();
    let answer = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
    assert_eq!(site.register(Some(&answer)), accepted("100"));
    assert_eq!(site.authenticator.used.len(), 1);
    site.authenticator.reconfigure(&Config::default());
    assert_eq!(site.authenticator.used.len(), 0, "what is gone is forgotten");
}

/// Whoever overheard a request may keep it until its extension is there again.
#[test]
fn what_an_extension_has_used_stays_used_when_it_is_taken_out_and_put_back() {
    let mut site = Site::new();
    let config = site.config.clone();
    let nonce = site.nonce();
    let old = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
    assert_eq!(site.register(Some(&old)), accepted("100"));
    for around in [&Config::default(), &config] {
        site.authenticator.reconfigure(around);
    }
    let verdict = site.register(Some(&old));
    assert!(is_stale(&verdict), "{verdict:?}");
    let new = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce_in(&verdict));
    assert_eq!(site.register(Some(&new)), accepted("100"), "the phone goes on by itself");
}

/// Time is stood for by what is hashed: the only work that depends on a secret.
#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_answer_for_the_same_work() {
    let mut answers = Vec::new();
    for (user, password) in [("100", "wrong!"), ("999", "secret"), ("100", "secret")] {
        for (algorithm, qop) in [("MD5", true), ("MD5", false), ("SHA-256", true)] {
            let mut site = Site::with(|config| config.digest = DigestOffer::Md5Sha256);
            let nonce = site.nonce();
            let client = Client { algorithm, qop, ..Client::new(user, password) };
            let answer = client.answer("REGISTER", "sip:telex", &nonce);
            work::take();
            let verdict = site.register(Some(&answer));
            let hashed = work::take();
            assert_eq!(hashed.len(), 2, "HA2 and the response");
            let told = match verdict {
                Verdict::Challenge { values, stale: false, failed: Some(name) } => {
                    assert_eq!(name, user);
                    Some(values)
                }
                Verdict::Accepted(_) => None,
                other => panic!("{other:?}"),
            };
            answers.push((hashed, told));
        }
    }
    let (wrong, rest) = answers.split_at(3);
    let (unknown, right) = rest.split_at(3);
    assert_eq!(wrong, unknown);
    assert!(right.iter().all(|(_, told)| told.is_none()));
    assert_eq!(wrong[0].0, right[0].0, "success hashes no more and no less");
}

#[test]
fn a_fixed_contact_without_a_secret_cannot_be_impersonated() {
    let mut site = Site::with(|config| {
        config.phones.insert("door".into(), Phone::default());
    });
    let nonce = site.nonce();
    let answer = Client::new("door", "").answer("REGISTER", "sip:telex", &nonce);
    assert!(matches!(site.register(Some(&answer)), Verdict::Challenge { failed: Some(_), .. }));
}

#[test]
fn a_nonce_count_is_accepted_once() {
    let mut site = Site::new();
    let nonce = site.nonce();
    let client = |nc| Client { nc, ..Client::new("100", "secret") }.answer("REGISTER", "sip:telex", &nonce);
    for nc in [1, 3, 2] {
        assert_eq!(site.register(Some(&client(nc))), accepted("100"), "{nc}");
    }
    let replay = site.register(Some(&client(2)));
    assert!(is_stale(&replay));
    let fresh = nonce_in(&replay);
    let answer = Client::new("100", "secret").answer("REGISTER", "sip:telex", &fresh);
    assert_eq!(site.register(Some(&answer)), accepted("100"), "the phone goes on with the new nonce");
}

#[test]
fn without_qop_a_nonce_is_accepted_once() {
    let mut site = Site::new();
    let nonce = site.nonce();
    let answer =
        Client { qop: false, ..Client::new("100", "secret") }.answer("REGISTER", "sip:telex", &nonce);
    assert_eq!(site.register(Some(&answer)), accepted("100"));
    assert!(is_stale(&site.register(Some(&answer))));
}

#[test]
fn old_and_foreign_nonces_are_stale_for_who_knows_the_password() {
    let mut site = Site::new();
    let nonce = site.nonce();
    site.now += site.config.registrar.nonce_life;
    for nonce in [nonce.as_str(), "0123456789abcdef", ""] {
        let answer = Client::new("100", "secret").answer("REGISTER", "sip:telex", nonce);
        assert!(is_stale(&site.register(Some(&answer))), "{nonce}");
        let answer = Client::new("100", "guess").answer("REGISTER", "sip:telex", nonce);
        assert!(matches!(site.register(Some(&answer)), Verdict::Challenge { stale: false, .. }), "{nonce}");
    }
    assert_eq!(site.nonce().len(), nonce.len());
}

#[test]
fn only_success_is_remembered() {
    let mut site = Site::new();
    for user in ["100", "101", "102", "103"] {
        let nonce = site.nonce();
        let answer = Client::new(user, "guess").answer("REGISTER", "sip:telex", &nonce);
        site.register(Some(&answer));
    }
    assert!(site.authenticator.used.is_empty());
}

#[test]
fn a_response_is_bound_to_its_method_and_uri() {
    let mut site = Site::new();
    let nonce = site.nonce();
    let answer = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
    assert!(matches!(
        site.check("INVITE", "sip:telex", Some(&answer)),
        Verdict::Challenge { failed: Some(_), .. }
    ));
    let answer = Client::new("100", "secret").answer("INVITE", "sip:101@telex", &nonce);
    let verdict = site.check("INVITE", "sip:00900123@telex", Some(&answer));
    assert_eq!(verdict, Verdict::Malformed("Digest uri is not the Request-URI"));
    let answer = Client::new("100", "secret").answer("INVITE", "sip:192.0.2.9:5060", &nonce);
    assert_eq!(
        site.check("INVITE", "sip:101@telex", Some(&answer)),
        accepted("100"),
        "the server's address will do"
    );
    let answer = Client { nc: 2, ..Client::new("100", "secret") }.answer("INVITE", "sip:%2A43@telex", &nonce);
    assert_eq!(
        site.check("INVITE", "sip:*43@telex:5060", Some(&answer)),
        accepted("100"),
        "escapes are nothing"
    );
}

#[test]
fn credentials_for_others_are_passed_over() {
    let mut site = Site::new();
    let nonce = site.nonce();
    let right = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
    let foreign = right.replace("realm=\"telex\"", "realm=\"elsewhere\"");
    assert!(matches!(site.register(Some(&foreign)), Verdict::Challenge { failed: None, stale: false, .. }));
    assert!(matches!(site.register(Some("Basic dGVsZXg=")), Verdict::Challenge { failed: None, .. }));
    let both = format!("{foreign}\r\nAuthorization: {right}");
    assert_eq!(site.register(Some(&both)), accepted("100"));
    let proxy = format!("{foreign}\r\nProxy-Authorization: {right}");
    assert!(matches!(site.register(Some(&proxy)), Verdict::Challenge { .. }), "that one answers a 407");
}

#[test]
fn incomplete_credentials_are_a_bad_request() {
    let mut site = Site::new();
    let nonce = site.nonce();
    let right = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
    for (part, without, reason) in [
        ("username=\"100\", ", "", "Digest username missing"),
        (&format!("nonce=\"{nonce}\", "), "", "Digest nonce missing"),
        ("uri=\"sip:telex\", ", "", "Digest uri missing"),
        ("response=", "resp=", "Digest response missing"),
        (", nc=00000001", "", "Digest nc missing"),
        ("nc=00000001", "nc=+0000001", "Digest nc is not a number"),
        ("nc=00000001", "nc=000000001", "Digest nc is not a number"),
        (", cnonce=\"c0ffee\"", "", "Digest cnonce missing"),
        ("qop=auth", "qop=auth-int", "Digest qop was not offered"),
    ] {
        let answer = right.replace(part, without);
        assert_ne!(answer, right);
        assert_eq!(site.register(Some(&answer)), Verdict::Malformed(reason));
    }
}

#[test]
fn spelling_does_not_matter_where_the_grammar_says_so() {
    let mut site = Site::new();
    for (from, to) in [
        ("Digest ", "DIGEST "),
        ("algorithm=MD5", "Algorithm=\"md5\""),
        ("qop=auth", "QOP=\"auth\""),
        (", algorithm=MD5", ""),
        ("username=\"100\"", "username=\"\\1\\00\""),
        (", ", ",\r\n "),
    ] {
        let nonce = site.nonce();
        let right = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
        let answer = right.replace(from, to);
        assert_ne!(answer, right);
        assert_eq!(site.register(Some(&answer)), accepted("100"), "{from:?} as {to:?}");
    }
    let nonce = site.nonce();
    let right = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
    let (start, response) = right.split_once("response=\"").unwrap();
    let (response, end) = response.split_once('"').unwrap();
    let shouted = format!("{start}response=\"{}\"{end}", response.to_uppercase());
    assert_eq!(site.register(Some(&shouted)), accepted("100"));
}

#[test]
fn a_proxy_challenge_has_its_own_fields() {
    assert_eq!(Challenge::Www.status().code(), 401);
    assert_eq!(Challenge::Proxy.status().code(), 407);
    assert_eq!(Challenge::Www.header().as_str(), "WWW-Authenticate");
    assert_eq!(Challenge::Proxy.header().as_str(), "Proxy-Authenticate");
    assert_eq!(Challenge::Proxy.answer().as_str(), "Proxy-Authorization");
}

#[test]
fn the_realm_is_quoted() {
    let mut site = Site::with(|config| config.realm = "the \"office\" \\ lab".into());
    assert!(site.values()[0].starts_with("Digest realm=\"the \\\"office\\\" \\\\ lab\", "));
}

#[test]
fn one_may_act_only_for_oneself() {
    assert!(speaks_for("100", "100"));
    assert!(!speaks_for("100", "101"));
    assert!(!speaks_for("door", "Door"), "user parts are compared exactly (RFC 3261 §19.1.4)");
}

#[test]
fn nonces_live_as_long_as_the_configuration_says() {
    let mut site = Site::with(|config| config.registrar.nonce_life = Duration::from_secs(10));
    let nonce = site.nonce();
    let client = |nc| Client { nc, ..Client::new("100", "secret") }.answer("REGISTER", "sip:telex", &nonce);
    site.now += Duration::from_millis(9_999);
    assert_eq!(site.register(Some(&client(1))), accepted("100"));
    site.now += Duration::from_millis(1);
    assert!(is_stale(&site.register(Some(&client(2)))));
}

#[test]
fn guesses_are_slowed_alike_whether_the_name_exists_or_not() {
    let mut verdicts = Vec::new();
    for user in ["100", "999"] {
        let mut site = Site::new();
        for n in 0..limits::GUESSES_OF_PAIR.burst {
            let nonce = site.nonce();
            let guess = Client::new(user, "guess").answer("REGISTER", "sip:telex", &nonce);
            assert!(matches!(site.register(Some(&guess)), Verdict::Challenge { .. }), "{n}");
        }
        let nonce = site.nonce();
        let right = Client::new(user, "secret").answer("REGISTER", "sip:telex", &nonce);
        work::take();
        let Verdict::Slowed { user: name, tell } = site.register(Some(&right)) else {
            panic!("looked at after too many wrong ones")
        };
        assert_eq!(work::take().len(), 0, "nothing is computed");
        assert_eq!((name.as_str(), tell), (user, true));
        assert!(matches!(site.register(None), Verdict::Challenge { .. }), "a challenge is always to be had");
        site.now += Duration::from_secs(limits::GUESS_RETRY_AFTER.into());
        let nonce = site.nonce();
        let again = Client::new(user, "secret").answer("REGISTER", "sip:telex", &nonce);
        verdicts.push(site.register(Some(&again)));
    }
    assert_eq!(verdicts[0], accepted("100"));
    assert!(matches!(verdicts[1], Verdict::Challenge { .. }));
}

#[test]
fn an_owner_gets_in_from_where_it_was_before_and_from_elsewhere() {
    let mut site = Site::new();
    let (home, elsewhere) = (site.source, "192.0.2.77:5060".parse().unwrap());
    let owner_from = |site: &mut Site, source| {
        site.source = source;
        let nonce = site.nonce();
        let right = Client::new("100", "secret").answer("REGISTER", "sip:telex", &nonce);
        site.register(Some(&right))
    };
    assert_eq!(owner_from(&mut site, home), accepted("100"));
    site.source = "198.51.100.1:5060".parse().unwrap();
    for _ in 0..1000 {
        let nonce = site.nonce();
        let guess = Client::new("100", "guess").answer("REGISTER", "sip:telex", &nonce);
        site.register(Some(&guess));
    }
    assert_eq!(site.authenticator.slowed(), 1000 - u64::from(limits::GUESSES_OF_PAIR.burst));
    assert_eq!(owner_from(&mut site, home), accepted("100"));
    assert_eq!(owner_from(&mut site, elsewhere), accepted("100"));
}
