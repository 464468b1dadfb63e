//! URIs: `sip:`, `sips:` and `tel:` whole, others as opaque text (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{ParseError, Why};
use super::scan::{self, Cursor, Span};

/// Scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Any other.
    Other,
}

/// A host as it stands in a URI or Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; in brackets in the text.
    V6(Ipv6Addr),
}

impl Host<'_> {
    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Host::Name(_) => None,
            Host::V4(v4) => Some(IpAddr::V4(v4)),
            Host::V6(v6) => Some(IpAddr::V6(v6)),
        }
    }

    /// Whether both are the same address, or the same name without regard to case.
    pub fn same_as(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a.ip().is_some() && a.ip() == b.ip(),
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(v4) => v4.fmt(f),
            Host::V6(v6) => write!(f, "[{v6}]"),
        }
    }
}

/// A parsed URI. It borrows its text and displays as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme,
    parts: Parts,
}

/// Where the parts of a URI stand in it.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    user: Span,
    /// Begins after the colon; 0 without one.
    password: Span,
    host: Span,
    kind: HostKind,
    port: Option<u16>,
    /// Without the first semicolon.
    params: Span,
    /// Without the question mark.
    headers: Span,
}

const PART: &str = "URI";

impl<'a> Uri<'a> {
    /// Parses a whole URI, without `<` and `>` and white space.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        match c.check_length().and_then(|()| Self::read(&mut c, false)) {
            Ok(uri) if c.is_done() => Ok(uri),
            Ok(_) => Err(ParseError::new(PART, Why::Character, c.at())),
            Err(why) => Err(ParseError::new(PART, why, c.at())),
        }
    }

    /// Takes a URI and stops at the first character that is not part of it. A `bare` one, not between `<` and `>`, has
    /// neither parameters nor headers (RFC 3261 §20).
    #[inline(always)]
    pub(super) fn read(c: &mut Cursor<'a>, bare: bool) -> Result<Self, Why> {
        let base = c.at();
        let mut parts = Parts::default();
        let scheme = read_scheme(c)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => read_sip(c, base, bare, &mut parts)?,
            Scheme::Tel => {
                let from = c.at();
                skip_escaped(c, scan::BARE_USER)?;
                if c.at() == from {
                    return Err(Why::Empty);
                }
                parts.user = Span::new(from - base, c.at() - base);
                if !bare {
                    parts.params = read_params(c, base)?;
                }
            }
            Scheme::Other => {
                if c.skip(if bare { scan::BARE_URIC } else { scan::URIC }) == 0 {
                    return Err(Why::Empty);
                }
            }
        }
        Ok(Self { text: c.slice(base, c.at()), scheme, parts })
    }

    /// As written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The scheme as written, without the colon.
    pub fn scheme_text(&self) -> &'a str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// The user part as written, or the number of a `tel:` URI; empty without one.
    pub fn user(&self) -> &'a str {
        self.parts.user.of(self.text)
    }

    /// The user part with its escapes undone (RFC 3261 §19.1.2). Escapes that make no UTF-8 stay as they are.
    pub fn user_unescaped(&self) -> Cow<'a, str> {
        unescape(self.user())
    }

    /// The password as written.
    pub fn password(&self) -> Option<&'a str> {
        (self.parts.password.0 > 0).then(|| self.parts.password.of(self.text))
    }

    /// The host; an empty name for schemes without one.
    pub fn host(&self) -> Host<'a> {
        self.parts.kind.host(self.host_text())
    }

    /// The host as written, IPv6 in its brackets.
    pub fn host_text(&self) -> &'a str {
        self.parts.host.of(self.text)
    }

    /// The port, when written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The parameters, in order.
    pub fn params(&self) -> UriParams<'a> {
        UriParams { rest: self.parts.params.of(self.text), sep: ';' }
    }

    /// The parameter of this name: `None` when it is not there, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params().find(|(n, _)| same_escaped(n, name, true)).map(|(_, v)| v)
    }

    /// The headers after `?`, names and values as written.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        UriParams { rest: self.headers_text(), sep: '&' }.map(|(n, v)| (n, v.unwrap_or_default()))
    }

    /// The headers after `?` as written; empty without any.
    pub fn headers_text(&self) -> &'a str {
        self.parts.headers.of(self.text)
    }

    /// As it may stand in a Request-URI: a Contact's headers are not for there (RFC 3261 §19.1.1).
    pub fn without_headers(&self) -> &'a str {
        let headers = self.headers_text();
        let rest = self.text.strip_suffix(headers).and_then(|rest| rest.strip_suffix('?'));
        rest.filter(|_| !headers.is_empty()).unwrap_or(self.text)
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4). Not transitive.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other => self.text == other.text,
            Scheme::Tel => same_number(self.user(), other.user()) && self.same_tel_params(other),
            Scheme::Sip | Scheme::Sips => {
                let password = |uri: &Uri<'_>| uri.parts.password.0 > 0;
                same_escaped(self.user(), other.user(), false)
                    && password(self) == password(other)
                    && same_escaped(
                        self.password().unwrap_or_default(),
                        other.password().unwrap_or_default(),
                        false,
                    )
                    && self.host().same_as(&other.host())
                    && self.port() == other.port()
                    && self.params_agree(other)
                    && other.params_agree(self)
                    && self.headers_in(other)
                    && other.headers_in(self)
            }
        }
    }

    /// Whether every parameter of `self` is the same in `other`, or may be absent there.
    fn params_agree(&self, other: &Uri<'_>) -> bool {
        self.params().all(|(name, _)| match other.param(name) {
            Some(theirs) => {
                let ours = self.param(name).flatten().unwrap_or_default();
                same_escaped(ours, theirs.unwrap_or_default(), true)
            }
            None => {
                !["user", "ttl", "method", "maddr", "transport"].iter().any(|n| same_escaped(name, n, true))
            }
        })
    }

    fn headers_in(&self, other: &Uri<'_>) -> bool {
        self.headers().all(|(name, value)| {
            other.headers().any(|(n, v)| same_escaped(n, name, true) && same_escaped(v, value, false))
        })
    }

    /// RFC 3966 §4: every parameter must be there in both.
    fn same_tel_params(&self, other: &Uri<'_>) -> bool {
        let within = |a: &Uri<'_>, b: &Uri<'_>| {
            a.params().all(|(name, value)| {
                b.param(name)
                    .is_some_and(|v| same_escaped(v.unwrap_or_default(), value.unwrap_or_default(), true))
            })
        };
        within(self, other) && within(other, self)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Walks the parameters of a [`Uri`]: name and value as written.
#[derive(Clone, Debug)]
pub struct UriParams<'a> {
    rest: &'a str,
    sep: char,
}

impl<'a> Iterator for UriParams<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (one, rest) = self.rest.split_once(self.sep).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(match one.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (one, None),
        })
    }
}

const SIP_COLON: u32 = u32::from_le_bytes(*b"sip:");
const SIPS: u32 = u32::from_le_bytes(*b"sips");

/// Takes the scheme and its colon.
#[inline(always)]
fn read_scheme(c: &mut Cursor<'_>) -> Result<Scheme, Why> {
    let from = c.at();
    let rest = c.octets();
    let lower = |word: u32| word | (word & 0x4040_4040) >> 1;
    if let Some(start) = rest.first_chunk::<4>() {
        match lower(u32::from_le_bytes(*start)) {
            SIP_COLON => {
                c.seek(from + 4);
                return Ok(Scheme::Sip);
            }
            SIPS if rest.get(4) == Some(&b':') => {
                c.seek(from + 5);
                return Ok(Scheme::Sips);
            }
            _ => {}
        }
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let length = c.rest().bytes().take_while(plain).count();
    let name = c.slice(from, from + length);
    c.seek(from + length);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !c.eat(b':') {
        return Err(Why::NoScheme);
    }
    Ok(if name.eq_ignore_ascii_case("tel") { Scheme::Tel } else { Scheme::Other })
}

/// Takes what follows `sip:`.
#[inline(always)]
fn read_sip(c: &mut Cursor<'_>, base: usize, bare: bool, parts: &mut Parts) -> Result<(), Why> {
    read_userinfo(c, base, bare, parts)?;
    let from = c.at();
    parts.kind = host(c)?;
    parts.host = Span::new(from - base, c.at() - base);
    if c.eat(b':') {
        parts.port = Some(port(c)?);
    }
    if !bare {
        parts.params = read_params(c, base)?;
        if c.eat(b'?') {
            parts.headers = read_headers(c, base)?;
        }
    }
    Ok(())
}

/// Takes the user, the password and the `@`; nothing when there is no `@`.
#[inline(always)]
fn read_userinfo(c: &mut Cursor<'_>, base: usize, bare: bool, parts: &mut Parts) -> Result<(), Why> {
    let from = c.at();
    skip_escaped(c, if bare { scan::BARE_USER } else { scan::USER })?;
    let user = Span::new(from - base, c.at() - base);
    // No part after the host may hold an `@`, so one that is there ends the user part.
    let colon = c.at() + 1;
    if c.peek() == b':' {
        c.seek(colon);
        skip_escaped(c, scan::PASSWORD)?;
        if c.peek() == b'@' {
            parts.password = Span::new(colon - base, c.at() - base);
        }
    }
    if c.peek() != b'@' {
        c.seek(from);
        return Ok(());
    }
    if user.0 == user.1 {
        return Err(Why::Empty);
    }
    parts.user = user;
    c.seek(c.at() + 1);
    Ok(())
}

/// What a host was found to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum HostKind {
    #[default]
    Name,
    V4(u32),
    V6,
}

impl HostKind {
    /// The host whose text is `text`.
    pub(super) fn host(self, text: &str) -> Host<'_> {
        match self {
            Self::Name => Host::Name(text),
            Self::V4(bits) => Host::V4(Ipv4Addr::from_bits(bits)),
            // It was an address when it was read.
            Self::V6 => bracketed(text).map_or(Host::Name(text), Host::V6),
        }
    }
}

/// An IPv6 address in brackets.
fn bracketed(text: &str) -> Option<Ipv6Addr> {
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Takes `hostname / IPv4address / IPv6reference`. What ends in a label of digits is an address or nothing (RFC 3261
/// §25.1: the last label of a name begins with a letter).
#[inline(always)]
pub(super) fn host(c: &mut Cursor<'_>) -> Result<HostKind, Why> {
    let from = c.at();
    if c.peek() == b'[' {
        let end = from + c.rest().bytes().position(|b| b == b']').ok_or(Why::Host)? + 1;
        bracketed(c.slice(from, end)).ok_or(Why::Host)?;
        c.seek(end);
        return Ok(HostKind::V6);
    }
    if c.skip_long(scan::HOST) == 0 {
        return Err(Why::Host);
    }
    classify(c.slice(from, c.at())).ok_or(Why::Host)
}

/// What a run of host characters is.
#[inline]
fn classify(text: &str) -> Option<HostKind> {
    let bytes = text.as_bytes();
    if bytes.last().is_some_and(u8::is_ascii_digit) {
        let label = bytes.iter().rposition(|&b| b == b'.').map_or(0, |dot| dot + 1);
        if bytes.get(label..)?.iter().all(u8::is_ascii_digit) {
            return text.parse().ok().map(|v4: Ipv4Addr| HostKind::V4(v4.to_bits()));
        }
    }
    let empty_label = bytes.first() == Some(&b'.') || has_two_dots(bytes);
    (!empty_label).then_some(HostKind::Name)
}

/// Whether there are two dots side by side.
#[inline]
fn has_two_dots(text: &[u8]) -> bool {
    let next = text.get(1..).unwrap_or_default();
    // Without a branch inside, so that many are compared at once.
    text.iter().zip(next).fold(false, |any, (&a, &b)| any | ((a == b'.') & (b == b'.')))
}

/// Takes a port number.
#[inline(always)]
pub(super) fn port(c: &mut Cursor<'_>) -> Result<u16, Why> {
    let digits = c.take(scan::DIGIT);
    scan::number(digits, u32::from(u16::MAX)).map(|n| n as u16).map_err(|_| Why::Port)
}

/// Skips characters of `class` and escapes.
#[inline(always)]
fn skip_escaped(c: &mut Cursor<'_>, class: u16) -> Result<(), Why> {
    loop {
        c.skip(class);
        if c.peek() != b'%' {
            return Ok(());
        }
        let at = c.at();
        let digits = c.slice(at + 1, at + 3);
        if digits.len() != 2 || !scan::all(digits, scan::HEX) {
            return Err(Why::Escape);
        }
        c.seek(at + 3);
    }
}

/// Takes `*( ";" pname [ "=" pvalue ] )`; gives it without the first semicolon.
#[inline(always)]
fn read_params(c: &mut Cursor<'_>, base: usize) -> Result<Span, Why> {
    let from = c.at() + 1;
    while c.eat(b';') {
        let name = c.at();
        skip_escaped(c, scan::PARAM)?;
        if c.at() == name {
            return Err(Why::Parameter);
        }
        if c.eat(b'=') {
            let value = c.at();
            skip_escaped(c, scan::PARAM)?;
            if c.at() == value {
                return Err(Why::Parameter);
            }
        }
    }
    Ok(Span::new(from.min(c.at()) - base, c.at() - base))
}

/// Takes `hname "=" hvalue *( "&" hname "=" hvalue )`.
fn read_headers(c: &mut Cursor<'_>, base: usize) -> Result<Span, Why> {
    let from = c.at();
    loop {
        let name = c.at();
        skip_escaped(c, scan::HEADER)?;
        if c.at() == name || !c.eat(b'=') {
            return Err(Why::Parameter);
        }
        skip_escaped(c, scan::HEADER)?;
        if !c.eat(b'&') {
            return Ok(Span::new(from - base, c.at() - base));
        }
    }
}

/// `text` with its escapes undone, unless that makes no UTF-8.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    match String::from_utf8(octets(text).map(|(b, _)| b).collect()) {
        Ok(plain) => Cow::Owned(plain),
        Err(_) => Cow::Borrowed(text),
    }
}

/// The octets that escaped text stands for, and whether each was escaped.
fn octets(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let mut bytes = text.bytes();
    std::iter::from_fn(move || {
        let b = bytes.next()?;
        if b != b'%' {
            return Some((b, false));
        }
        let mut ahead = bytes.clone();
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (hex(ahead.next()), hex(ahead.next())) {
            (Some(high), Some(low)) => {
                bytes = ahead;
                Some(((high * 16 + low) as u8, true))
            }
            _ => Some((b, false)),
        }
    })
}

/// Whether two pieces of escaped text mean the same. An escaped reserved character is not that character (RFC 3261
/// §19.1.4).
fn same_escaped(a: &str, b: &str, any_case: bool) -> bool {
    let plain = |(b, escaped): (u8, bool)| {
        let reserved = matches!(b, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',');
        (if any_case { b.to_ascii_lowercase() } else { b }, escaped && reserved)
    };
    octets(a).map(plain).eq(octets(b).map(plain))
}

/// Whether two telephone numbers are the same without their visual separators (RFC 3966 §4).
fn same_number(a: &str, b: &str) -> bool {
    let digits = |s: &'_ str| s.to_ascii_lowercase().replace(['-', '.', '(', ')'], "");
    digits(a) == digits(b)
}

/// Displays any text as a user part of a SIP URI: what may not stand there is escaped.
#[derive(Clone, Copy, Debug)]
pub struct EscapedUser<'a>(pub &'a str);

impl fmt::Display for EscapedUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for b in self.0.bytes() {
            if scan::is(b, scan::USER) && b != b'#' {
                fmt::Write::write_char(f, char::from(b))?;
            } else {
                write!(f, "%{b:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text).unwrap_or_else(|e| panic!("{text}: {e} at {}", e.offset()))
    }

    #[test]
    fn the_examples_of_rfc_3261_section_19_1_3() {
        for text in [
            "sip:alice@atlanta.com",
            "sip:alice:secretword@atlanta.com;transport=tcp",
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            "sips:1212@gateway.com",
            "sip:alice@192.0.2.4",
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
            "sip:alice;day=tuesday@atlanta.com",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
        let u = uri("sip:alice:secretword@atlanta.com:5062;transport=tcp;lr?a=b&c=");
        assert_eq!(
            (u.user(), u.password(), u.host_text(), u.port()),
            ("alice", Some("secretword"), "atlanta.com", Some(5062))
        );
        assert_eq!(
            (u.param("Transport"), u.param("lr"), u.param("l")),
            (Some(Some("tcp")), Some(None), None)
        );
        assert_eq!(u.headers().collect::<Vec<_>>(), [("a", "b"), ("c", "")]);
        assert_eq!(uri("sip:alice;day=tuesday@atlanta.com").user(), "alice;day=tuesday");
        assert_eq!(uri("sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com").user(), "");
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        assert_eq!(uri("sip:h").host(), Host::Name("h"));
        assert_eq!(uri("sip:example.com.").host(), Host::Name("example.com."));
        assert_eq!(uri("sip:4a.b-c_d.1x").host(), Host::Name("4a.b-c_d.1x"));
        assert_eq!(uri("sip:192.0.2.4:5060").host(), Host::V4([192, 0, 2, 4].into()));
        let six = uri("sip:a@[2001:db8::10]:5070");
        assert_eq!((six.host().ip(), six.port()), ("2001:db8::10".parse().ok(), Some(5070)));
        assert_eq!((six.host_text(), six.host().to_string().as_str()), ("[2001:db8::10]", "[2001:db8::10]"));
        assert!(uri("sip:[::ffff:192.0.2.1]").host().ip().is_some());
    }

    #[test]
    fn what_is_no_uri() {
        for (text, why) in [
            ("", Why::NoScheme),
            ("alice@atlanta.com", Why::NoScheme),
            (":x", Why::NoScheme),
            ("1ip:x", Why::NoScheme),
            ("sip:", Why::Host),
            ("sip:@h", Why::Empty),
            ("sip:a@", Why::Host),
            ("sip:a@b@c", Why::Character),
            ("sip:a b@c", Why::Character),
            ("sip: a@c", Why::Host),
            ("sip:a@c ", Why::Character),
            ("sip:%4@h", Why::Escape),
            ("sip:%4g@h", Why::Escape),
            ("sip:a@192.0.2.400", Why::Host),
            ("sip:a@.b", Why::Host),
            ("sip:a@b..c", Why::Host),
            ("sip:2001:db8::10", Why::Host),
            ("sip:[2001:db8", Why::Host),
            ("sip:[host]", Why::Host),
            ("sip:h:", Why::Port),
            ("sip:h:65536", Why::Port),
            ("sip:h:port", Why::Port),
            ("sip:h;", Why::Parameter),
            ("sip:h;;lr", Why::Parameter),
            ("sip:h;=x", Why::Parameter),
            ("sip:h;a=", Why::Parameter),
            ("sip:h?", Why::Parameter),
            ("sip:h?a", Why::Parameter),
            ("sip:h?a=b&", Why::Parameter),
            ("tel:", Why::Empty),
            ("urn:", Why::Empty),
            ("urn:a b", Why::Character),
            ("<sip:a@b>", Why::NoScheme),
        ] {
            assert_eq!(Uri::parse(text).map(|_| ()).map_err(|e| e.why()), Err(why), "{text}");
        }
        let long = format!("sip:{}@h", "a".repeat(70_000));
        assert_eq!(Uri::parse(&long).map(|_| ()).map_err(|e| e.why()), Err(Why::TooLarge));
    }

    #[test]
    fn other_schemes() {
        let tel = uri("tel:+1-201-555-0123;phone-context=example.com");
        assert_eq!((tel.scheme(), tel.user()), (Scheme::Tel, "+1-201-555-0123"));
        assert_eq!(tel.param("phone-context"), Some(Some("example.com")));
        assert_eq!(tel.host(), Host::Name(""));
        let urn = uri("URN:service:sos");
        assert_eq!((urn.scheme(), urn.scheme_text(), urn.text()), (Scheme::Other, "URN", "URN:service:sos"));
        assert_eq!(uri("SIPS:h").scheme(), Scheme::Sips);
        // Phones dial this without escaping it.
        assert_eq!(uri("sip:*21#@h").user(), "*21#");
    }

    #[test]
    fn the_equivalent_uris_of_rfc_3261_section_19_1_4() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ] {
            assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
        }
    }

    #[test]
    fn the_different_uris_of_rfc_3261_section_19_1_4() {
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com;transport=udp", "sip:bob@biloxi.com:5060;transport=udp"),
            ("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com"),
            ("sip:bob@biloxi.com;transport=udp", "sip:bob@biloxi.com"),
            ("sip:bob@192.0.2.1:5060", "sip:bob@192.0.2.1:5060;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:bob@biloxi.com", "sip:bob:@biloxi.com"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.1"),
            ("sip:bob@biloxi.com;user=phone", "sip:bob@biloxi.com"),
            ("sip:bob@biloxi.com;ttl=15", "sip:bob@biloxi.com"),
            ("sip:bob%40x@biloxi.com", "sip:bob@biloxi.com"),
            ("sip:a%3bb@h", "sip:a;b@h"),
            ("tel:+12015550123", "tel:+12015550123;phone-context=x"),
            ("urn:a", "urn:b"),
        ] {
            assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
        }
    }

    #[test]
    fn escapes_that_make_no_utf_8_stay() {
        assert_eq!(uri("sip:%FFx@h").user_unescaped(), "%FFx");
        assert_eq!(uri("sip:%C3%BC@h").user_unescaped(), "ü");
    }

    proptest! {
        #[test]
        fn any_user_survives_escaping(user in ".+") {
            let text = format!("sip:{}@h", EscapedUser(&user));
            prop_assert_eq!(uri(&text).user_unescaped(), user);
        }

        #[test]
        fn what_is_made_of_parts_has_these_parts(
            user in "[a-z0-9;?/&=+$,_.!~*'()-]{0,9}", host in "[a-z]([a-z0-9-]{0,5}[a-z])?(\\.[a-z]{1,4})?",
            port in proptest::option::of(any::<u16>()), params in "(;[a-z+:/&$\\[\\]-]{1,4}(=[a-z0-9]{1,5})?){0,3}",
        ) {
            let at = if user.is_empty() { String::new() } else { format!("{user}@") };
            let text = format!("sip:{at}{host}{}{params}", port.map(|p| format!(":{p}")).unwrap_or_default());
            let u = uri(&text);
            prop_assert_eq!((u.user(), u.host_text(), u.port()), (user.as_str(), host.as_str(), port));
            prop_assert_eq!(u.to_string(), text.clone());
            prop_assert!(u.equivalent(&u));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Uri::parse(&text);
            let _ = Uri::parse(&format!("sip:{text}"));
        }
    }
}
