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
    media: SmallVec<[(usize, MediaLine<'a>); 3]>,
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
        let mut media: SmallVec<[(usize, MediaLine<'a>); 3]> = SmallVec::new();
        let (mut connected, mut timed) = (false, false);
        for (index, line) in values.iter().enumerate().skip(3) {
            let fault = match line.kind {
                b'm' => match MediaLine::parse(line.value) {
                    None => Some(Fault::Media),
                    Some(_) if media.len() >= limits::SDP_MEDIA => Some(Fault::TooManyMedia),
                    Some(m) if m.formats().count() > limits::SDP_FORMATS => Some(Fault::TooManyFormats),
                    Some(m) => {
                        media.push((index, m));
                        None
                    }
                },
                b'c' if media.is_empty() && std::mem::replace(&mut connected, true) => Some(Fault::Misplaced),
                b'c' => Connection::parse(line.value).is_none().then_some(Fault::Connection),
                b't' if media.is_empty() => {
                    timed = true;
                    Timing::parse(line.value).is_none().then_some(Fault::Timing)
                }
                b'v' | b'o' | b's' | b't' => Some(Fault::Misplaced),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(at(fault, index + 1));
            }
        }
        if !timed {
            return Err(at(Fault::NoTiming, media.first().map_or(lines.len(), |(index, _)| *index) + 1));
        }
        Ok(Self { raw, lines, origin, media })
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

    /// The first `t=` line of the section.
    pub fn timing(&self) -> Option<Timing> {
        Timing::parse(self.values(b't').next()?)
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

/// Finds the lines. Empty ones are suffered at the end only.
fn split_lines(raw: &[u8]) -> Result<SmallVec<[Span; 48]>, (Fault, usize)> {
    let mut lines = SmallVec::new();
    let end = raw.len() - raw.iter().rev().take_while(|&&b| b == b'\r' || b == b'\n').count();
    let mut start = 0;
    while start < end {
        let number = lines.len() + 1;
        let rest = raw.get(start..end).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let next = start + length + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let [kind, b'=', value @ ..] = line else {
            return Err((Fault::NotALine, number));
        };
        if !kind.is_ascii_alphabetic() {
            return Err((Fault::NotALine, number));
        }
        if memchr::memchr2(b'\r', 0, value).is_some() {
            return Err((Fault::ControlCharacter, number));
        }
        if number > limits::SDP_LINES {
            return Err((Fault::TooManyLines, number));
        }
        let place = |offset: usize| u16::try_from(offset).map_err(|_| (Fault::TooLong, number));
        lines.push(Span { kind: *kind, start: place(start + 2)?, end: place(start + 2 + value.len())? });
        start = next;
    }
    Ok(lines)
}
