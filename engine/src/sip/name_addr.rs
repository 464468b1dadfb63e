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
    end: u16,
}

const PART: &str = "address";

impl<'a> NameAddr<'a> {
    /// Parses one whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Self::parse_field(text, PART, 0)
    }

    /// Parses the whole value of the header field `part` that begins at `base` in its message.
    pub(super) fn parse_field(text: &'a str, part: &'static str, base: usize) -> Result<Self, ParseError> {
        Self::parse_as(text, part, base, false)
    }

    /// Parses the first value of the list in such a field: see [`NameAddr::end`].
    pub(super) fn parse_first(text: &'a str, part: &'static str, base: usize) -> Result<Self, ParseError> {
        Self::parse_as(text, part, base, true)
    }

    // Everything is inlined here and the result passed on as it is: copying a value that was written piece by piece
    // just before costs more than writing it.
    fn parse_as(text: &'a str, part: &'static str, base: usize, list: bool) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        match Self::read(&mut c, list) {
            Ok(address) => Ok(address),
            Err(why) => Err(ParseError::new(part, why, base + c.at())),
        }
    }

    #[inline(always)]
    fn read(c: &mut Cursor<'a>, list: bool) -> Result<Self, Why> {
        c.check_length()?;
        let display = read_display(c)?;
        let bare = !c.eat(b'<');
        let uri = Uri::read(c, bare)?;
        if bare && c.peek() == b'?' {
            return Err(Why::Brackets);
        }
        if !bare && !c.eat(b'>') {
            return Err(if c.is_done() { Why::Unclosed } else { Why::Character });
        }
        let mut tag = None;
        let params = params::params(c, |p| {
            if tag.is_none() && p.name.eq_ignore_ascii_case("tag") {
                tag = Some(p.value.ok_or(Why::Parameter)?);
            }
            Ok(())
        })?;
        c.end_of_value(list)?;
        Ok(Self { display, uri, uri_text: uri.text(), params, tag, end: c.at() as u16 })
    }

    /// Where in its text the value ended: at the end or at a comma.
    pub(super) fn end(&self) -> usize {
        usize::from(self.end)
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
#[inline(always)]
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
                let name = scan::trim(name);
                // Between quotes, where names are written, it would take the closing quote for itself.
                let open = name.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1;
                return if open { Err(Why::Character) } else { Ok(Some(name)) };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> NameAddr<'_> {
        NameAddr::parse(text).unwrap_or_else(|e| panic!("{text}: {e} at {}", e.offset()))
    }

    fn why(text: &str) -> Why {
        NameAddr::parse(text).map(|a| a.to_string()).unwrap_err().why()
    }

    #[test]
    fn the_examples_of_rfc_3261_section_20() {
        let a = address("\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s");
        assert_eq!((a.display, a.uri.user(), a.tag()), (Some("A. G. Bell"), "agb", Some("a48s")));
        let a = address("sip:+12125551212@server.phone2net.com;tag=887s");
        assert_eq!(
            (a.display, a.uri_text, a.tag()),
            (None, "sip:+12125551212@server.phone2net.com", Some("887s"))
        );
        let a = address("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8");
        assert_eq!((a.display_name().as_deref(), a.tag()), (Some("Anonymous"), Some("hyh8")));
        let a = address("\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600");
        assert_eq!((a.q(), a.expires()), (Some(700), Some(Ok(3600))));
        let a = address("\"Mr. Watson\" <mailto:watson@bell-telephone.com> ;q=0.1");
        assert_eq!((a.uri.text(), a.q()), ("mailto:watson@bell-telephone.com", Some(100)));
        let a = address("<sip:a@b;lr?x=y>");
        assert_eq!((a.uri.param("lr"), a.uri.headers_text(), a.params.is_empty()), (Some(None), "x=y", true));
    }

    #[test]
    fn display_names() {
        assert_eq!(address("caller<sip:caller@example.com>").display, Some("caller"));
        assert_eq!(address("Müller (work) <sip:m@h>").display, Some("Müller (work)"));
        assert_eq!(address("\"\" <sip:m@h>").display_name(), None);
        assert_eq!(address("\"a \\\"b\\\" <c>, d\"\r\n <sip:m@h>").display_name().unwrap(), "a \"b\" <c>, d");
        assert_eq!(address(" \t<sip:m@h> ").display, None);
    }

    #[test]
    fn what_is_no_address() {
        assert_eq!(why(""), Why::NoScheme);
        assert_eq!(why("<sip:a@b"), Why::Unclosed);
        assert_eq!(why("\"x <sip:a@b>"), Why::Unquoted);
        assert_eq!(why("\"x\" sip:a@b"), Why::Character);
        assert_eq!(why("<sip:a@b> x"), Why::Trailing);
        assert_eq!(why("< sip:a@b>"), Why::NoScheme);
        assert_eq!(why("Bell, Alexander <sip:a.g.bell@bell-tel.com>"), Why::NoScheme);
        assert_eq!(why("sip:user@example.com?Route=x"), Why::Brackets);
        assert_eq!(why("<sip:a@b>;"), Why::Parameter);
        assert_eq!(why("<sip:a@b>;tag"), Why::Parameter);
        assert_eq!(why("<sip:a@b>, <sip:c@d>"), Why::Trailing);
    }

    #[test]
    fn q_values() {
        let q = |text: &str| thousandths(text);
        assert_eq!(
            (q("1"), q("1.0"), q("0.5"), q("0"), q("0.333"), q("0.")),
            (Some(1000), Some(1000), Some(500), Some(0), Some(333), Some(0))
        );
        assert_eq!(
            (q("1.1"), q("2"), q("0.1234"), q(""), q("a"), q("0.-1")),
            (None, None, None, None, None, None)
        );
    }

    /// Found by fuzzing: written between quotes, the name took the closing one for itself.
    #[test]
    fn a_bare_name_may_not_end_in_a_backslash() {
        assert!(NameAddr::parse("CORP\\ <sip:+@ift.client.example.net;user=phone>").is_err());
        let name = address("CORP\\bob <sip:bob@h>");
        assert_eq!(address(&name.to_string()).display_name(), name.display_name());
    }

    proptest! {
        #[test]
        fn any_name_survives_quoting(name in "[^\r\n]+") {
            let text = format!("{} <sip:h>;tag=1", Quoted(&name));
            let a = address(&text);
            prop_assert_eq!(a.display_name().unwrap(), name);
            let again = a.to_string();
            prop_assert_eq!(address(&again).display_name(), a.display_name());
            prop_assert_eq!(address(&again).tag(), Some("1"));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = NameAddr::parse(&text);
            let _ = NameAddr::parse(&format!("\"{text}<sip:a@b>{text}"));
        }
    }
}
