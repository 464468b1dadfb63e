//! The characters of SIP (RFC 3261 §25.1) and a cursor over text made of them.
//!
//! A header value may be folded: CR LF followed by a space or tab is white space like any other (§7.3.1). Values keep
//! their line breaks as they came, so every reader here takes CR and LF for white space, and nothing is copied.

use std::borrow::Cow;

use super::error::Why;
use crate::limits::MESSAGE_OCTETS;

/// `token`.
pub(super) const TOKEN: u16 = 1;
/// White space, line breaks of folded values included.
pub(super) const LWS: u16 = 1 << 1;
/// `user` but `%`; `#` too, which phones dial without escaping it.
pub(super) const USER: u16 = 1 << 2;
/// The same where the URI stands without `<` and `>`: no semicolon, comma, question mark (§20).
pub(super) const BARE_USER: u16 = 1 << 3;
/// `password` but `%`.
pub(super) const PASSWORD: u16 = 1 << 4;
/// `paramchar` but `%`.
pub(super) const PARAM: u16 = 1 << 5;
/// `hname`, `hvalue` but `%`.
pub(super) const HEADER: u16 = 1 << 6;
/// What host names and IPv4 addresses are made of; `_` too, which real networks use.
pub(super) const HOST: u16 = 1 << 7;
/// An unquoted parameter value: `token`, `host` and whatever else cannot end it.
pub(super) const VALUE: u16 = 1 << 8;
/// Visible ASCII. A Call-ID is made of it: the grammar has fewer characters, phones have not.
pub(super) const VISIBLE: u16 = 1 << 9;
/// Decimal digits.
pub(super) const DIGIT: u16 = 1 << 10;
/// Hexadecimal digits.
pub(super) const HEX: u16 = 1 << 11;
/// Characters of URIs of any scheme.
pub(super) const URIC: u16 = 1 << 12;
/// The same where the URI stands without `<` and `>`.
pub(super) const BARE_URIC: u16 = 1 << 13;
/// A display name without quotes: the grammar has tokens, phones have nearly everything.
pub(super) const DISPLAY: u16 = 1 << 14;
/// What stands for itself in a quoted string.
pub(super) const QUOTED: u16 = 1 << 15;

const CLASS: &[u16; 256] = &classes();

const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    table = mark(table, b"0123456789", DIGIT | HEX);
    table = mark(table, b"abcdefABCDEF", HEX);
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if b.is_ascii_alphanumeric() {
            table[i] |=
                TOKEN | USER | BARE_USER | PASSWORD | PARAM | HEADER | HOST | VALUE | URIC | BARE_URIC;
        }
        if b.is_ascii_graphic() {
            table[i] |= VISIBLE;
        }
        if !matches!(b, b'<' | b'>' | b',' | b';' | b'"') {
            table[i] |= DISPLAY;
        }
        if !matches!(b, b'"' | b'\\') {
            table[i] |= QUOTED;
        }
        i += 1;
    }
    table = mark(table, b" \t\r\n", LWS);
    table = mark(table, b"-.!%*_+`'~", TOKEN | VALUE);
    table = mark(table, b"[]:/?@=&$^|#(){}", VALUE);
    table = mark(table, b"-_.!~*'()", USER | BARE_USER | PASSWORD | PARAM | HEADER | URIC | BARE_URIC);
    table = mark(table, b"&=+$,", USER | PASSWORD);
    table = mark(table, b"&=+$/#", BARE_USER);
    table = mark(table, b";?/#", USER);
    table = mark(table, b"[]/:&+$", PARAM);
    table = mark(table, b"[]/?:+$", HEADER);
    table = mark(table, b"-_.", HOST);
    table = mark(table, b"/:@&=+$%[]#", URIC | BARE_URIC);
    mark(table, b";?,", URIC)
}

const fn mark(mut table: [u16; 256], bytes: &[u8], class: u16) -> [u16; 256] {
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] |= class;
        i += 1;
    }
    table
}

/// Whether `byte` is of `class`.
#[inline]
pub(super) fn is(byte: u8, class: u16) -> bool {
    CLASS[usize::from(byte)] & class != 0
}

/// Whether `text` is not empty and all of it visible ASCII.
#[inline]
pub(super) fn is_visible(text: &str) -> bool {
    // Without a branch inside, so that many are compared at once.
    !text.is_empty() && text.bytes().fold(true, |all, b| all & (b > b' ') & (b < 0x7f))
}

/// Whether `text` is not empty and all of `class`.
pub(super) fn all(text: &str, class: u16) -> bool {
    !text.is_empty() && text.bytes().all(|b| is(b, class))
}

/// `text` without white space at its ends.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    let blank = |b: &&u8| **b <= b' ' && is(**b, LWS);
    let from = text.as_bytes().iter().take_while(blank).count();
    let rest = text.get(from..).unwrap_or_default();
    let after = rest.as_bytes().iter().rev().take_while(blank).count();
    rest.get(..rest.len() - after).unwrap_or_default()
}

/// A decimal number up to `max`, digits only.
#[inline]
pub(super) fn number(text: &str, max: u32) -> Result<u32, Why> {
    number_of(text.as_bytes(), max)
}

/// The same of octets.
#[inline]
pub(super) fn number_of(octets: &[u8], max: u32) -> Result<u32, Why> {
    if octets.is_empty() {
        return Err(Why::Number);
    }
    let mut n: u32 = 0;
    for &b in octets {
        if !b.is_ascii_digit() {
            return Err(Why::Number);
        }
        n = n.checked_mul(10).and_then(|n| n.checked_add(u32::from(b - b'0'))).ok_or(Why::Range)?;
    }
    if n > max { Err(Why::Range) } else { Ok(n) }
}

/// The inside of a quoted string without its backslashes and folds (RFC 3261 §25.1 `quoted-pair`).
pub(super) fn unquote(inside: &str) -> Cow<'_, str> {
    if !inside.bytes().any(|b| matches!(b, b'\\' | b'\r' | b'\n')) {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '\r' | '\n' => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A piece of a text no longer than a message: from, to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span(pub(super) u16, pub(super) u16);

impl Span {
    /// Positions fit 16 bits: messages do, by [`MESSAGE_OCTETS`], and other texts are checked by
    /// [`Cursor::check_length`].
    #[inline]
    pub(super) fn new(from: usize, to: usize) -> Self {
        Self(from as u16, to as u16)
    }

    #[inline]
    pub(super) fn range(self) -> std::ops::Range<usize> {
        usize::from(self.0)..usize::from(self.1)
    }

    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// Where the run of `class` that begins at `at` ends.
#[inline(always)]
fn run(bytes: &[u8], mut at: usize, class: u16) -> usize {
    while let Some(&b) = bytes.get(at) {
        if !is(b, class) {
            break;
        }
        at += 1;
    }
    at
}

/// The same, four at a time, for runs that are likely to be long.
#[inline(always)]
fn long_run(bytes: &[u8], mut at: usize, class: u16) -> usize {
    let of = |b: u8| CLASS[usize::from(b)];
    while let Some(&[a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        if of(a) & of(b) & of(c) & of(d) & class == 0 {
            break;
        }
        at += 4;
    }
    run(bytes, at, class)
}

/// Reads text from left to right. All of it is inlined, so that a parser keeps its place in a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Refuses text that a [`Span`] cannot reach into.
    #[inline(always)]
    pub(super) fn check_length(&self) -> Result<(), Why> {
        if self.text.len() > MESSAGE_OCTETS { Err(Why::TooLarge) } else { Ok(()) }
    }

    /// Only white space may be left, or in a list a comma and more.
    #[inline(always)]
    pub(super) fn end_of_value(&mut self, list: bool) -> Result<(), Why> {
        self.skip_lws();
        if self.is_done() || (list && self.peek() == b',') { Ok(()) } else { Err(Why::Trailing) }
    }

    /// Octets read so far.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves to `at`.
    #[inline(always)]
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// The next octet; NUL, which nothing in SIP allows, at the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The text between two places; empty when they are none.
    #[inline(always)]
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// What has not been read.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The octets that have not been read.
    #[inline(always)]
    pub(super) fn octets(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Takes `byte` when it is next.
    #[inline(always)]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let yes = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(yes);
        yes
    }

    #[inline(always)]
    pub(super) fn skip_lws(&mut self) {
        while let Some(&b) = self.text.as_bytes().get(self.at) {
            if b > b' ' || !is(b, LWS) {
                break;
            }
            self.at += 1;
        }
    }

    /// Skips all that is of `class`, perhaps nothing; gives how much.
    #[inline(always)]
    pub(super) fn skip(&mut self, class: u16) -> usize {
        let from = self.at;
        self.at = run(self.text.as_bytes(), from, class);
        self.at - from
    }

    /// The same, faster for long runs.
    #[inline(always)]
    pub(super) fn skip_long(&mut self, class: u16) -> usize {
        let from = self.at;
        self.at = long_run(self.text.as_bytes(), from, class);
        self.at - from
    }

    /// Takes all that is of `class`; perhaps nothing.
    #[inline(always)]
    pub(super) fn take(&mut self, class: u16) -> &'a str {
        let from = self.at;
        self.skip(class);
        self.slice(from, self.at)
    }

    /// Takes `byte` with white space around it.
    #[inline(always)]
    pub(super) fn separator(&mut self, byte: u8) -> bool {
        self.skip_lws();
        let yes = self.eat(byte);
        if yes {
            self.skip_lws();
        }
        yes
    }

    /// Takes a quoted string that begins here; gives its inside, backslashes kept.
    #[inline(always)]
    pub(super) fn quoted(&mut self) -> Result<&'a str, Why> {
        if !self.eat(b'"') {
            return Err(Why::Character);
        }
        let from = self.at;
        loop {
            self.skip(QUOTED);
            match self.peek() {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => return Err(Why::Unquoted),
            }
        }
        let inside = self.slice(from, self.at);
        self.at += 1;
        Ok(inside)
    }
}

/// Splits a comma-separated list, minding quoted strings and `<...>`. Empty elements are left out.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let end = element_end(self.rest.as_bytes());
            let element = trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Where the first element of a list ends: at a comma outside quotes and `<...>`, or at the end.
fn element_end(text: &[u8]) -> usize {
    let (mut quoted, mut bracket, mut i) = (false, false, 0);
    while let Some(&b) = text.get(i) {
        match b {
            b'\\' if quoted => i += 1,
            b'"' if !bracket => quoted = !quoted,
            b'<' if !quoted => bracket = true,
            b'>' if !quoted => bracket = false,
            b',' if !quoted && !bracket => return i,
            _ => {}
        }
        i += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_outside_quotes_and_brackets() {
        let list = r#" "a, \"b" <sip:x,y@h>;p="1,2" ,, <sip:z>, "#;
        let parts: Vec<_> = Elements::new(list).collect();
        assert_eq!(parts, [r#""a, \"b" <sip:x,y@h>;p="1,2""#, "<sip:z>"]);
    }

    #[test]
    fn a_quote_without_end_takes_the_rest() {
        assert_eq!(Elements::new("\"a, b").collect::<Vec<_>>(), ["\"a, b"]);
    }

    #[test]
    fn quoted_pairs_and_folds_are_undone() {
        assert_eq!(unquote("plain"), "plain");
        assert_eq!(unquote(r#"a \"b\" \\c"#), r#"a "b" \c"#);
        assert_eq!(unquote("a\r\n b"), "a b");
    }

    #[test]
    fn quoted_strings_end_at_the_first_free_quote() {
        let mut c = Cursor::new(r#""a\"b" c"#);
        assert_eq!(c.quoted(), Ok(r#"a\"b"#));
        assert_eq!(c.rest(), " c");
        assert_eq!(Cursor::new(r#""a\""#).quoted(), Err(Why::Unquoted));
        assert_eq!(Cursor::new(r#""a\"#).quoted(), Err(Why::Unquoted));
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(number("0004294967295", u32::MAX), Ok(u32::MAX));
        assert_eq!(number("4294967296", u32::MAX), Err(Why::Range));
        assert_eq!(number("70000", 65535), Err(Why::Range));
        assert_eq!(number("-1", 9), Err(Why::Number));
        assert_eq!(number("", 9), Err(Why::Number));
    }
}
