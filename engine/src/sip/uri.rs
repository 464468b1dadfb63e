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
        scan::fits(PART, text)?;
        let mut c = Cursor::new(text);
        match Self::read(&mut c, false) {
            Ok(uri) if c.is_done() => Ok(uri),
            Ok(_) => Err(ParseError::new(PART, Why::Character, c.at())),
            Err(why) => Err(ParseError::new(PART, why, c.at())),
        }
    }

    /// Takes a URI and stops at the first character that is not part of it. A `bare` one, not between `<` and `>`, has
    /// neither parameters nor headers (RFC 3261 §20).
    #[inline]
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
        self.params().all(|(name, value)| match other.param(name) {
            Some(theirs) => same_escaped(value.unwrap_or_default(), theirs.unwrap_or_default(), true),
            None => !["user", "ttl", "method", "maddr"].iter().any(|n| same_escaped(name, n, true)),
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

/// Takes the scheme and its colon.
#[inline]
fn read_scheme(c: &mut Cursor<'_>) -> Result<Scheme, Why> {
    let from = c.at();
    if c.slice(from, from + 4).eq_ignore_ascii_case("sip:") {
        c.seek(from + 4);
        return Ok(Scheme::Sip);
    }
    if c.slice(from, from + 5).eq_ignore_ascii_case("sips:") {
        c.seek(from + 5);
        return Ok(Scheme::Sips);
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
#[inline]
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
#[inline]
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
#[inline]
pub(super) fn host(c: &mut Cursor<'_>) -> Result<HostKind, Why> {
    let from = c.at();
    if c.peek() == b'[' {
        let end = from + c.rest().bytes().position(|b| b == b']').ok_or(Why::Host)? + 1;
        bracketed(c.slice(from, end)).ok_or(Why::Host)?;
        c.seek(end);
        return Ok(HostKind::V6);
    }
    let mut label = from;
    while c.skip(scan::LABEL) > 0 && c.eat(b'.') {
        if scan::is(c.peek(), scan::LABEL) {
            label = c.at();
        }
    }
    if c.at() == from {
        return Err(Why::Host);
    }
    let last = c.slice(label, c.at());
    if last.as_bytes().first().is_some_and(u8::is_ascii_digit) && last.bytes().all(|b| b.is_ascii_digit()) {
        let address: Ipv4Addr = c.slice(from, c.at()).parse().map_err(|_| Why::Host)?;
        return Ok(HostKind::V4(address.to_bits()));
    }
    Ok(HostKind::Name)
}

/// Takes a port number.
#[inline]
pub(super) fn port(c: &mut Cursor<'_>) -> Result<u16, Why> {
    let digits = c.take(scan::DIGIT);
    scan::number(digits, u32::from(u16::MAX)).map(|n| n as u16).map_err(|_| Why::Port)
}

/// Skips characters of `class` and escapes.
#[inline]
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
#[inline]
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
fn unescape(text: &str) -> Cow<'_, str> {
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
