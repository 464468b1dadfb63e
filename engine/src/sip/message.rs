//! A message: its octets and an index of its header fields (RFC 3261 §7).

use bytes::Bytes;
use smallvec::SmallVec;

use super::error::{ParseError, Why};
use super::index;
use super::method::Method;
use super::name::HeaderName;
use super::scan::{self, Elements, Span};
use super::status::Status;

/// Header fields that need no memory of their own.
const INLINE: usize = 32;

/// Where one header field stands: its name, and its value without white space at the ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) id: HeaderName,
    pub(super) name_length: u8,
    pub(super) at: u16,
    pub(super) value: Span,
}

impl Field {
    pub(super) fn name(&self) -> Span {
        Span(self.at, self.at.saturating_add(u16::from(self.name_length)))
    }
}

/// What the start line says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Request { method: Method, name: Span, uri: Span },
    Response { status: Status, reason: Span },
}

/// The header fields in order, and where the first of each name is.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) fields: SmallVec<[Field; INLINE]>,
    /// By [`HeaderName`]: one more than the position of the first field of that name, or 0.
    pub(super) first: [u8; HeaderName::COUNT],
}

/// One SIP message: the octets as they came and an index of them. Nothing is copied or decoded before it is asked for.
///
/// A folded value keeps its line breaks; every reader in this module takes them for white space, and a
/// [`super::Writer`] makes spaces of them. Octets that are not UTF-8 are shown as U+001A, which no grammar allows
/// outside quoted strings and free text: a phone that sends its display name in Latin-1 is served all the same, and
/// [`Message::raw`] still has what it sent.
#[derive(Clone, Debug)]
pub struct Message {
    pub(super) raw: Bytes,
    /// `raw` with every octet that is not UTF-8 replaced, when there are any.
    pub(super) repaired: Option<Bytes>,
    pub(super) start: Start,
    pub(super) table: Table,
    pub(super) body: Span,
    /// Whether a header field holds line breaks or other control characters but tabs.
    pub(super) folded: bool,
    pub(super) defect: Option<ParseError>,
}

/// One header field.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Which header it is.
    pub id: HeaderName,
    /// Its name as written.
    pub name: &'a str,
    /// Its value without white space at the ends.
    pub value: &'a str,
    /// All of it as it came.
    pub(super) line: &'a [u8],
    /// Whether `line` is free of line breaks and other control characters.
    pub(super) clean: bool,
}

/// As its octets: everything else is read from them again.
#[cfg(feature = "serde")]
impl serde::Serialize for Message {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(to)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Message {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(Bytes::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl Message {
    /// Indexes one whole message: a datagram, or one frame of a stream. Line breaks before it are skipped (RFC 3261
    /// §7.5). What a datagram holds beyond Content-Length is no part of the body (§18.3).
    ///
    /// # Errors
    /// Only when nothing can be answered: no start line, no end of the header section, or over the limits
    /// [`MESSAGE_OCTETS`](crate::limits::MESSAGE_OCTETS) and [`MESSAGE_HEADERS`](crate::limits::MESSAGE_HEADERS).
    /// Other errors are kept for [`Message::defect`].
    pub fn parse(raw: Bytes) -> Result<Self, ParseError> {
        index::parse(raw)
    }

    /// The first error in the start line, a header line or the framing; a request with one is answered with
    /// [`ParseError::status`].
    pub fn defect(&self) -> Option<&ParseError> {
        self.defect.as_ref()
    }

    /// The octets as they came.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method of a request; of a response, the one in CSeq: [`Method::Other`] when that cannot be read.
    pub fn method(&self) -> Method {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq().map_or(Method::Other, |c| c.method),
        }
    }

    /// The method's name as written, in the start line of a request or in the CSeq of a response.
    pub fn method_name(&self) -> &str {
        match self.start {
            Start::Request { name, .. } => self.text(name),
            Start::Response { .. } => self.cseq().map_or("", |c| c.name),
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn request_uri(&self) -> &str {
        match self.start {
            Start::Request { uri, .. } => self.text(uri),
            Start::Response { .. } => "",
        }
    }

    /// The status of a response.
    pub fn status(&self) -> Option<Status> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response; empty for a request.
    pub fn reason(&self) -> &str {
        match self.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => self.text(reason),
        }
    }

    /// All header fields, in order. Lines that are no header fields are left out.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.table.fields.iter().map(|f| self.field(f))
    }

    /// The value of the first field of this name. For [`HeaderName::Other`] see [`Message::other`].
    #[inline]
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.first(name).map(|f| self.text(f.value))
    }

    /// The value of every field of this name.
    pub fn headers_named(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.fields_named(name).map(|f| self.text(f.value))
    }

    /// The values of all fields of this name, comma-separated lists taken apart. Empty elements are left out.
    pub fn values(&self, name: HeaderName) -> Values<'_> {
        Values { message: self, name, next: 0, elements: Elements::new("") }
    }

    /// The value of the first field of a name that is no [`HeaderName`], compared without case.
    pub fn other(&self, name: &str) -> Option<&str> {
        let other = self.table.fields.iter().filter(|f| f.id == HeaderName::Other);
        other.map(|f| self.field(f)).find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    }

    /// Whether a list of tokens holds this one, compared without case: option tags, methods, events.
    pub fn has_token(&self, list: HeaderName, token: &str) -> bool {
        self.values(list).any(|v| v.eq_ignore_ascii_case(token))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.octets(self.body)
    }

    /// The body, sharing the message's memory.
    pub fn body_bytes(&self) -> Bytes {
        self.raw.slice(self.body.range())
    }

    /// The first field of this name.
    #[inline]
    pub(super) fn first(&self, name: HeaderName) -> Option<&Field> {
        let position = self.table.first.get(name as usize)?.checked_sub(1)?;
        self.table.fields.get(usize::from(position))
    }

    /// The first field of this name at position `from` or after, and its position.
    pub(super) fn field_from(&self, name: HeaderName, from: usize) -> Option<(usize, &Field)> {
        let first = usize::from(*self.table.first.get(name as usize)?).checked_sub(1)?;
        let from = from.max(first);
        let found = self.table.fields.get(from..)?.iter().position(|f| f.id == name)? + from;
        self.table.fields.get(found).map(|f| (found, f))
    }

    /// Every field of this name.
    pub(super) fn fields_named(&self, name: HeaderName) -> impl Iterator<Item = &Field> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (position, field) = self.field_from(name, next)?;
            next = position + 1;
            Some(field)
        })
    }

    pub(super) fn field(&self, f: &Field) -> Header<'_> {
        Header {
            id: f.id,
            name: self.text(f.name()),
            value: self.text(f.value),
            line: self.line(f),
            clean: !self.folded,
        }
    }

    /// A field as it came, from the first character of its name to the last of its value.
    pub(super) fn line(&self, f: &Field) -> &[u8] {
        self.octets(Span(f.at, f.value.1))
    }

    /// Text of the head.
    #[inline]
    pub(super) fn text(&self, span: Span) -> &str {
        let octets = match &self.repaired {
            None => self.octets(span),
            Some(repaired) => repaired.get(span.range()).unwrap_or_default(),
        };
        std::str::from_utf8(octets).unwrap_or_default()
    }

    #[inline]
    pub(super) fn octets(&self, span: Span) -> &[u8] {
        self.raw.get(span.range()).unwrap_or_default()
    }
}

/// Walks the values of a header: see [`Message::values`].
#[derive(Clone, Debug)]
pub struct Values<'a> {
    message: &'a Message,
    name: HeaderName,
    /// The field to look at next.
    next: usize,
    /// What is left of the field before it.
    elements: Elements<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if let Some(element) = self.elements.next() {
                return Some(element);
            }
            let (position, field) = self.message.field_from(self.name, self.next)?;
            self.next = position + 1;
            let value = self.message.text(field.value);
            if !self.name.is_list() {
                return Some(value);
            }
            self.elements = Elements::new(value);
        }
    }
}

/// A value without folds: line breaks become spaces.
pub fn unfold(value: &str) -> std::borrow::Cow<'_, str> {
    if value.bytes().any(|b| matches!(b, b'\r' | b'\n')) {
        let lines = value.split(['\r', '\n']).map(scan::trim).filter(|l| !l.is_empty());
        return lines.collect::<Vec<_>>().join(" ").into();
    }
    value.into()
}

/// A required header that is not there.
pub(super) fn missing(name: HeaderName) -> ParseError {
    ParseError::new(name.as_str(), Why::Missing, 0)
}
