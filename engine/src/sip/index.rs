//! Indexing a message: one pass over its lines (RFC 3261 §7).

use bytes::Bytes;
use memchr::{Memchr, memchr, memchr_iter};
use smallvec::SmallVec;

use super::error::{ParseError, Why};
use super::message::{Field, Message, Span, Start, Table};
use super::method::Method;
use super::name::{self, HeaderName};
use super::scan;
use super::status::Status;
use crate::limits::{MESSAGE_HEADERS, MESSAGE_OCTETS};

// Spans are 16 bits wide, positions of fields 8.
const _: () = assert!(MESSAGE_OCTETS <= u16::MAX as usize && MESSAGE_HEADERS < u8::MAX as usize);

/// See [`Message::parse`].
pub(super) fn parse(raw: Bytes) -> Result<Message, ParseError> {
    let bytes: &[u8] = &raw;
    if bytes.len() > MESSAGE_OCTETS {
        return Err(ParseError::new("message", Why::TooLarge, MESSAGE_OCTETS));
    }
    let skipped = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    let mut walk = Walk { bytes, lines: memchr_iter(b'\n', bytes), defect: None, breaks: 0 };
    let (start, at) = walk.start(skipped)?;
    let mut table = Table { fields: SmallVec::new(), first: [0; HeaderName::COUNT] };
    let head_end = walk.fields(at, &mut table)?;
    let controls = walk.controls(skipped, head_end);
    let mut defect = walk.defect;
    let mut message = Message { raw, repaired: None, start, table, body: Span(0, 0), defect: None };
    if let Some(at) = controls.bad {
        defect.get_or_insert(ParseError::new("header section", Why::Control, at));
    }
    if controls.high {
        message.repaired = repair(&message.raw, head_end);
    }
    let (body, error) = body(&message, head_end);
    message.body = body;
    message.defect = defect.or(error);
    Ok(message)
}

/// A walk over the lines of the head.
struct Walk<'a> {
    bytes: &'a [u8],
    lines: Memchr<'a>,
    defect: Option<ParseError>,
    /// Octets of line ends seen.
    breaks: usize,
}

/// What the control characters of the head say.
struct Controls {
    /// Where the first one is that may not stand there.
    bad: Option<usize>,
    /// Whether there are octets outside ASCII.
    high: bool,
}

impl Walk<'_> {
    fn flaw(&mut self, part: &'static str, why: Why, at: usize) {
        self.defect.get_or_insert_with(|| ParseError::new(part, why, at));
    }

    /// Where the next line that ends at or after `from` ends, without its line break, and where the one after begins.
    #[inline]
    fn line(&mut self, from: usize) -> Result<(usize, usize), ParseError> {
        loop {
            let Some(lf) = self.lines.next() else {
                return Err(ParseError::new("header section", Why::NoEnd, self.bytes.len()));
            };
            if lf >= from {
                let cr = lf > from && self.bytes.get(lf - 1) == Some(&b'\r');
                self.breaks += 1 + usize::from(cr);
                return Ok((lf - usize::from(cr), lf + 1));
            }
        }
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
        let blank = |b: &u8| matches!(b, b' ' | b'\t');
        let method_end = line.iter().position(blank)?;
        let method = line.get(..method_end)?;
        if method.is_empty() || !method.iter().all(|&b| scan::is(b, scan::TOKEN)) {
            return None;
        }
        let last = line.iter().rposition(|b| !blank(b))?;
        let version_start = line.get(..last)?.iter().rposition(blank)? + 1;
        let version = line.get(version_start..=last)?;
        if !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
            return None;
        }
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.flaw("request line", Why::Version, at + version_start);
        }
        let uri = trimmed(line, method_end, version_start);
        let text = line.get(usize::from(uri.0)..usize::from(uri.1))?;
        if text.is_empty() {
            self.flaw("Request-URI", Why::Empty, at + method_end);
        } else if text.iter().any(blank) {
            self.flaw("Request-URI", Why::Character, at + usize::from(uri.0));
        }
        let name = span(at, at + method_end);
        let method = Method::from_name(std::str::from_utf8(method).unwrap_or_default());
        let uri = span(at + usize::from(uri.0), at + usize::from(uri.1));
        Some(Start::Request { method, name, uri })
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
        let reason = span(at + usize::from(reason.0), at + usize::from(reason.1));
        Some(Start::Response { status: Status::new(code)?, reason })
    }

    /// Indexes the header fields; gives where the body begins.
    fn fields(&mut self, mut at: usize, table: &mut Table) -> Result<usize, ParseError> {
        loop {
            let (mut end, mut next) = self.line(at)?;
            if end == at {
                return Ok(next);
            }
            while let Some(b' ' | b'\t') = self.bytes.get(next) {
                (end, next) = self.line(next)?;
            }
            self.field(at, end, table)?;
            at = next;
        }
    }

    /// Indexes the header field in `at..end`.
    #[inline]
    fn field(&mut self, at: usize, end: usize, table: &mut Table) -> Result<(), ParseError> {
        let line = self.bytes.get(at..end).unwrap_or_default();
        let Some(colon) = memchr(b':', line) else {
            self.flaw("header line", Why::NoColon, at);
            return Ok(());
        };
        let mut name_end = colon;
        while name_end > 0 && matches!(line.get(name_end - 1), Some(b' ' | b'\t')) {
            name_end -= 1;
        }
        let from = self.bytes.get(at..).unwrap_or_default();
        let id = name::lookup_in(from, name_end);
        if id == HeaderName::Other {
            let name = line.get(..name_end).unwrap_or_default();
            if name.is_empty() || !name.iter().all(|&b| scan::is(b, scan::TOKEN)) {
                self.flaw("header line", Why::NoColon, at);
                return Ok(());
            }
        }
        if table.fields.len() >= MESSAGE_HEADERS {
            return Err(ParseError::new("message", Why::TooLarge, at));
        }
        let position = table.fields.len() as u8 + 1;
        if let Some(first) = table.first.get_mut(id as usize) {
            if *first == 0 {
                *first = position;
            } else if id.is_single() {
                self.flaw(id.as_str(), Why::Repeated, at);
            }
        }
        let value = trimmed(self.bytes, at + colon + 1, end);
        table.fields.push(Field { id, name: span(at, at + name_end), value });
        Ok(())
    }

    /// Looks at every octet of the head once. All its control characters must be tabs or the line ends already seen.
    fn controls(&self, from: usize, to: usize) -> Controls {
        let head = self.bytes.get(from..to).unwrap_or_default();
        let (mut controls, mut any) = (0, 0u8);
        for chunk in head.chunks(128) {
            let mut count = 0u8;
            for &b in chunk {
                count += u8::from((b < b' ' && b != b'\t') || b == 0x7f);
                any |= b;
            }
            controls += usize::from(count);
        }
        let bad = (controls != self.breaks).then(|| from + first_control(head).unwrap_or_default());
        Controls { bad, high: any >= 0x80 }
    }
}

/// Where the first control character is that is neither a tab nor part of a line end.
fn first_control(head: &[u8]) -> Option<usize> {
    let follows = |i: usize| head.get(i + 1).copied();
    head.iter().enumerate().position(|(i, &b)| match b {
        b'\t' | b'\n' => false,
        b'\r' => follows(i) != Some(b'\n'),
        b => b < b' ' || b == 0x7f,
    })
}

/// What is left of `bytes[from..to]` without white space at its ends.
#[inline]
fn trimmed(bytes: &[u8], mut from: usize, mut to: usize) -> Span {
    while from < to && bytes.get(from).is_some_and(|&b| scan::is(b, scan::LWS)) {
        from += 1;
    }
    while to > from && bytes.get(to - 1).is_some_and(|&b| scan::is(b, scan::LWS)) {
        to -= 1;
    }
    span(from, to)
}

/// Positions in a message fit 16 bits: [`MESSAGE_OCTETS`].
#[inline]
fn span(from: usize, to: usize) -> Span {
    Span(from as u16, to as u16)
}

/// Finds the body: as long as Content-Length says, or all there is without one (RFC 3261 §18.3).
fn body(message: &Message, from: usize) -> (Span, Option<ParseError>) {
    let to = message.raw.len();
    let Some(field) = message.first(HeaderName::ContentLength) else { return (span(from, to), None) };
    let error = |why| Some(ParseError::new("Content-Length", why, usize::from(field.value.0)));
    match scan::number(message.text(field.value), u32::MAX) {
        Ok(n) if n as usize <= to - from => (span(from, from + n as usize), None),
        Ok(_) => (span(from, to), error(Why::Short)),
        Err(why) => (span(from, to), error(why)),
    }
}

/// A copy whose head is UTF-8: every octet that is not becomes U+001A. `None` when it is UTF-8 as it is.
fn repair(raw: &Bytes, head_end: usize) -> Option<Bytes> {
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
