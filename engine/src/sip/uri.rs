//! URIs: `sip:`, `sips:` and `tel:` whole, others as opaque text (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{ParseError, Why};
use super::scan::{self, Cursor};

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
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Host<'a>,
    host_text: &'a str,
    port: Option<u16>,
    params: &'a str,
    headers: &'a str,
}

const PART: &str = "URI";

impl<'a> Uri<'a> {
    /// Parses a whole URI, without `<` and `>` and white space.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        Self::read(&mut c).map_err(|why| ParseError::new(PART, why, c.at()))
    }

    fn read(c: &mut Cursor<'a>) -> Result<Self, Why> {
        let text = c.rest();
        let colon = text.bytes().position(|b| b == b':').ok_or(Why::NoScheme)?;
        let name = text.get(..colon).unwrap_or_default();
        c.seek(colon + 1);
        let mut uri = Self {
            text,
            scheme: Scheme::Other,
            user: None,
            password: None,
            host: Host::Name(""),
            host_text: "",
            port: None,
            params: "",
            headers: "",
        };
        if name.eq_ignore_ascii_case("sip") {
            uri.scheme = Scheme::Sip;
            uri.read_sip(c)?;
        } else if name.eq_ignore_ascii_case("sips") {
            uri.scheme = Scheme::Sips;
            uri.read_sip(c)?;
        } else if name.eq_ignore_ascii_case("tel") {
            uri.scheme = Scheme::Tel;
            uri.user = Some(take_escaped(c, scan::USER & !0, b";")?);
            if uri.user == Some("") {
                return Err(Why::Empty);
            }
            uri.params = read_params(c)?;
        } else {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
            if !name.bytes().all(plain) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(Why::NoScheme);
            }
            if c.take(scan::URIC).is_empty() {
                return Err(Why::Empty);
            }
        }
        if c.is_done() { Ok(uri) } else { Err(Why::Character) }
    }

    fn read_sip(&mut self, c: &mut Cursor<'a>) -> Result<(), Why> {
        // No part after the host may hold an `@`, so one that is there ends the user part.
        if c.rest().bytes().any(|b| b == b'@') {
            let user = take_escaped(c, scan::USER, b":@")?;
            if user.is_empty() {
                return Err(Why::Empty);
            }
            self.user = Some(user);
            if c.eat(b':') {
                self.password = Some(take_escaped(c, scan::PASSWORD, b"@")?);
            }
            if !c.eat(b'@') {
                return Err(Why::Character);
            }
        }
        let from = c.at();
        self.host = host(c)?;
        self.host_text = c.slice(from, c.at());
        if c.eat(b':') {
            self.port = Some(port(c)?);
        }
        self.params = read_params(c)?;
        if c.eat(b'?') {
            self.headers = read_headers(c)?;
        }
        Ok(())
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
        self.user.unwrap_or_default()
    }

    /// The user part with its escapes undone (RFC 3261 §19.1.2). Escapes that make no UTF-8 stay as they are.
    pub fn user_unescaped(&self) -> Cow<'a, str> {
        unescape(self.user())
    }

    /// The password as written.
    pub fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The host; an empty name for schemes without one.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The host as written, IPv6 in its brackets.
    pub fn host_text(&self) -> &'a str {
        self.host_text
    }

    /// The port, when written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters, in order.
    pub fn params(&self) -> UriParams<'a> {
        UriParams { rest: self.params, sep: ';' }
    }

    /// The parameter of this name: `None` when it is not there, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params().find(|(n, _)| same_escaped(n, name, true)).map(|(_, v)| v)
    }

    /// The headers after `?`, names and values as written.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        UriParams { rest: self.headers, sep: '&' }.map(|(n, v)| (n, v.unwrap_or_default()))
    }

    /// The headers after `?` as written; empty without any.
    pub fn headers_text(&self) -> &'a str {
        self.headers
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
                self.user.is_some() == other.user.is_some()
                    && same_escaped(self.user(), other.user(), false)
                    && self.password.is_some() == other.password.is_some()
                    && same_escaped(
                        self.password.unwrap_or_default(),
                        other.password.unwrap_or_default(),
                        false,
                    )
                    && self.host.same_as(&other.host)
                    && self.port == other.port
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

/// Takes `hostname / IPv4address / IPv6reference`.
#[inline]
pub(super) fn host<'a>(c: &mut Cursor<'a>) -> Result<Host<'a>, Why> {
    if c.eat(b'[') {
        let from = c.at();
        let end = c.rest().bytes().position(|b| b == b']').ok_or(Why::Host)?;
        let address = c.slice(from, from + end).parse().map_err(|_| Why::Host)?;
        c.seek(from + end + 1);
        return Ok(Host::V6(address));
    }
    let name = c.take(scan::HOST);
    classify(name).ok_or(Why::Host)
}

/// A name, or an IPv4 address when its last label begins with a digit (RFC 3261 §25.1: a top label begins with a
/// letter).
fn classify(name: &str) -> Option<Host<'_>> {
    let bytes = name.as_bytes();
    let mut label = 0;
    let mut numeric = true;
    for (i, &b) in bytes.iter().enumerate() {
        if b == b'.' {
            if i == label {
                return None;
            }
            label = i + 1;
        }
        numeric &= b == b'.' || b.is_ascii_digit();
    }
    match (bytes.first(), numeric) {
        (None, _) => None,
        (_, true) => name.parse().ok().map(Host::V4),
        _ => Some(Host::Name(name)),
    }
}

/// Takes a port number.
#[inline]
pub(super) fn port(c: &mut Cursor<'_>) -> Result<u16, Why> {
    let digits = c.take(scan::DIGIT);
    scan::number(digits, u32::from(u16::MAX)).map(|n| n as u16).map_err(|_| Why::Port)
}

/// Takes characters of `class` and escapes, up to one of `ends` or the end of the text.
fn take_escaped<'a>(c: &mut Cursor<'a>, class: u16, ends: &[u8]) -> Result<&'a str, Why> {
    let from = c.at();
    loop {
        let b = c.peek();
        if ends.contains(&b) || c.is_done() {
            return Ok(c.slice(from, c.at()));
        }
        if b == b'%' {
            escape(c)?;
        } else if scan::is(b, class) {
            c.seek(c.at() + 1);
        } else {
            return Err(Why::Character);
        }
    }
}

/// Takes `%` and two hexadecimal digits.
fn escape(c: &mut Cursor<'_>) -> Result<(), Why> {
    let at = c.at();
    let ok = c.slice(at + 1, at + 3).len() == 2 && scan::all(c.slice(at + 1, at + 3), scan::HEX);
    c.seek(at + 3);
    if ok { Ok(()) } else { Err(Why::Escape) }
}

/// Takes `*( ";" pname [ "=" pvalue ] )`; gives it without the first semicolon.
fn read_params<'a>(c: &mut Cursor<'a>) -> Result<&'a str, Why> {
    let from = c.at() + 1;
    while c.eat(b';') {
        if take_escaped(c, scan::PARAM, b";=?")?.is_empty() {
            return Err(Why::Parameter);
        }
        if c.eat(b'=') && take_escaped(c, scan::PARAM, b";?")?.is_empty() {
            return Err(Why::Parameter);
        }
    }
    Ok(c.slice(from, c.at()))
}

/// Takes `hname "=" hvalue *( "&" hname "=" hvalue )`.
fn read_headers<'a>(c: &mut Cursor<'a>) -> Result<&'a str, Why> {
    let from = c.at();
    loop {
        if take_escaped(c, scan::HEADER, b"=")?.is_empty() || !c.eat(b'=') {
            return Err(Why::Parameter);
        }
        take_escaped(c, scan::HEADER, b"&")?;
        if !c.eat(b'&') {
            return Ok(c.slice(from, c.at()));
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
