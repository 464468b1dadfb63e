//! Values of the smaller header fields (RFC 3261 §20 and extensions).

use std::borrow::Cow;

use super::error::{ParseError, Why};
use super::method::Method;
use super::params::{self, Params};
use super::scan::{self, Cursor};

/// The largest CSeq number (RFC 3261 §8.1.1.5: less than 2^31).
pub const CSEQ_MAX: u32 = (1 << 31) - 1;

/// CSeq (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method's name as written.
    pub name: &'a str,
}

impl<'a> CSeq<'a> {
    /// Parses a whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        match Self::read(&mut c) {
            Ok((number, name)) => Ok(Self { number, method: Method::from_name(name), name }),
            Err(why) => Err(ParseError::new("CSeq", why, c.at())),
        }
    }

    #[inline(always)]
    fn read(c: &mut Cursor<'a>) -> Result<(u32, &'a str), Why> {
        c.skip_lws();
        let number = scan::number(c.take(scan::DIGIT), CSEQ_MAX)?;
        Ok((number, last_token(c)?))
    }
}

/// RAck: which reliable provisional response is acknowledged (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck<'a> {
    /// The response's RSeq.
    pub rseq: u32,
    /// The response's CSeq.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Parses a whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        let mut read = || {
            c.skip_lws();
            let rseq = scan::number(c.take(scan::DIGIT), u32::MAX)?;
            let at = c.at();
            c.skip_lws();
            if c.at() == at {
                return Err(Why::Number);
            }
            let number = scan::number(c.take(scan::DIGIT), CSEQ_MAX)?;
            let name = last_token(&mut c)?;
            Ok(Self { rseq, cseq: CSeq { number, method: Method::from_name(name), name } })
        };
        read().map_err(|why| ParseError::new("RAck", why, c.at()))
    }
}

/// Takes white space and the token that ends the value.
#[inline(always)]
fn last_token<'a>(c: &mut Cursor<'a>) -> Result<&'a str, Why> {
    let at = c.at();
    c.skip_lws();
    if c.at() == at {
        return Err(if c.is_done() { Why::Empty } else { Why::Number });
    }
    let token = c.take(scan::TOKEN);
    if token.is_empty() {
        return Err(Why::Empty);
    }
    c.skip_lws();
    if c.is_done() { Ok(token) } else { Err(Why::Trailing) }
}

/// A token with parameters: Event, Reason, Subscription-State, Content-Disposition, Info-Package, Refer-Sub.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    /// What stands before the first semicolon.
    pub token: &'a str,
    /// What stands after.
    pub params: Params<'a>,
}

impl<'a> Tagged<'a> {
    /// Parses a whole value of the header `part`.
    pub fn parse(part: &'static str, text: &'a str) -> Result<Self, ParseError> {
        whole(part, text, |c| {
            let token = c.take(scan::TOKEN);
            if token.is_empty() {
                return Err(Why::Empty);
            }
            Ok(Self { token, params: params::params(c, |_| Ok(()))? })
        })
    }
}

/// Runs `read` on a whole value: nothing but white space may be left.
fn whole<'a, T>(
    part: &'static str,
    text: &'a str,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Why>,
) -> Result<T, ParseError> {
    let mut c = Cursor::new(text);
    c.skip_lws();
    let value = read(&mut c).map_err(|why| ParseError::new(part, why, c.at()))?;
    c.skip_lws();
    if c.is_done() { Ok(value) } else { Err(ParseError::new(part, Why::Trailing, c.at())) }
}

/// Event: a package and perhaps an id (RFC 6665 §8.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The package with its templates: `presence.winfo`.
    pub package: &'a str,
    /// The id, part of the subscription's name.
    pub id: Option<&'a str>,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Parses a whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let Tagged { token, params } = Tagged::parse("Event", text)?;
        Ok(Self { package: token, id: params.value("id"), params })
    }
}

/// Reason: why a request was sent (RFC 3326).
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another protocol.
    pub protocol: &'a str,
    /// The cause in that protocol.
    pub cause: Option<u32>,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Parses one value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let Tagged { token, params } = Tagged::parse("Reason", text)?;
        let cause = params.value("cause").map(|c| scan::number(c, u32::MAX)).transpose();
        let cause = cause.map_err(|why| ParseError::new("Reason", why, 0))?;
        Ok(Self { protocol: token, cause, params })
    }

    /// The text for people.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.iter().find(|p| p.name.eq_ignore_ascii_case("text")).and_then(|p| p.unquoted())
    }
}

/// Subscription-State (RFC 6665 §8.2.3).
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionState<'a> {
    /// `active`, `pending`, `terminated` or another.
    pub state: &'a str,
    /// Seconds left, or when to try again.
    pub expires: Option<u32>,
    /// All parameters, `reason` and `retry-after` among them.
    pub params: Params<'a>,
}

impl<'a> SubscriptionState<'a> {
    /// Parses a whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let part = "Subscription-State";
        let Tagged { token, params } = Tagged::parse(part, text)?;
        let expires = params.value("expires").map(|e| scan::number(e, u32::MAX)).transpose();
        Ok(Self { state: token, expires: expires.map_err(|why| ParseError::new(part, why, 0))?, params })
    }
}

/// Who refreshes a session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

impl Refresher {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, Debug)]
pub struct SessionExpires<'a> {
    /// The interval in seconds.
    pub seconds: u32,
    /// Who refreshes, when said.
    pub refresher: Option<Refresher>,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> SessionExpires<'a> {
    /// Parses a whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        whole("Session-Expires", text, |c| {
            let seconds = scan::number(c.take(scan::DIGIT), u32::MAX)?;
            let params = params::params(c, |_| Ok(()))?;
            let refresher = match params.get("refresher") {
                None => None,
                Some(Some(v)) if v.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                Some(Some(v)) if v.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                Some(_) => return Err(Why::Parameter),
            };
            Ok(Self { seconds, refresher, params })
        })
    }
}

/// A number of seconds with parameters: Min-SE, Min-Expires, Expires.
pub(super) fn seconds(part: &'static str, text: &str) -> Result<u32, ParseError> {
    whole(part, text, |c| {
        let seconds = scan::number(c.take(scan::DIGIT), u32::MAX)?;
        params::params(c, |_| Ok(()))?;
        Ok(seconds)
    })
}

/// Retry-After (RFC 3261 §20.33).
#[derive(Clone, Copy, Debug)]
pub struct RetryAfter<'a> {
    /// Seconds to wait.
    pub seconds: u32,
    /// The comment, without its parentheses.
    pub comment: Option<&'a str>,
    /// `duration` and others.
    pub params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// Parses a whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        whole("Retry-After", text, |c| {
            let seconds = scan::number(c.take(scan::DIGIT), u32::MAX)?;
            c.skip_lws();
            let comment = if c.peek() == b'(' { Some(comment(c)?) } else { None };
            Ok(Self { seconds, comment, params: params::params(c, |_| Ok(()))? })
        })
    }
}

/// Takes a comment, which may hold comments.
fn comment<'a>(c: &mut Cursor<'a>) -> Result<&'a str, Why> {
    let from = c.at() + 1;
    let mut depth = 0u32;
    while !c.is_done() {
        let at = c.at();
        c.seek(at + 1);
        match c.slice(at, at + 1).as_bytes() {
            b"\\" => c.seek(at + 2),
            b"(" => depth += 1,
            b")" if depth <= 1 => return Ok(c.slice(from, at)),
            b")" => depth -= 1,
            _ => {}
        }
    }
    Err(Why::Unquoted)
}

/// Replaces: the dialog that an INVITE takes over (RFC 3891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// Call-ID of the dialog.
    pub call_id: &'a str,
    /// Its local tag, seen from who receives this.
    pub to_tag: &'a str,
    /// Its remote tag, seen from who receives this.
    pub from_tag: &'a str,
    /// Whether only an early dialog may be replaced.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Parses a whole value. Inside a Refer-To URI it is escaped: undo that first.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        whole("Replaces", text, |c| {
            let from = c.at();
            while c.peek() != b';' && scan::is(c.peek(), scan::VISIBLE) {
                c.seek(c.at() + 1);
            }
            let call_id = c.slice(from, c.at());
            let (mut to, mut from) = (false, false);
            let params = params::params(c, |param| {
                let again =
                    |seen: &mut bool| if std::mem::replace(seen, true) { Err(Why::Repeated) } else { Ok(()) };
                match param.name {
                    name if name.eq_ignore_ascii_case("to-tag") => again(&mut to),
                    name if name.eq_ignore_ascii_case("from-tag") => again(&mut from),
                    _ => Ok(()),
                }
            })?;
            match (params.value("to-tag"), params.value("from-tag")) {
                _ if call_id.is_empty() => Err(Why::Empty),
                (Some(to_tag), Some(from_tag)) => {
                    Ok(Self { call_id, to_tag, from_tag, early_only: params.has("early-only") })
                }
                _ => Err(Why::Parameter),
            }
        })
    }
}

/// A media type: Content-Type, Accept (RFC 3261 §20.1, §20.15).
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// `application`; `*` in Accept.
    pub kind: &'a str,
    /// `sdp`; `*` in Accept.
    pub subtype: &'a str,
    /// `charset`, `boundary`, `q` and others.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Parses one value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        whole("media type", text, |c| {
            let kind = c.take(scan::TOKEN);
            if kind.is_empty() || !c.separator(b'/') {
                return Err(Why::Character);
            }
            let subtype = c.take(scan::TOKEN);
            if subtype.is_empty() {
                return Err(Why::Character);
            }
            Ok(Self { kind, subtype, params: params::params(c, |_| Ok(()))? })
        })
    }

    /// Whether it is this type and subtype, compared without case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether, as an entry of Accept, it covers this type and subtype.
    pub fn covers(&self, kind: &str, subtype: &str) -> bool {
        let is = |mine: &str, theirs| mine == "*" || mine.eq_ignore_ascii_case(theirs);
        is(self.kind, kind) && is(self.subtype, subtype)
    }
}

/// Warning (RFC 3261 §20.43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning<'a> {
    /// Three digits.
    pub code: u16,
    /// Who warns: a host and port or a pseudonym.
    pub agent: &'a str,
    text: &'a str,
}

impl<'a> Warning<'a> {
    /// Parses one value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        whole("Warning", text, |c| {
            let digits = c.take(scan::DIGIT);
            if digits.len() != 3 {
                return Err(Why::Number);
            }
            let code = scan::number(digits, 999)? as u16;
            c.skip_lws();
            let agent = c.take(scan::VISIBLE);
            c.skip_lws();
            Ok(Self { code, agent, text: c.quoted()? })
        })
    }

    /// The text for people.
    pub fn text(&self) -> Cow<'a, str> {
        scan::unquote(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why<T>(result: Result<T, ParseError>) -> Option<Why> {
        result.err().map(|e| e.why())
    }

    #[test]
    fn cseq_and_rack() {
        let c = CSeq::parse(" 0009 \r\n INVITE ").unwrap();
        assert_eq!((c.number, c.method, c.name), (9, Method::Invite, "INVITE"));
        assert_eq!(CSeq::parse("1 NEWMETHOD").unwrap().method, Method::Other);
        assert_eq!(why(CSeq::parse("2147483648 INVITE")), Some(Why::Range));
        assert_eq!(why(CSeq::parse("1INVITE")), Some(Why::Number));
        assert_eq!(why(CSeq::parse("1")), Some(Why::Empty));
        assert_eq!(why(CSeq::parse("1 INVITE x")), Some(Why::Trailing));
        assert_eq!(why(CSeq::parse("-1 INVITE")), Some(Why::Number));
        let r = RAck::parse("776656 1 INVITE").unwrap();
        assert_eq!((r.rseq, r.cseq.number, r.cseq.method), (776_656, 1, Method::Invite));
        assert_eq!(why(RAck::parse("776656 INVITE")), Some(Why::Number));
    }

    #[test]
    fn session_timers() {
        let s = SessionExpires::parse("4000;refresher=UAC").unwrap();
        assert_eq!((s.seconds, s.refresher), (4000, Some(Refresher::Uac)));
        assert_eq!(SessionExpires::parse("90").unwrap().refresher, None);
        assert_eq!(why(SessionExpires::parse("90;refresher=both")), Some(Why::Parameter));
        assert_eq!(why(SessionExpires::parse("x")), Some(Why::Number));
        assert_eq!(seconds("Min-SE", "60;x=y"), Ok(60));
        assert_eq!(why(seconds("Expires", "4294967296")), Some(Why::Range));
    }

    #[test]
    fn events_reasons_and_subscriptions() {
        let e = Event::parse("presence.winfo;id=a7").unwrap();
        assert_eq!((e.package, e.id), ("presence.winfo", Some("a7")));
        assert_eq!(why(Event::parse("")), Some(Why::Empty));
        let r = Reason::parse("Q.850 ;cause=16 ;text=\"Normal \\\"call\\\" clearing\"").unwrap();
        assert_eq!(
            (r.protocol, r.cause, r.text().as_deref()),
            ("Q.850", Some(16), Some("Normal \"call\" clearing"))
        );
        assert_eq!(why(Reason::parse("SIP;cause=x")), Some(Why::Number));
        let s = SubscriptionState::parse("terminated;reason=noresource;retry-after=5").unwrap();
        assert_eq!((s.state, s.expires, s.params.value("reason")), ("terminated", None, Some("noresource")));
        assert_eq!(SubscriptionState::parse("active;expires=60").unwrap().expires, Some(60));
    }

    #[test]
    fn retry_after_and_warning() {
        let r = RetryAfter::parse("18000 (I'm \\) in a (long) meeting);duration=3600").unwrap();
        assert_eq!((r.seconds, r.comment), (18000, Some("I'm \\) in a (long) meeting")));
        assert_eq!(r.params.value("duration"), Some("3600"));
        assert_eq!(RetryAfter::parse("120").unwrap().comment, None);
        assert_eq!(why(RetryAfter::parse("120 (x")), Some(Why::Unquoted));
        let w = Warning::parse("307 isi.edu:5060 \"Session parameter 'foo' not understood\"").unwrap();
        assert_eq!((w.code, w.agent), (307, "isi.edu:5060"));
        assert_eq!(w.text(), "Session parameter 'foo' not understood");
        assert_eq!(why(Warning::parse("1812 h \"x\"")), Some(Why::Number));
    }

    #[test]
    fn replaces_names_a_dialog() {
        let r = Replaces::parse("98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff").unwrap();
        assert_eq!(
            (r.call_id, r.to_tag, r.from_tag, r.early_only),
            ("98732@sip.example.com", "ff87ff", "r33th4x0r", false)
        );
        assert!(Replaces::parse("1;to-tag=a;from-tag=b;early-only").unwrap().early_only);
        assert_eq!(why(Replaces::parse("1;to-tag=a")), Some(Why::Parameter));
        assert_eq!(why(Replaces::parse(";to-tag=a;from-tag=b")), Some(Why::Empty));
        assert_eq!(why(Replaces::parse("1;to-tag=a;from-tag=b;To-Tag=a")), Some(Why::Repeated));
        assert_eq!(why(Replaces::parse("1;from-tag=a;to-tag=a;from-tag=b")), Some(Why::Repeated));
    }

    #[test]
    fn media_types() {
        let m = MediaType::parse("Application / SDP;charset=\"utf-8\"").unwrap();
        assert!(m.is("application", "sdp") && m.covers("application", "sdp"));
        assert_eq!(m.params.value("charset"), Some("utf-8"));
        assert!(MediaType::parse("application/*;q=0.2").unwrap().covers("application", "sdp"));
        assert!(!MediaType::parse("text/*").unwrap().covers("application", "sdp"));
        assert_eq!(why(MediaType::parse("sdp")), Some(Why::Character));
    }
}
