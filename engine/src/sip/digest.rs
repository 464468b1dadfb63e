//! Challenges and credentials (RFC 3261 §22, RFC 7616, RFC 8760). Syntax only: nothing is computed here.

use std::borrow::Cow;

use super::error::{ParseError, Why};
use super::params::{self, Param};
use super::scan::{self, Cursor};

/// A scheme and its comma-separated parameters: what challenges and credentials have in common.
#[derive(Clone, Copy, Debug)]
pub struct Auth<'a> {
    /// `Digest`, or another.
    pub scheme: &'a str,
    params: &'a str,
}

impl<'a> Auth<'a> {
    fn parse(part: &'static str, text: &'a str) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        c.skip_lws();
        let scheme = c.take(scan::TOKEN);
        if scheme.is_empty() {
            return Err(ParseError::new(part, Why::Empty, c.at()));
        }
        c.skip_lws();
        let params = c.rest();
        loop {
            let p = params::param(&mut c).map_err(|why| ParseError::new(part, why, c.at()))?;
            if p.value.is_none() {
                return Err(ParseError::new(part, Why::Parameter, c.at()));
            }
            if !c.separator(b',') {
                break;
            }
        }
        c.skip_lws();
        if c.is_done() {
            Ok(Self { scheme, params })
        } else {
            Err(ParseError::new(part, Why::Character, c.at()))
        }
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// All parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut c = Cursor::new(self.params);
        std::iter::from_fn(move || {
            let p = params::param(&mut c).ok()?;
            c.separator(b',');
            Some(p)
        })
    }

    /// The first parameter of this name, unquoted.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.params().find(|p| p.name.eq_ignore_ascii_case(name)).and_then(|p| p.unquoted())
    }

    fn text(&self, name: &str) -> Cow<'a, str> {
        self.get(name).unwrap_or_default()
    }
}

/// WWW-Authenticate or Proxy-Authenticate: one challenge.
#[derive(Clone, Copy, Debug)]
pub struct DigestChallenge<'a>(Auth<'a>);

impl<'a> DigestChallenge<'a> {
    /// Parses a whole field value. A challenge of another scheme than Digest parses too: see [`Auth::is_digest`].
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Auth::parse("challenge", text).map(Self)
    }

    /// The scheme and all parameters.
    pub fn auth(&self) -> &Auth<'a> {
        &self.0
    }

    /// `realm`; empty when absent.
    pub fn realm(&self) -> Cow<'a, str> {
        self.0.text("realm")
    }

    /// `nonce`; empty when absent.
    pub fn nonce(&self) -> Cow<'a, str> {
        self.0.text("nonce")
    }

    /// `opaque`.
    pub fn opaque(&self) -> Option<Cow<'a, str>> {
        self.0.get("opaque")
    }

    /// `algorithm`; MD5 when absent.
    pub fn algorithm(&self) -> Option<Cow<'a, str>> {
        self.0.get("algorithm")
    }

    /// `stale` is true.
    pub fn stale(&self) -> bool {
        self.0.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"))
    }

    /// Whether `qop` offers this quality of protection.
    pub fn offers_qop(&self, qop: &str) -> bool {
        self.0.get("qop").is_some_and(|all| all.split(',').any(|q| scan::trim(q).eq_ignore_ascii_case(qop)))
    }
}

/// Authorization or Proxy-Authorization: one answer to a challenge.
#[derive(Clone, Copy, Debug)]
pub struct DigestCredentials<'a>(Auth<'a>);

impl<'a> DigestCredentials<'a> {
    /// Parses a whole field value. Credentials of another scheme than Digest parse too: see [`Auth::is_digest`].
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Auth::parse("credentials", text).map(Self)
    }

    /// The scheme and all parameters.
    pub fn auth(&self) -> &Auth<'a> {
        &self.0
    }

    /// `username`; empty when absent.
    pub fn username(&self) -> Cow<'a, str> {
        self.0.text("username")
    }

    /// `realm`; empty when absent.
    pub fn realm(&self) -> Cow<'a, str> {
        self.0.text("realm")
    }

    /// `nonce`; empty when absent.
    pub fn nonce(&self) -> Cow<'a, str> {
        self.0.text("nonce")
    }

    /// `uri`; empty when absent.
    pub fn uri(&self) -> Cow<'a, str> {
        self.0.text("uri")
    }

    /// `response`; empty when absent.
    pub fn response(&self) -> Cow<'a, str> {
        self.0.text("response")
    }

    /// `algorithm`; MD5 when absent.
    pub fn algorithm(&self) -> Option<Cow<'a, str>> {
        self.0.get("algorithm")
    }

    /// `cnonce`.
    pub fn cnonce(&self) -> Option<Cow<'a, str>> {
        self.0.get("cnonce")
    }

    /// `opaque`.
    pub fn opaque(&self) -> Option<Cow<'a, str>> {
        self.0.get("opaque")
    }

    /// `qop`.
    pub fn qop(&self) -> Option<Cow<'a, str>> {
        self.0.get("qop")
    }

    /// `nc` as written: eight hexadecimal digits.
    pub fn nc(&self) -> Option<Cow<'a, str>> {
        self.0.get("nc")
    }

    /// `nc` as a number; `None` when absent or not eight hexadecimal digits.
    pub fn nonce_count(&self) -> Option<u32> {
        let text = self.nc()?;
        let hex = text.len() == 8 && scan::all(&text, scan::HEX);
        hex.then(|| u32::from_str_radix(&text, 16).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_3261_section_22_4() {
        let c = DigestChallenge::parse(
            "Digest realm=\"biloxi.com\", qop=\"auth,auth-int\",\r\n nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c\",stale=TRUE",
        )
        .unwrap();
        assert!(c.auth().is_digest() && c.stale() && c.offers_qop("auth") && !c.offers_qop("aut"));
        assert_eq!((c.realm(), c.opaque()), ("biloxi.com".into(), Some("5ccc069c".into())));
        assert_eq!((c.nonce(), c.algorithm()), ("dcd98b7102dd2f0e8b11d0f600bfb0c093".into(), None));
    }

    #[test]
    fn credentials_are_unquoted() {
        let c = DigestCredentials::parse(
            "DIGEST username=\"a\\\"b\", realm=\"x\", nonce=\"n=\", uri=\"sip:b@h;x=\\\"y\\\"\",response=\"0f\", algorithm=SHA-256,\
             cnonce=\"\", qop=auth, nc=0000000a, opaque=\"\"",
        )
        .unwrap();
        assert_eq!((c.username(), c.uri()), ("a\"b".into(), "sip:b@h;x=\"y\"".into()));
        assert_eq!((c.qop(), c.nonce_count(), c.cnonce()), (Some("auth".into()), Some(10), Some("".into())));
        assert_eq!(
            (c.response(), c.realm(), c.algorithm()),
            ("0f".into(), "x".into(), Some("SHA-256".into()))
        );
        assert_eq!(c.auth().params().count(), 10);
    }

    #[test]
    fn nonce_counts_have_eight_digits() {
        for bad in ["1", "0000000g", "000000001", "+0000001"] {
            let text = format!("Digest nc={bad}");
            assert_eq!(DigestCredentials::parse(&text).unwrap().nonce_count(), None, "{bad}");
        }
    }

    #[test]
    fn other_schemes_parse_and_broken_lists_do_not() {
        let other = DigestCredentials::parse("NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert!(!other.auth().is_digest() && other.username().is_empty());
        for bad in
            ["", "Digest", "Digest realm", "Digest realm=\"x", "Digest realm=x nonce=y", "Digest realm=x,"]
        {
            assert!(DigestCredentials::parse(bad).is_err(), "{bad}");
        }
    }
}
