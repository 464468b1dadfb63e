//! The other side of a challenge: answering one (RFC 3261 §22.2 and §22.3, RFC 7616 §3.4, RFC 8760 §2.4).

use std::fmt;
use std::fmt::Write as _;

use smol_str::SmolStr;

use super::Challenge;
use super::digest::{Algorithm, Proof, hash_joined, response};
use crate::limits;
use crate::rng::Rng;
use crate::sip::{DigestChallenge, Message, Quoted, Status, Writer};

/// A user name and its password, as the one who is challenged knows them.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Login {
    /// User name.
    pub user: SmolStr,
    /// Password.
    pub password: SmolStr,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The Authorization or Proxy-Authorization value that answers `challenge` for a request of this method to this
/// Request-URI. `count` is how many requests have used this nonce, this one included.
///
/// Without `qop` in the challenge the answer is that of RFC 2069. `None` when the challenge cannot be answered: another
/// scheme than Digest, an algorithm not known here, no nonce, or a `qop` that does not include `auth`.
pub fn answer(
    challenge: &DigestChallenge<'_>,
    login: &Login,
    method: &str,
    uri: &str,
    cnonce: &str,
    count: u32,
) -> Option<String> {
    let algorithm = algorithm(challenge)?;
    let (realm, nonce) = (challenge.realm(), challenge.nonce());
    let nc = format!("{count:08x}");
    let auth = challenge.offers_qop("auth").then_some((nc.as_str(), cnonce));
    let ha1 = hash_joined(algorithm, &[login.user.as_bytes(), realm.as_bytes(), login.password.as_bytes()]);
    let hash = response(algorithm, &ha1, &Proof { method, uri, nonce: &nonce, auth });
    let (user, realm, nonce, uri) = (Quoted(&login.user), Quoted(&realm), Quoted(&nonce), Quoted(uri));
    let mut value =
        format!("Digest username={user}, realm={realm}, nonce={nonce}, uri={uri}, response=\"{hash}\"");
    let mut written = Ok(());
    if challenge.algorithm().is_some() {
        written = written.and_then(|()| write!(value, ", algorithm={}", algorithm.as_str()));
    }
    if let Some((nc, cnonce)) = auth {
        let cnonce = Quoted(cnonce);
        written = written.and_then(|()| write!(value, ", qop=auth, nc={nc}, cnonce={cnonce}"));
    }
    if let Some(opaque) = challenge.opaque() {
        written = written.and_then(|()| write!(value, ", opaque={}", Quoted(&opaque)));
    }
    debug_assert!(written.is_ok(), "a string takes everything");
    Some(value)
}

/// The algorithm of a challenge that [`answer`] can answer.
fn algorithm(challenge: &DigestChallenge<'_>) -> Option<Algorithm> {
    let auth = challenge.auth();
    let quality = auth.get("qop").is_none() || challenge.offers_qop("auth");
    let answerable = auth.is_digest() && quality && !challenge.nonce().is_empty();
    answerable.then(|| Algorithm::parse(challenge.algorithm().as_deref()))?
}

/// What one request has to say to those who challenge it: a registrar or user agent server, and any number of proxies.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Answers {
    login: Login,
    met: Vec<Met>,
    rounds: usize,
}

/// A challenge that is answered from now on.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Met {
    kind: Challenge,
    realm: String,
    nonce: String,
    /// The header field's value.
    value: String,
    /// Requests that used the nonce.
    count: u32,
}

impl Answers {
    /// For a request that was not challenged yet.
    pub(crate) const fn new(login: Login) -> Self {
        Self { login, met: Vec::new(), rounds: 0 }
    }

    /// Takes the challenges of a 401 or 407: of each realm the first that can be answered, for the challenger prefers
    /// what stands first. False when it is no use to ask again: nothing new can be said, or what was said was wrong. A
    /// realm that was answered counts as new only when it says that the nonce was stale and gives another.
    pub(crate) fn challenged(&mut self, refusal: &Message) -> bool {
        let kind = match refusal.status() {
            Some(Status::UNAUTHORIZED) => Challenge::Www,
            Some(Status::PROXY_AUTHENTICATION_REQUIRED) => Challenge::Proxy,
            _ => return false,
        };
        if self.rounds >= limits::CHALLENGES {
            return false;
        }
        self.rounds += 1;
        let mut fresh: Vec<Met> = Vec::new();
        for value in refusal.headers_named(kind.header()) {
            let Ok(challenge) = DigestChallenge::parse(value) else { continue };
            let (realm, nonce) = (challenge.realm(), challenge.nonce());
            if algorithm(&challenge).is_none() || fresh.iter().any(|met| met.realm == realm) {
                continue;
            }
            let answered = self.met.iter().find(|met| met.kind == kind && met.realm == realm);
            if answered.is_some_and(|met| !challenge.stale() || met.nonce == nonce) {
                return false;
            }
            let (realm, nonce) = (realm.into_owned(), nonce.into_owned());
            fresh.push(Met { kind, realm, nonce, value: value.to_owned(), count: 0 });
        }
        self.met.retain(|old| !fresh.iter().any(|new| new.kind == old.kind && new.realm == old.realm));
        let new = !fresh.is_empty();
        self.met.append(&mut fresh);
        new
    }

    /// Writes the credentials for the next sending of the request. Each sending uses up a nonce count.
    pub(crate) fn write(&mut self, writer: &mut Writer, method: &str, uri: &str, rng: &mut Rng) {
        for met in &mut self.met {
            met.count += 1;
            let cnonce = rng.token::<16>();
            let value = DigestChallenge::parse(&met.value)
                .ok()
                .and_then(|challenge| answer(&challenge, &self.login, method, uri, &cnonce, met.count));
            if let Some(value) = value {
                writer.header(met.kind.answer(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::{Authenticator, Verdict};
    use super::*;
    use crate::config::{Config, Credentials, DigestOffer, Phone};
    use crate::rng::{Purpose, Seed};
    use crate::sip::{DigestCredentials, HeaderName};
    use crate::time::Instant;

    const URI: &str = "sip:*43@telex";

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.into(), password: password.into() }
    }

    fn rng() -> Rng {
        Rng::new(Seed::from_number(1), Purpose::Tag)
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let rest = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                    opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let answered = |algorithm: &str| {
            let text = format!("Digest {rest}, algorithm={algorithm}");
            let challenge = DigestChallenge::parse(&text).unwrap();
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let login = login("Mufasa", "Circle of Life");
            answer(&challenge, &login, "GET", "/dir/index.html", cnonce, 1)
        };
        insta::assert_snapshot!(answered("MD5").unwrap().replace(", ", ",\n"), @r#"
        Digest username="Mufasa",
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        uri="/dir/index.html",
        response="8ca523f5e9506fed4657c9700eebdbec",
        algorithm=MD5,
        qop=auth,
        nc=00000001,
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
        "#);
        let value = answered("SHA-256").unwrap();
        let given = DigestCredentials::parse(&value).unwrap();
        assert_eq!(given.response(), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
        assert_eq!(answered("SHA-512-256"), None);
    }

    #[test]
    fn what_cannot_be_answered_is_not() {
        let answered = |text: &str| {
            let challenge = DigestChallenge::parse(text).unwrap();
            answer(&challenge, &login("a", "b"), "INVITE", URI, "c", 1)
        };
        assert_eq!(answered("Basic realm=\"x\", nonce=\"n\""), None);
        assert_eq!(answered("Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\""), None);
        assert_eq!(answered("Digest realm=\"x\", nonce=\"n\", algorithm=MD5-sess"), None);
        assert_eq!(answered("Digest realm=\"x\", nonce=\"\""), None);
        let old = answered("Digest realm=\"x\", nonce=\"n\"").unwrap();
        assert!(!old.contains("nc=") && !old.contains("algorithm"), "RFC 2069: {old}");
    }

    /// A site with one phone, and a request of that phone as it stands after its challenges.
    struct Site {
        config: Config,
        auth: Authenticator,
        now: Instant,
        answers: Answers,
    }

    impl Site {
        fn new(digest: DigestOffer, password: &str) -> Self {
            let mut config = Config { digest, ..Config::default() };
            let credentials = Some(Credentials::from_password("10\"0", "telex", "secret"));
            config.phones.insert("10\"0".into(), Phone { credentials, ..Phone::default() });
            let auth = Authenticator::new(&mut Rng::new(Seed::from_number(2), Purpose::Nonce), &config);
            let answers = Answers::new(login("10\"0", password));
            Self { config, auth, now: Instant::ZERO, answers }
        }

        fn request(&mut self) -> Message {
            let mut writer = Writer::request("INVITE", URI);
            self.answers.write(&mut writer, "INVITE", URI, &mut rng());
            Message::parse(writer.finish()).unwrap()
        }

        /// Judges a request; a challenge is given to the one who answers.
        fn judge(&mut self, request: &Message) -> Result<(), bool> {
            let source = "192.0.2.1:5060".parse().unwrap();
            match self.auth.check(self.now, &self.config, request, source, Challenge::Proxy) {
                Verdict::Accepted(_) => Ok(()),
                Verdict::Challenge { values, .. } => Err(self.answers.challenged(&refusal(407, &values))),
                Verdict::Malformed(why) => panic!("{why}"),
                Verdict::Slowed { .. } => panic!("slowed"),
            }
        }

        fn ask(&mut self) -> Result<(), bool> {
            let request = self.request();
            self.judge(&request)
        }
    }

    fn refusal(status: u16, challenges: &[String]) -> Message {
        let name = if status == 401 { HeaderName::WwwAuthenticate } else { HeaderName::ProxyAuthenticate };
        let mut writer = Writer::response(Status::new(status).unwrap(), "No");
        for value in challenges {
            writer.header(name, value);
        }
        Message::parse(writer.finish()).unwrap()
    }

    #[test]
    fn our_own_challenges_are_met_by_the_first_algorithm() {
        for (offer, chosen) in [
            (DigestOffer::Md5, "MD5"),
            (DigestOffer::Sha256, "SHA-256"),
            (DigestOffer::Md5Sha256, "MD5"),
            (DigestOffer::Sha256Md5, "SHA-256"),
        ] {
            let mut site = Site::new(offer, "secret");
            assert_eq!(site.ask(), Err(true), "challenged, and worth asking again");
            let request = site.request();
            let value = request.header(HeaderName::ProxyAuthorization).unwrap();
            assert_eq!(DigestCredentials::parse(value).unwrap().algorithm().unwrap(), chosen);
            assert_eq!(site.judge(&request), Ok(()));
            assert_eq!(site.ask(), Ok(()), "the nonce count goes on");
        }
    }

    #[test]
    fn a_wrong_password_is_said_once() {
        let mut site = Site::new(DigestOffer::Md5, "guess");
        assert_eq!(site.ask(), Err(true));
        assert_eq!(site.ask(), Err(false));
    }

    #[test]
    fn a_stale_nonce_is_answered_with_the_new_one() {
        let mut site = Site::new(DigestOffer::Md5, "secret");
        assert_eq!(site.ask(), Err(true));
        site.now += site.config.registrar.nonce_life + Duration::from_secs(1);
        assert_eq!(site.ask(), Err(true), "stale");
        assert_eq!(site.ask(), Ok(()));
        assert_eq!(site.request().headers_named(HeaderName::ProxyAuthorization).count(), 1);
    }

    #[test]
    fn a_proxy_and_a_registrar_are_both_answered() {
        let mut answers = Answers::new(login("a", "b"));
        assert!(answers.challenged(&refusal(407, &["Digest realm=\"p\", nonce=\"1\"".into()])));
        assert!(answers.challenged(&refusal(401, &["Digest realm=\"p\", nonce=\"2\"".into()])));
        let mut writer = Writer::request("INVITE", URI);
        answers.write(&mut writer, "INVITE", URI, &mut rng());
        let request = Message::parse(writer.finish()).unwrap();
        let given =
            |name| DigestCredentials::parse(request.header(name).unwrap()).unwrap().nonce().into_owned();
        assert_eq!(given(HeaderName::ProxyAuthorization), "1");
        assert_eq!(given(HeaderName::Authorization), "2");
    }

    #[test]
    fn nobody_is_answered_for_ever() {
        let mut answers = Answers::new(login("a", "b"));
        let challenge = |n: i32| format!("Digest realm=\"x\", nonce=\"{n}\", stale=true");
        let asked = (0..100).filter(|&n| answers.challenged(&refusal(401, &[challenge(n)]))).count();
        assert_eq!(asked, limits::CHALLENGES);
        let other = Message::parse(Bytes::from_static(b"SIP/2.0 403 No\r\n\r\n")).unwrap();
        assert!(!Answers::new(login("a", "b")).challenged(&other));
    }

    #[test]
    fn a_login_does_not_show_its_password() {
        assert!(!format!("{:?}", login("a", "hunter2")).contains("hunter2"));
    }
}
