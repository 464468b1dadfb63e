//! Addresses with a display name and parameters: From, To, Contact, Route and their kin (RFC 3261 §20.10).

use std::borrow::Cow;
use std::fmt;

use super::error::{ParseError, Why};
use super::params::{self, Params};
use super::scan::{self, Cursor};
use super::uri::Uri;

/// `[ display-name ] "<" URI ">" *( ";" parameter )`, or a bare URI with parameters.
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    /// The display name: without the quotes of a quoted string, but with its backslashes.
    pub display: Option<&'a str>,
    /// The URI.
    pub uri: Uri<'a>,
    /// The URI as written.
    pub uri_text: &'a str,
    /// Parameters of the header field, not of the URI.
    pub params: Params<'a>,
    tag: Option<&'a str>,
}

const PART: &str = "address";

impl<'a> NameAddr<'a> {
    /// Parses one whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let (address, end) = Self::parse_first(text)?;
        if end == text.len() { Ok(address) } else { Err(ParseError::new(PART, Why::Trailing, end)) }
    }

    /// Parses the first value of a list; gives where it ends: at a comma or at the end of the text.
    #[inline]
    pub(super) fn parse_first(text: &'a str) -> Result<(Self, usize), ParseError> {
        scan::fits(PART, text)?;
        let mut c = Cursor::new(text);
        match Self::read(&mut c) {
            Ok(address) => {
                c.skip_lws();
                if c.is_done() || c.peek() == b',' {
                    Ok((address, c.at()))
                } else {
                    Err(ParseError::new(PART, Why::Character, c.at()))
                }
            }
            Err(why) => Err(ParseError::new(PART, why, c.at())),
        }
    }

    #[inline]
    fn read(c: &mut Cursor<'a>) -> Result<Self, Why> {
        let display = read_display(c)?;
        let uri = if c.eat(b'<') {
            let uri = Uri::read(c, false)?;
            if !c.eat(b'>') {
                return Err(if c.is_done() { Why::Unclosed } else { Why::Character });
            }
            uri
        } else {
            let uri = Uri::read(c, true)?;
            if c.peek() == b'?' {
                return Err(Why::Brackets);
            }
            uri
        };
        let mut tag = None;
        let params = params::params(c, |p| {
            if tag.is_none() && p.name.eq_ignore_ascii_case("tag") {
                tag = Some(p.value.ok_or(Why::Parameter)?);
            }
            Ok(())
        })?;
        Ok(Self { display, uri, uri_text: uri.text(), params, tag })
    }

    /// The display name as it is meant, without backslashes and folds; `None` when there is none or it is empty.
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        self.display.filter(|d| !d.is_empty()).map(scan::unquote)
    }

    /// The tag (RFC 3261 §19.3).
    pub fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// Preference of a contact in thousandths, 0 to 1000 (RFC 3261 §20.10); `None` when absent or not a qvalue.
    pub fn q(&self) -> Option<u16> {
        self.params.value("q").and_then(thousandths)
    }

    /// Lifetime of a contact in seconds (RFC 3261 §20.10).
    pub fn expires(&self) -> Option<Result<u32, ParseError>> {
        let text = self.params.get("expires")?.unwrap_or_default();
        Some(scan::number(text, u32::MAX).map_err(|why| ParseError::new("expires", why, 0)))
    }
}

/// Takes the display name; nothing when the URI stands without brackets.
#[inline]
fn read_display<'a>(c: &mut Cursor<'a>) -> Result<Option<&'a str>, Why> {
    c.skip_lws();
    match c.peek() {
        b'<' => Ok(None),
        b'"' => {
            let inside = c.quoted()?;
            c.skip_lws();
            if c.peek() == b'<' { Ok(Some(inside)) } else { Err(Why::Character) }
        }
        _ => {
            let from = c.at();
            let name = c.take(scan::DISPLAY);
            if c.peek() == b'<' {
                return Ok(Some(scan::trim(name)));
            }
            c.seek(from);
            Ok(None)
        }
    }
}

/// A `qvalue` in thousandths.
pub(super) fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = match whole {
        "0" | "" => 0,
        "1" => 1000,
        _ => return None,
    };
    let digits = fraction.len() as u32;
    if digits > 3 || (digits == 0 && text.is_empty()) {
        return None;
    }
    let part = if digits == 0 { 0 } else { scan::number(fraction, 999).ok()? * 10u32.pow(3 - digits) };
    let sum = whole + part as u16;
    (sum <= 1000).then_some(sum)
}

impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.display {
            Some(name) => write!(f, "\"{name}\" <{}>{}", self.uri, self.params.text()),
            None => write!(f, "<{}>{}", self.uri, self.params.text()),
        }
    }
}

/// Displays any text as a quoted string: backslashes and quotes are escaped (RFC 3261 §25.1).
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for piece in self.0.split_inclusive(['"', '\\']) {
            match piece.as_bytes().last() {
                Some(&b @ (b'"' | b'\\')) => {
                    f.write_str(piece.get(..piece.len() - 1).unwrap_or_default())?;
                    write!(f, "\\{}", char::from(b))?;
                }
                _ => f.write_str(piece)?,
            }
        }
        f.write_str("\"")
    }
}
