//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! Everybody gets the same challenge, and a wrong password is told from an unknown user neither by the answer nor by
//! the work it takes. Decisions that the specifications leave open:
//!
//! - *Algorithms* are one choice for the whole site ([`DigestOffer`]). While any phone has only the MD5 form of its
//!   secret, nobody is offered SHA-256 beside MD5, because that phone would be sent into a challenge it cannot meet.
//! - *`qop=auth`* is always offered. A phone that answers without `qop` (RFC 2069) is accepted, since phones of that
//!   age are still in use, but each nonce is then good for one request only.
//! - *Nonce counts* are accepted once each, in any order within a window, because datagrams overtake each other. Used
//!   again, even with the same response, they are stale: retransmissions never get here.
//! - *The digest URI* has to name the same user as the Request-URI where both name one. Its host is not compared:
//!   phones behind an outbound proxy and SIPp write the server's address where the request has the domain.
//! - *Stale* is said only to who knows the password (RFC 7616 §3.3), so that a phone goes on by itself after a restart
//!   of the exchange and a guesser learns nothing from old nonces.
//! - *Guessing* is slowed per source and per name (`guard.rs`) by not looking at credentials. Such a request gets 503
//!   with Retry-After: phones come again by themselves, while after 401 or 403 many ask their owner for a password.

mod answer;
mod digest;
mod guard;
mod nonce;
mod proof;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use smol_str::SmolStr;

pub(crate) use answer::Answers;
pub use answer::{Login, answer};
pub use digest::Algorithm;
use digest::{Hash, Proof, response};
use guard::Guard;
use nonce::{NonceId, Nonces, Used};
pub use proof::right_response;

use crate::config::{Config, Credentials, DigestOffer};
use crate::planted::{Fault, Planted};
use crate::rng::Rng;
use crate::sip::{DigestCredentials, HeaderName, Message, Quoted, Status, Uri};
use crate::time::Instant;

/// In which role the exchange asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Challenge {
    /// As registrar or user agent server: 401 (RFC 3261 §22.2).
    Www,
    /// As the way to somewhere else: 407 (RFC 3261 §22.3).
    Proxy,
}

impl Challenge {
    /// The status that carries the challenge.
    pub const fn status(self) -> Status {
        match self {
            Self::Www => Status::UNAUTHORIZED,
            Self::Proxy => Status::PROXY_AUTHENTICATION_REQUIRED,
        }
    }

    /// The header field of the challenge.
    pub const fn header(self) -> HeaderName {
        match self {
            Self::Www => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header field of the answer to it.
    pub const fn answer(self) -> HeaderName {
        match self {
            Self::Www => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// What is to become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from this extension. Whether that may do what it asks for is another question.
    Accepted(SmolStr),
    /// Answer with [`Challenge::status`].
    Challenge {
        /// Values of [`Challenge::header`], one header field each, in this order.
        values: Vec<String>,
        /// Whether the credentials were right and only their nonce was not.
        stale: bool,
        /// The user name of wrong credentials. As the peer wrote it, whether there is such a user or not.
        failed: Option<SmolStr>,
    },
    /// Answer 503: there were too many wrong credentials, and these were not looked at.
    Slowed {
        /// The user name given, whether there is such a user or not.
        user: SmolStr,
        /// Whether people should be told.
        tell: bool,
    },
    /// Answer 400 with this reason.
    Malformed(&'static str),
}

/// Checks credentials. It remembers used nonces of extensions that have proved themselves, and who guessed lately.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Authenticator {
    nonces: Nonces,
    /// Stands for the secret of users that do not exist.
    nobody: Credentials,
    offered: Vec<Algorithm>,
    used: BTreeMap<SmolStr, Used>,
    /// The latest nonce that an extension may have used which was taken out: when it comes back, its old requests must
    /// not be good again.
    forgotten: NonceId,
    guard: Guard,
    pub(crate) planted: Planted,
}

impl Authenticator {
    /// `rng` is the stream for [`crate::rng::Purpose::Nonce`].
    pub fn new(rng: &mut Rng, config: &Config) -> Self {
        let nobody = nobody(rng);
        let (nonces, guard) = (Nonces::new(rng), Guard::new(rng));
        let planted = Planted::default();
        let (offered, used, forgotten) = (offered(config).to_vec(), BTreeMap::new(), NonceId::default());
        Self { nonces, nobody, offered, used, forgotten, guard, planted }
    }

    /// Draws new secrets: every nonce given out before is stale from now on.
    pub fn rekey(&mut self, rng: &mut Rng) {
        self.nobody = nobody(rng);
        self.nonces = Nonces::new(rng);
        self.guard.rekey(rng);
    }

    /// Follows a change of the configuration.
    pub fn reconfigure(&mut self, config: &Config) {
        self.offered = offered(config).to_vec();
        for (_, used) in self.used.extract_if(.., |extension, _| !config.phones.contains_key(extension)) {
            self.forgotten = self.forgotten.max(used.latest());
        }
        self.guard.retain(|extension| config.phones.contains_key(extension));
    }

    /// An extension is known to have proved itself from this source, in an earlier run.
    pub fn know(&mut self, extension: &SmolStr, source: SocketAddr) {
        self.guard.proved(extension, source);
    }

    /// Entries of the fullest table of guessers: at most [`crate::limits::GUESSERS`].
    pub fn guessers(&self) -> usize {
        self.guard.len()
    }

    /// How many credentials were not looked at, because there had been too many wrong ones.
    pub const fn slowed(&self) -> u64 {
        self.guard.count()
    }

    /// Judges the credentials of a request for this realm, if it brings any.
    pub fn check(
        &mut self,
        now: Instant,
        config: &Config,
        request: &Message,
        source: SocketAddr,
        kind: Challenge,
    ) -> Verdict {
        let Some(given) = credentials(request, kind, &config.realm) else {
            return self.challenge(now, config, false, None);
        };
        let claim = match Claim::read(given, request) {
            Ok(claim) => claim,
            Err(reason) => return Verdict::Malformed(reason),
        };
        if !claim.names_target(request.request_uri()) {
            return Verdict::Malformed("Digest uri is not the Request-URI");
        }
        let Some(algorithm) = claim.algorithm.filter(|algorithm| self.offered.contains(algorithm)) else {
            return self.challenge(now, config, false, None);
        };
        if !self.guard.wait(now, &claim.username, source).is_zero() {
            let tell = self.guard.slowed(now);
            return Verdict::Slowed { user: SmolStr::new(&claim.username), tell };
        }
        let Some(extension) = self.proven(config, algorithm, &claim) else {
            self.guard.failed(now, &claim.username, source);
            return self.challenge(now, config, false, Some(SmolStr::new(&claim.username)));
        };
        let life = config.registrar.nonce_life;
        let fresh =
            self.nonces.recognise(&claim.nonce).filter(|nonce| nonce.is_fresh(now, life)).is_some_and(
                |nonce| {
                    let count = claim.auth.as_ref().map(|auth| auth.count);
                    let used = self.used.entry(extension.clone());
                    used.or_insert_with(|| Used::above(self.forgotten)).take(nonce, count, now, life)
                },
            );
        if !fresh && !self.planted.is(Fault::ReplayAccepted) {
            return self.challenge(now, config, true, None);
        }
        self.guard.proved(&extension, source);
        Verdict::Accepted(extension)
    }

    /// The extension that the claim proves to come from. It takes the same work whether there is such a user or not.
    fn proven(&self, config: &Config, algorithm: Algorithm, claim: &Claim<'_>) -> Option<SmolStr> {
        let known = config
            .phones
            .get_key_value(claim.username.as_ref())
            .and_then(|(extension, phone)| Some((extension, phone.credentials.as_ref()?.ha1(algorithm)?)));
        let nobody = self.nobody.ha1(algorithm).unwrap_or(Hash::md5(&[0; 16]));
        let ha1 = known.as_ref().map_or(&nobody, |(_, ha1)| ha1);
        let right = response(algorithm, ha1, &claim.proof()).same(&claim.response)
            || self.planted.is(Fault::AnyPasswordAccepted);
        known.filter(|_| right).map(|(extension, _)| extension.clone())
    }

    fn challenge(&mut self, now: Instant, config: &Config, stale: bool, failed: Option<SmolStr>) -> Verdict {
        let nonce = self.nonces.issue(now);
        let realm = Quoted(&config.realm);
        let stale_param = if stale { ", stale=true" } else { "" };
        let values = self.offered.iter().map(|algorithm| {
            let algorithm = algorithm.as_str();
            format!(
                "Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale_param}"
            )
        });
        Verdict::Challenge { values: values.collect(), stale, failed }
    }
}

/// The secrets of a user that does not exist.
fn nobody(rng: &mut Rng) -> Credentials {
    let mut ha1_md5 = [0; 16];
    let mut ha1_sha256 = [0; 32];
    rng.fill(&mut ha1_md5);
    rng.fill(&mut ha1_sha256);
    Credentials { ha1_md5, ha1_sha256: Some(ha1_sha256) }
}

/// Whether someone who proved to be `extension` may act for the user part of this address-of-record: only its own.
pub fn speaks_for(extension: &str, aor: &str) -> bool {
    extension == aor
}

/// What everybody is offered under this configuration.
fn offered(config: &Config) -> &'static [Algorithm] {
    let md5_only = || {
        let mut credentials = config.phones.values().filter_map(|phone| phone.credentials.as_ref());
        credentials.any(|credentials| credentials.ha1_sha256.is_none())
    };
    match config.digest {
        DigestOffer::Sha256 => &[Algorithm::Sha256],
        DigestOffer::Md5Sha256 if !md5_only() => &[Algorithm::Md5, Algorithm::Sha256],
        DigestOffer::Sha256Md5 if !md5_only() => &[Algorithm::Sha256, Algorithm::Md5],
        DigestOffer::Md5 | DigestOffer::Md5Sha256 | DigestOffer::Sha256Md5 => &[Algorithm::Md5],
    }
}

/// The first Digest credentials for this realm. Others are for someone else (RFC 3261 §22.3).
fn credentials<'a>(request: &'a Message, kind: Challenge, realm: &str) -> Option<Given<'a>> {
    let all = request.headers_named(kind.answer()).filter_map(|value| DigestCredentials::parse(value).ok());
    let mut digest = all.filter(|credentials| credentials.auth().is_digest()).map(|c| Given::read(&c));
    digest.find(|given| given.realm.as_deref() == Some(realm))
}

/// Parameters of credentials, as far as they matter here.
#[derive(Default)]
struct Given<'a> {
    username: Option<Cow<'a, str>>,
    realm: Option<Cow<'a, str>>,
    nonce: Option<Cow<'a, str>>,
    uri: Option<Cow<'a, str>>,
    response: Option<Cow<'a, str>>,
    algorithm: Option<Cow<'a, str>>,
    qop: Option<Cow<'a, str>>,
    nc: Option<Cow<'a, str>>,
    cnonce: Option<Cow<'a, str>>,
}

impl<'a> Given<'a> {
    /// Of parameters that stand twice the first counts.
    fn read(credentials: &DigestCredentials<'a>) -> Self {
        let mut given = Self::default();
        for param in credentials.auth().params() {
            let Some(place) = given.place(param.name) else { continue };
            if place.is_none() {
                *place = param.unquoted();
            }
        }
        given
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        let places = [
            ("username", &mut self.username),
            ("realm", &mut self.realm),
            ("nonce", &mut self.nonce),
            ("uri", &mut self.uri),
            ("response", &mut self.response),
            ("algorithm", &mut self.algorithm),
            ("qop", &mut self.qop),
            ("nc", &mut self.nc),
            ("cnonce", &mut self.cnonce),
        ];
        places.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, place)| place)
    }
}

/// What credentials say.
struct Claim<'a> {
    username: Cow<'a, str>,
    nonce: Cow<'a, str>,
    uri: Cow<'a, str>,
    response: Hash,
    /// `None` for an algorithm that is not known.
    algorithm: Option<Algorithm>,
    auth: Option<Auth<'a>>,
    method: &'a str,
}

/// The part that `qop=auth` adds.
struct Auth<'a> {
    count: u32,
    /// The count as written.
    nc: Cow<'a, str>,
    cnonce: Cow<'a, str>,
}

impl<'a> Claim<'a> {
    fn read(given: Given<'a>, request: &'a Message) -> Result<Self, &'static str> {
        let response = given.response.ok_or("Digest response missing")?;
        let auth = match given.qop {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(Auth::read(given.nc, given.cnonce)?),
            Some(_) => return Err("Digest qop was not offered"),
        };
        Ok(Self {
            username: given.username.ok_or("Digest username missing")?,
            nonce: given.nonce.ok_or("Digest nonce missing")?,
            uri: given.uri.ok_or("Digest uri missing")?,
            // A response that is no hash is wrong like any other, and takes the same work.
            response: Hash::from_hex(&response).unwrap_or(Hash::md5(&[0; 16])),
            algorithm: Algorithm::parse(given.algorithm.as_deref()),
            auth,
            method: request.method_name(),
        })
    }

    fn proof(&self) -> Proof<'_> {
        let auth = self.auth.as_ref().map(|auth| (auth.nc.as_ref(), auth.cnonce.as_ref()));
        Proof { method: self.method, uri: &self.uri, nonce: &self.nonce, auth }
    }

    /// Whether the digest URI and the Request-URI name the same user, as far as both name one.
    fn names_target(&self, request_uri: &str) -> bool {
        let (Ok(theirs), Ok(target)) = (Uri::parse(&self.uri), Uri::parse(request_uri)) else { return false };
        let (theirs, target) = (theirs.user_unescaped(), target.user_unescaped());
        theirs.is_empty() || target.is_empty() || theirs == target
    }
}

impl<'a> Auth<'a> {
    fn read(nc: Option<Cow<'a, str>>, cnonce: Option<Cow<'a, str>>) -> Result<Self, &'static str> {
        let nc = nc.ok_or("Digest nc missing")?;
        let cnonce = cnonce.ok_or("Digest cnonce missing")?;
        let hexadecimal = (1..=8).contains(&nc.len()) && nc.bytes().all(|c| c.is_ascii_hexdigit());
        let count =
            u32::from_str_radix(&nc, 16).ok().filter(|_| hexadecimal).ok_or("Digest nc is not a number")?;
        Ok(Self { count, nc, cnonce })
    }
}

#[cfg(test)]
mod tests;
