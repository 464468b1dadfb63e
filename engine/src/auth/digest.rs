//! The arithmetic of digest authentication (RFC 7616 §3.4, RFC 8760 §2): pure functions of text.

use std::fmt;

use hmac::digest::{Digest, Output};
use md5::Md5;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::config::Credentials;

/// A digest algorithm that is offered and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Algorithm {
    /// MD5, which every phone knows.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// As written in a challenge (RFC 8760 §2.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Reads the `algorithm` parameter, in any case; absent means MD5 (RFC 7616 §3.4). `None` for one not known here,
    /// among them the `-sess` variants.
    pub fn parse(parameter: Option<&str>) -> Option<Self> {
        let token = parameter.unwrap_or("MD5");
        [Self::Md5, Self::Sha256].into_iter().find(|a| a.as_str().eq_ignore_ascii_case(token))
    }
}

/// A hash value of either algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    octets: [u8; 32],
    len: usize,
}

impl Hash {
    pub(super) const fn md5(value: &[u8; 16]) -> Self {
        let mut octets = [0; 32];
        let mut i = 0;
        while i < 16 {
            octets[i] = value[i];
            i += 1;
        }
        Self { octets, len: 16 }
    }

    pub(super) const fn sha256(value: &[u8; 32]) -> Self {
        Self { octets: *value, len: 32 }
    }

    /// Reads hexadecimal digits of either case. `None` when it is not the hash of any known algorithm.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 && digits.len() != 64 {
            return None;
        }
        let mut octets = [0; 32];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(*pair.first()?).to_digit(16)?;
            let low = char::from(*pair.last()?).to_digit(16)?;
            *octet = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self { octets, len: digits.len() / 2 })
    }

    /// Compares without telling by its duration where the difference is.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.len == other.len && bool::from(self.octets.ct_eq(&other.octets))
    }

    /// Lower-case hexadecimal digits, as many as the second value says.
    fn hex(&self) -> ([u8; 64], usize) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, octet) in text.chunks_exact_mut(2).zip(self.octets) {
            pair[0] = DIGITS[usize::from(octet >> 4)];
            pair[1] = DIGITS[usize::from(octet & 15)];
        }
        (text, 2 * self.len)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, len) = self.hex();
        text.iter().take(len).try_for_each(|&digit| fmt::Write::write_char(f, char::from(digit)))
    }
}

/// The hash of `parts` with a colon between each.
pub(super) fn hash_joined(algorithm: Algorithm, parts: &[&[u8]]) -> Hash {
    #[cfg(test)]
    work::note(parts);
    match algorithm {
        Algorithm::Md5 => Hash::md5(&joined::<Md5>(parts).into()),
        Algorithm::Sha256 => Hash::sha256(&joined::<Sha256>(parts).into()),
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Output<D> {
    let mut hasher = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hasher.finalize()
}

/// What a phone claims to have hashed, without quotes and escapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    /// Nonce count and client nonce as written, when `qop=auth` was given.
    pub(super) auth: Option<(&'a str, &'a str)>,
}

/// The response that the owner of `ha1` would give (RFC 7616 §3.4.1; RFC 2069 §2.1.2 without qop).
pub(super) fn response(algorithm: Algorithm, ha1: &Hash, proof: &Proof<'_>) -> Hash {
    let (secret, len) = ha1.hex();
    let secret = secret.get(..len).unwrap_or_default();
    let ha2 = hash_joined(algorithm, &[proof.method.as_bytes(), proof.uri.as_bytes()]);
    let (request, len) = ha2.hex();
    let request = request.get(..len).unwrap_or_default();
    let nonce = proof.nonce.as_bytes();
    match proof.auth {
        Some((nc, cnonce)) => {
            hash_joined(algorithm, &[secret, nonce, nc.as_bytes(), cnonce.as_bytes(), b"auth", request])
        }
        None => hash_joined(algorithm, &[secret, nonce, request]),
    }
}

impl Credentials {
    /// The secrets of `user` with this password in this realm, in both forms.
    pub fn from_password(user: &str, realm: &str, password: &str) -> Self {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self { ha1_md5: joined::<Md5>(&parts).into(), ha1_sha256: Some(joined::<Sha256>(&parts).into()) }
    }

    /// The secrets from their stored form: 32 hexadecimal digits of MD5(user:realm:password). `None` when it is
    /// something else.
    pub fn from_ha1(hex: &str) -> Option<Self> {
        let hash = Hash::from_hex(hex).filter(|hash| hash.len == 16)?;
        let mut ha1_md5 = [0; 16];
        ha1_md5.copy_from_slice(hash.octets.get(..16)?);
        Some(Self { ha1_md5, ha1_sha256: None })
    }

    /// The form that `algorithm` needs, if it is known.
    pub(super) fn ha1(&self, algorithm: Algorithm) -> Option<Hash> {
        match algorithm {
            Algorithm::Md5 => Some(Hash::md5(&self.ha1_md5)),
            Algorithm::Sha256 => self.ha1_sha256.as_ref().map(Hash::sha256),
        }
    }
}

/// Counts hashing in tests, where it stands for time.
#[cfg(test)]
pub(super) mod work {
    use std::cell::RefCell;

    thread_local! {
        static OCTETS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(parts: &[&[u8]]) {
        OCTETS.with_borrow_mut(|all| all.push(parts.iter().map(|p| p.len() + 1).sum::<usize>() - 1));
    }

    /// How many octets each hash since the last call took in.
    pub(in crate::auth) fn take() -> Vec<usize> {
        OCTETS.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// user, realm, password, method, uri, nonce, nc, cnonce.
    fn answer(
        algorithm: Algorithm,
        [user, realm, password, method, uri, nonce, nc, cnonce]: [&str; 8],
    ) -> String {
        let ha1 = Credentials::from_password(user, realm, password).ha1(algorithm).unwrap();
        let auth = (!nc.is_empty()).then_some((nc, cnonce));
        let (text, len) = response(algorithm, &ha1, &Proof { method, uri, nonce, auth }).hex();
        String::from_utf8(text[..len].to_vec()).unwrap()
    }

    #[test]
    fn published_examples_come_out() {
        let rfc2617 = ["Mufasa", "testrealm@host.com", "Circle Of Life", "GET", "/dir/index.html"];
        let [user, realm, password, method, uri] = rfc2617;
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let row = [user, realm, password, method, uri, nonce, "00000001", "0a4f113b"];
        assert_eq!(answer(Algorithm::Md5, row), "6629fae49393a05397450978507c4ef1");

        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let row =
            ["Mufasa", "http-auth@example.org", "Circle of Life", method, uri, nonce, "00000001", cnonce];
        assert_eq!(answer(Algorithm::Md5, row), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            answer(Algorithm::Sha256, row),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn without_qop_the_older_formula_holds() {
        let uri = "sip:pbx.example.com";
        let nonce = "84f1c1ae6cbe5ua9c8e88dfa3ecm3459";
        let row = ["alice", "pbx.example.com", "s3cret", "REGISTER", uri, nonce, "", ""];
        assert_eq!(answer(Algorithm::Md5, row), "b94a0773dde61fdabc232692ddfd5fa4");
        assert_eq!(
            answer(Algorithm::Sha256, row),
            "6e4d2f8442dd78ba75cf67162344cd3723f2f44da0e145afe0c43586724edf4a"
        );
    }

    #[test]
    fn algorithm_tokens_are_read_in_any_case() {
        assert_eq!(Algorithm::parse(None), Some(Algorithm::Md5));
        assert_eq!(Algorithm::parse(Some("md5")), Some(Algorithm::Md5));
        assert_eq!(Algorithm::parse(Some("Sha-256")), Some(Algorithm::Sha256));
        for other in ["MD5-sess", "SHA-256-sess", "SHA-512-256", "", "MD55"] {
            assert_eq!(Algorithm::parse(Some(other)), None, "{other}");
        }
    }

    #[test]
    fn a_stored_ha1_is_the_password_in_md5() {
        let whole = Credentials::from_password("100", "telex", "secret");
        let (text, len) = Hash::md5(&whole.ha1_md5).hex();
        let hex = std::str::from_utf8(&text[..len]).unwrap();
        let stored = Credentials::from_ha1(&hex.to_uppercase()).unwrap();
        assert_eq!(stored.ha1_md5, whole.ha1_md5);
        assert_eq!(stored.ha1_sha256, None);
        assert!(Credentials::from_ha1(&hex[1..]).is_none());
        assert!(Credentials::from_ha1(&format!("g{}", &hex[1..])).is_none());
        assert!(Credentials::from_ha1(&hex.repeat(2)).is_none());
    }

    #[test]
    fn hashes_are_the_same_only_when_every_octet_is() {
        let hash = hash_joined(Algorithm::Sha256, &[b"a"]);
        for i in 0..32 {
            let mut other = hash;
            other.octets[i] ^= 1;
            assert!(!hash.same(&other), "octet {i}");
        }
        assert!(hash.same(&hash));
        assert!(!Hash::md5(&[0; 16]).same(&Hash::sha256(&[0; 32])), "MD5 is not SHA-256 with zeros");
    }
}
