//! Digest answers as a phone gives them (RFC 7616 §3.4, MD5 with qop=auth or none).

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

/// A challenge that can be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    qop: bool,
    /// The old nonce had only run out: the password was not wrong.
    pub(crate) stale: bool,
    uses: u32,
}

impl Challenge {
    /// Reads a WWW-Authenticate or Proxy-Authenticate value. `None` when it asks for anything but MD5.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let parameters = value.strip_prefix("Digest ")?;
        let mut challenge = Self::default();
        for (name, value) in split(parameters) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = value,
                "nonce" => challenge.nonce = value,
                "opaque" => challenge.opaque = Some(value),
                "qop" => challenge.qop = value.split(',').any(|q| q.trim() == "auth"),
                "stale" => challenge.stale = value.eq_ignore_ascii_case("true"),
                "algorithm" if !value.eq_ignore_ascii_case("MD5") => return None,
                _ => {}
            }
        }
        (!challenge.nonce.is_empty()).then_some(challenge)
    }

    /// The Authorization or Proxy-Authorization value for one request.
    pub(crate) fn answer(
        &mut self,
        user: &str,
        password: &str,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> String {
        self.uses += 1;
        let ha1 = md5(&format!("{user}:{}:{password}", self.realm));
        let ha2 = md5(&format!("{method}:{uri}"));
        let mut text = format!(
            "Digest username=\"{user}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", algorithm=MD5",
            self.realm, self.nonce
        );
        let response = if self.qop {
            let _ = write!(text, ", qop=auth, nc={:08x}, cnonce=\"{cnonce}\"", self.uses);
            md5(&format!("{ha1}:{}:{:08x}:{cnonce}:auth:{ha2}", self.nonce, self.uses))
        } else {
            md5(&format!("{ha1}:{}:{ha2}", self.nonce))
        };
        let _ = write!(text, ", response=\"{response}\"");
        if let Some(opaque) = &self.opaque {
            let _ = write!(text, ", opaque=\"{opaque}\"");
        }
        text
    }
}

/// `name=value` pairs between commas; commas in quotes do not count.
fn split(text: &str) -> Vec<(&str, String)> {
    let mut pairs = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().chain([b',']).enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                if let Some((name, value)) = text[start..at].split_once('=') {
                    pairs.push((name.trim(), value.trim().trim_matches('"').to_owned()));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    pairs
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_is_answered_right() {
        let mut challenge = Challenge::read(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        )
        .unwrap();
        let answer = challenge.answer(
            "Mufasa",
            "Circle of Life",
            "GET",
            "/dir/index.html",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        );
        assert!(answer.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{answer}");
    }

    #[test]
    fn other_algorithms_are_left_alone() {
        assert_eq!(Challenge::read("Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256"), None);
    }
}
