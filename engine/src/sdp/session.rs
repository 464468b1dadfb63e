//! A session description as a view over its bytes.

use smallvec::SmallVec;

use super::error::{Fault, ParseError};
use super::value::{Attribute, Bandwidth, Connection, MediaLine, Origin, Timing};
use crate::limits;

/// A session description (RFC 8866): its bytes, with an index of the lines.
///
/// Every line is kept, known or not, in the order of arrival; nothing is copied. The order that RFC 8866 §5 asks for
/// is demanded where it carries meaning: `v=`, `o=`, `s=` first and once, `m=` beginning a media description. The
/// optional lines of a section may stand in any order, since senders err there and nothing is unclear by it. `v= o= s=
/// c= t= m=` must be well formed; the others are looked into when they are asked for.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    raw: &'a [u8],
    lines: SmallVec<[Span; 48]>,
    origin: Origin<'a>,
    connection: Option<Connection<'a>>,
    timing: Timing,
    media: MediaLines<'a>,
}

/// Where a line's value stands. 16 bits reach because a body is no longer than a message.
#[derive(Clone, Copy, Debug)]
struct Span {
    kind: u8,
    start: u16,
    end: u16,
}

/// A line: its type letter, and what is behind the `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Type letter.
    pub kind: u8,
    /// Its value, without the line end.
    pub value: &'a [u8],
}

impl<'a> Session<'a> {
    /// Reads a session description. Lines may end in CRLF or in LF alone (RFC 8866 §5).
    ///
    /// # Errors
    /// The first [`Fault`] with its line.
    pub fn parse(raw: &'a [u8]) -> Result<Self, ParseError> {
        let at = |fault, line: usize| ParseError { fault, line: u16::try_from(line).unwrap_or(u16::MAX) };
        if raw.len() > limits::MESSAGE_OCTETS {
            return Err(at(Fault::TooLong, 1));
        }
        let lines = split_lines(raw).map_err(|(fault, line)| at(fault, line))?;
        let values = View { raw, lines: &lines };
        let origin = values.opening().map_err(|(fault, line)| at(fault, line))?;
        let (mut connection, mut timing, mut media) = (None, None, SmallVec::new());
        for (index, line) in values.iter().enumerate().skip(3) {
            let fault = match (line.kind, media.is_empty()) {
                (b'm', _) => read_media(line.value, index, &mut media).err(),
                (b'c', true) if connection.is_some() => Some(Fault::Misplaced),
                (b'c', in_session) => match Connection::parse(line.value) {
                    None => Some(Fault::Connection),
                    Some(read) => {
                        connection = if in_session { Some(read) } else { connection };
                        None
                    }
                },
                (b't', true) => match Timing::parse(line.value) {
                    None => Some(Fault::Timing),
                    Some(read) => {
                        timing = timing.or(Some(read));
                        None
                    }
                },
                (b'v' | b'o' | b's' | b't', _) => Some(Fault::Misplaced),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(at(fault, index + 1));
            }
        }
        let end = media.first().map_or(lines.len(), |(index, _)| *index);
        let timing = timing.ok_or(at(Fault::NoTiming, end + 1))?;
        Ok(Self { raw, lines, origin, connection, timing, media })
    }

    /// All of it, as it came.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Every line in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + '_ {
        View { raw: self.raw, lines: &self.lines }.iter()
    }

    /// Who made it, and which edition it is.
    pub fn origin(&self) -> Origin<'a> {
        self.origin
    }

    /// The session's own `c=` line, for all media that have none.
    pub fn connection(&self) -> Option<Connection<'a>> {
        self.connection
    }

    /// The first `t=` line.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// What stands before the first media description.
    pub fn session(&self) -> Section<'a, '_> {
        let end = self.media.first().map_or(self.lines.len(), |(index, _)| *index);
        self.section(0, end)
    }

    /// The media descriptions in order.
    pub fn media(&self) -> impl ExactSizeIterator<Item = Media<'a, '_>> + '_ {
        self.media.iter().enumerate().map(|(n, (start, line))| {
            let end = self.media.get(n + 1).map_or(self.lines.len(), |(index, _)| *index);
            Media { line: *line, section: self.section(*start, end) }
        })
    }

    fn section(&self, start: usize, end: usize) -> Section<'a, '_> {
        Section(View { raw: self.raw, lines: self.lines.get(start..end).unwrap_or_default() })
    }
}

/// One media description of a [`Session`].
#[derive(Clone, Copy, Debug)]
pub struct Media<'a, 's> {
    /// Its `m=` line.
    pub line: MediaLine<'a>,
    /// All its lines, `m=` the first.
    pub section: Section<'a, 's>,
}

/// The session level, or one media description, of a [`Session`].
#[derive(Clone, Copy, Debug)]
pub struct Section<'a, 's>(View<'a, 's>);

impl<'a, 's> Section<'a, 's> {
    /// Every line in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a, 's> {
        self.0.iter()
    }

    /// The values of the lines with this type letter.
    pub fn values(&self, kind: u8) -> impl Iterator<Item = &'a [u8]> + use<'a, 's> {
        self.lines().filter(move |line| line.kind == kind).map(|line| line.value)
    }

    /// The first `c=` line of the section.
    pub fn connection(&self) -> Option<Connection<'a>> {
        Connection::parse(self.values(b'c').next()?)
    }

    /// The `b=` lines that can be read.
    pub fn bandwidths(&self) -> impl Iterator<Item = Bandwidth<'a>> + use<'a, 's> {
        self.values(b'b').filter_map(Bandwidth::parse)
    }

    /// The `a=` lines.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a, 's> {
        self.values(b'a').map(Attribute::parse)
    }

    /// The value of the first attribute of this name; empty for one that has none.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        self.attributes().find(|a| a.name == name.as_bytes()).map(|a| a.value)
    }
}

#[derive(Clone, Copy, Debug)]
struct View<'a, 's> {
    raw: &'a [u8],
    lines: &'s [Span],
}

impl<'a, 's> View<'a, 's> {
    fn iter(self) -> impl Iterator<Item = Line<'a>> + use<'a, 's> {
        self.lines.iter().map(move |span| Line {
            kind: span.kind,
            value: self.raw.get(usize::from(span.start)..usize::from(span.end)).unwrap_or_default(),
        })
    }

    /// `v=`, `o=` and `s=`, the three that every description begins with.
    fn opening(self) -> Result<Origin<'a>, (Fault, usize)> {
        let mut lines = self.iter();
        let version =
            lines.next().is_some_and(|line| line.kind == b'v' && line.value.trim_ascii_end() == b"0");
        if !version {
            return Err((Fault::Version, 1));
        }
        let origin = lines.next().filter(|line| line.kind == b'o').and_then(|line| Origin::parse(line.value));
        let origin = origin.ok_or((Fault::Origin, 2))?;
        if lines.next().is_some_and(|line| line.kind == b's') { Ok(origin) } else { Err((Fault::Name, 3)) }
    }
}

type MediaLines<'a> = SmallVec<[(usize, MediaLine<'a>); 2]>;

fn read_media<'a>(value: &'a [u8], index: usize, media: &mut MediaLines<'a>) -> Result<(), Fault> {
    let line = MediaLine::parse(value).ok_or(Fault::Media)?;
    if media.len() >= limits::SDP_MEDIA {
        return Err(Fault::TooManyMedia);
    }
    if line.formats().count() > limits::SDP_FORMATS {
        return Err(Fault::TooManyFormats);
    }
    media.push((index, line));
    Ok(())
}

/// Finds the lines. Empty ones are suffered at the end only.
fn split_lines(raw: &[u8]) -> Result<SmallVec<[Span; 48]>, (Fault, usize)> {
    let mut lines = SmallVec::new();
    let end = raw.len() - raw.iter().rev().take_while(|&&b| b == b'\r' || b == b'\n').count();
    let body = raw.get(..end).unwrap_or_default();
    let mut returns = memchr::memchr_iter(b'\r', body).count();
    let mut start = 0;
    while start < end {
        let number = lines.len() + 1;
        let rest = body.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let next = start + length + 1;
        let mut line = rest.get(..length).unwrap_or_default();
        if let Some(shorter) = line.strip_suffix(b"\r") {
            returns -= 1;
            line = shorter;
        }
        let &[kind, b'=', ref value @ ..] = line else {
            return Err((Fault::NotALine, number));
        };
        if !kind.is_ascii_alphabetic() {
            return Err((Fault::NotALine, number));
        }
        if number > limits::SDP_LINES {
            return Err((Fault::TooManyLines, number));
        }
        let place = |offset: usize| u16::try_from(offset).map_err(|_| (Fault::TooLong, number));
        lines.push(Span { kind, start: place(start + 2)?, end: place(start + 2 + value.len())? });
        start = next;
    }
    if returns > 0 || memchr::memchr(0, body).is_some() {
        let values = View { raw, lines: &lines };
        let found = values.iter().position(|line| memchr::memchr2(b'\r', 0, line.value).is_some());
        return Err((Fault::ControlCharacter, found.unwrap_or(0) + 1));
    }
    Ok(lines)
}
