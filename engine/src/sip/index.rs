//! Indexing a message: one pass over its lines (RFC 3261 §7).

use bytes::Bytes;
use smallvec::SmallVec;

use super::error::{ParseError, Why};
use super::message::{Field, Message, Start, Table};
use super::method::Method;
use super::name::{self, HeaderName};
use super::scan::{self, Span};
use super::status::Status;
use crate::limits::{MESSAGE_HEADERS, MESSAGE_OCTETS};

// Spans are 16 bits wide, positions of fields 8.
const _: () = assert!(MESSAGE_OCTETS <= u16::MAX as usize && MESSAGE_HEADERS < u8::MAX as usize);

/// See [`Message::parse`].
pub(super) fn parse(raw: Bytes) -> Result<Message, ParseError> {
    if raw.len() > MESSAGE_OCTETS {
        return Err(ParseError::new("message", Why::TooLarge, MESSAGE_OCTETS));
    }
    let skipped = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
    let mut walk = Walk { bytes: &raw, ascii: true, folded: false, defect: None };
    let (start, at) = walk.start(skipped)?;
    let mut table = Table { fields: SmallVec::new(), first: [0; HeaderName::COUNT] };
    let head_end = walk.fields(at, &mut table)?;
    let Walk { ascii, folded, defect, .. } = walk;
    let repaired = if ascii { None } else { repair(&raw, head_end) };
    let mut message = Message { raw, repaired, start, table, body: Span(0, 0), folded, defect };
    message.find_body(head_end);
    Ok(message)
}

/// A walk over the lines of the head.
struct Walk<'a> {
    bytes: &'a [u8],
    /// No octet outside ASCII was seen.
    ascii: bool,
    folded: bool,
    defect: Option<ParseError>,
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES * 0x80;

/// Whether an octet is a control character or outside ASCII. As signed numbers these are all that is below a space.
#[inline]
fn is_special(byte: u8) -> bool {
    byte.cast_signed() < b' '.cast_signed()
}

/// The highest bit of the first octet that is special, and perhaps of some after it.
#[inline]
fn specials(word: u64) -> u64 {
    (word.wrapping_sub(ONES * b' ' as u64) | word) & HIGH
}

/// The highest bit of the first octet that is a colon, and perhaps of some after it.
#[inline]
fn colons(word: u64) -> u64 {
    let zero = word ^ (ONES * b':' as u64);
    zero.wrapping_sub(ONES) & !zero & HIGH
}

impl Walk<'_> {
    #[cold]
    fn flaw(&mut self, part: &'static str, why: Why, at: usize) {
        self.defect.get_or_insert_with(|| ParseError::new(part, why, at));
    }

    /// Where the line ends that goes through `from`, without its line break, and where the next one begins.
    #[inline]
    fn line(&mut self, mut from: usize) -> Result<(usize, usize), ParseError> {
        while let Some(at) = special(self.bytes, from) {
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => return Ok((at, at + 2)),
                (Some(b'\n'), _) => return Ok((at, at + 1)),
                (Some(b'\t'), _) => {}
                (Some(0x80..), _) => self.ascii = false,
                (Some(b'\r'), _) => {
                    self.folded = true;
                    self.flaw("header section", Why::Control, at);
                }
                // Other control characters may stand behind a backslash in a quoted string.
                _ => self.folded = true,
            }
            from = at + 1;
        }
        Err(ParseError::new("header section", Why::NoEnd, self.bytes.len()))
    }

    /// Reads the start line; gives where the header fields begin.
    fn start(&mut self, from: usize) -> Result<(Start, usize), ParseError> {
        let not_sip = ParseError::new("start line", Why::NotSip, from);
        let (end, next) = self.line(from).map_err(|_| not_sip)?;
        let line = self.bytes.get(from..end).unwrap_or_default();
        let start = if line.first_chunk::<4>().is_some_and(|w| w.eq_ignore_ascii_case(b"SIP/")) {
            self.status_line(line, from)
        } else {
            self.request_line(line, from)
        };
        start.map(|s| (s, next)).ok_or(not_sip)
    }

    /// `Method SP Request-URI SP SIP-Version`. More white space than one space is let pass.
    fn request_line(&mut self, line: &[u8], at: usize) -> Option<Start> {
        let method_end = line.iter().position(|&b| !scan::is(b, scan::TOKEN))?;
        if method_end == 0 || !is_blank(line.get(method_end)) {
            return None;
        }
        let uri_end = match line.last_chunk::<8>() {
            Some(b" SIP/2.0") => line.len() - 8,
            _ => self.version(line, at)?,
        };
        let uri = trimmed(line, method_end, uri_end);
        if uri.0 == uri.1 {
            self.flaw("Request-URI", Why::Empty, at + method_end);
        }
        let method = std::str::from_utf8(line.get(..method_end)?).unwrap_or_default();
        let name = Span::new(at, at + method_end);
        let uri = Span::new(at + usize::from(uri.0), at + usize::from(uri.1));
        Some(Start::Request { method: Method::from_name(method), name, uri })
    }

    /// Where the version of an unusual request line begins.
    fn version(&mut self, line: &[u8], at: usize) -> Option<usize> {
        let last = line.iter().rposition(|b| !is_blank(Some(b)))?;
        let from = line.get(..last)?.iter().rposition(|b| is_blank(Some(b)))? + 1;
        let version = line.get(from..=last)?;
        if !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
            return None;
        }
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.flaw("request line", Why::Version, at + from);
        }
        Some(from)
    }

    /// `SIP-Version SP Status-Code SP Reason-Phrase`.
    fn status_line(&mut self, line: &[u8], at: usize) -> Option<Start> {
        let (version, rest) = line.split_at_checked(7)?;
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.flaw("status line", Why::Version, at);
        }
        let blanks = rest.iter().position(|b| !matches!(b, b' ' | b'\t'))?;
        let rest = rest.get(blanks..)?;
        let digits = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        let ends = matches!(rest.get(digits), None | Some(b' ' | b'\t'));
        if blanks == 0 || digits != 3 || !ends {
            return None;
        }
        let code = rest.get(..3)?.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
        let reason = trimmed(line, 7 + blanks + 3, line.len());
        let reason = Span::new(at + usize::from(reason.0), at + usize::from(reason.1));
        Some(Start::Response { status: Status::new(code)?, reason })
    }

    /// Indexes the header fields; gives where the body begins.
    fn fields(&mut self, mut at: usize, table: &mut Table) -> Result<usize, ParseError> {
        for _ in 0..=MESSAGE_HEADERS {
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => return Ok(at + 2),
                (Some(b'\n'), _) => return Ok(at + 1),
                _ => at = self.field(at, table)?,
            }
        }
        Err(ParseError::new("message", Why::TooLarge, at))
    }

    /// Indexes the header field that begins at `at`; gives where the next one begins.
    #[inline]
    fn field(&mut self, at: usize, table: &mut Table) -> Result<usize, ParseError> {
        let line = self.bytes.get(at..).unwrap_or_default();
        let colon = colon(line);
        let mut name_length = colon;
        while name_length > 0 && is_blank(line.get(name_length - 1)) {
            name_length -= 1;
        }
        let id = name::lookup_in(line, name_length);
        let named = id != HeaderName::Other || is_name(line.get(..name_length));
        let from = if named { at + colon + 1 } else { at };
        let (mut end, mut next) = self.line(from)?;
        while is_blank(self.bytes.get(next)) {
            self.folded = true;
            (end, next) = self.line(next)?;
        }
        if !named {
            self.flaw("header line", Why::NoColon, at);
            return Ok(next);
        }
        let position = table.fields.len();
        if let Some(first) = table.first.get_mut(id as usize) {
            if *first == 0 {
                *first = position as u8 + 1;
            } else if id.is_single() {
                self.flaw(id.as_str(), Why::Repeated, at);
            }
        }
        let value = trimmed(self.bytes, from, end);
        table.fields.push(Field { id, name_length: name_length as u8, at: at as u16, value });
        Ok(next)
    }
}

/// The place of the first control character or octet outside ASCII at `from` or after it.
#[inline]
fn special(bytes: &[u8], from: usize) -> Option<usize> {
    let (chunks, tail) = bytes.get(from..)?.as_chunks::<16>();
    let mut at = from;
    for chunk in chunks {
        // Without a branch inside, so that all sixteen are compared at once.
        if chunk.iter().fold(false, |any, &b| any | is_special(b)) {
            let (low, high) = chunk.split_at(8);
            let first = |half: &[u8]| half.first_chunk().map_or(0, |w| specials(u64::from_le_bytes(*w)));
            let (low, high) = (first(low), first(high));
            let bit = if low != 0 { low.trailing_zeros() } else { 64 + high.trailing_zeros() };
            return Some(at + (bit / 8) as usize);
        }
        at += 16;
    }
    tail.iter().position(|&b| is_special(b)).map(|i| at + i)
}

/// Octets before the first colon; 0 when there is none among the first 256.
#[inline]
fn colon(line: &[u8]) -> usize {
    let (words, tail) = line.as_chunks::<8>();
    for (i, word) in words.iter().take(32).enumerate() {
        let found = colons(u64::from_le_bytes(*word));
        if found != 0 {
            return 8 * i + (found.trailing_zeros() / 8) as usize;
        }
    }
    let near = words.len() < 32;
    tail.iter().position(|&b| near && b == b':').map_or(0, |i| 8 * words.len() + i)
}

#[inline]
fn is_blank(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'\t'))
}

/// Whether this is a header name: a token whose length fits a [`Field`].
fn is_name(name: Option<&[u8]>) -> bool {
    name.is_some_and(|n| (1..=255).contains(&n.len()) && n.iter().all(|&b| scan::is(b, scan::TOKEN)))
}

/// What is left of `bytes[from..to]` without white space at its ends.
#[inline]
fn trimmed(bytes: &[u8], mut from: usize, mut to: usize) -> Span {
    while from < to && bytes.get(from).is_some_and(|&b| is_space(b)) {
        from += 1;
    }
    while from < to && bytes.get(to - 1).is_some_and(|&b| is_space(b)) {
        to -= 1;
    }
    Span::new(from, to)
}

#[inline]
fn is_space(b: u8) -> bool {
    b <= b' ' && scan::is(b, scan::LWS)
}

impl Message {
    /// Finds the body: as long as Content-Length says, or all there is without one (RFC 3261 §18.3).
    fn find_body(&mut self, from: usize) {
        let to = self.raw.len();
        self.body = Span::new(from, to);
        let Some(field) = self.first(HeaderName::ContentLength) else { return };
        let why = match scan::number_of(self.octets(field.value), u32::MAX) {
            Ok(n) if n as usize <= to - from => {
                self.body = Span::new(from, from + n as usize);
                return;
            }
            Ok(_) => Why::Short,
            Err(why) => why,
        };
        let at = usize::from(field.value.0);
        self.defect.get_or_insert_with(|| ParseError::new(HeaderName::ContentLength.as_str(), why, at));
    }
}

/// A copy whose head is UTF-8: every octet that is not becomes U+001A. `None` when it is UTF-8 as it is.
fn repair(raw: &[u8], head_end: usize) -> Option<Bytes> {
    let mut rest = raw.get(..head_end)?;
    if std::str::from_utf8(rest).is_ok() {
        return None;
    }
    let mut copy = Vec::with_capacity(head_end);
    while let Err(e) = std::str::from_utf8(rest) {
        let bad = e.valid_up_to();
        copy.extend_from_slice(rest.get(..bad)?);
        copy.push(0x1a);
        rest = rest.get(bad + 1..)?;
    }
    copy.extend_from_slice(rest);
    Some(copy.into())
}
