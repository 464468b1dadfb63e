//! Via: the path a request came, and responses go back (RFC 3261 §20.42, RFC 3581).

use std::net::IpAddr;

use super::error::{ParseError, Why};
use super::params::{self, Params};
use super::scan::{self, Cursor, Span};
use super::uri::{self, Host, HostKind};

/// What a branch made as RFC 3261 §8.1.1.7 says begins with.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One hop.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    text: &'a str,
    transport: Span,
    host: Span,
    kind: HostKind,
    port: Option<u16>,
    sent_by_end: u16,
    params: Params<'a>,
    branch: Option<&'a str>,
    rport: Option<Option<u16>>,
}

const PART: &str = "Via";

impl<'a> Via<'a> {
    /// Parses one whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let (via, end) = Self::parse_first(text)?;
        if end == text.len() { Ok(via) } else { Err(ParseError::new(PART, Why::Trailing, end)) }
    }

    /// Parses the first value of a list; gives where it ends: at a comma or at the end of the text.
    #[inline]
    pub(super) fn parse_first(text: &'a str) -> Result<(Self, usize), ParseError> {
        scan::fits(PART, text)?;
        let mut c = Cursor::new(text);
        match Self::read(text, &mut c) {
            Ok(via) => {
                c.skip_lws();
                if c.is_done() || c.peek() == b',' {
                    Ok((via, c.at()))
                } else {
                    Err(ParseError::new(PART, Why::Character, c.at()))
                }
            }
            Err(why) => Err(ParseError::new(PART, why, c.at())),
        }
    }

    #[inline]
    fn read(text: &'a str, c: &mut Cursor<'a>) -> Result<Self, Why> {
        c.skip_lws();
        read_protocol(c)?;
        let from = c.at();
        let transport = (c.skip(scan::TOKEN) > 0).then_some(Span::new(from, c.at())).ok_or(Why::Character)?;
        let end = c.at();
        c.skip_lws();
        let from = c.at();
        if from == end {
            return Err(Why::Character);
        }
        let kind = uri::host(c)?;
        let host = Span::new(from, c.at());
        let mut end = c.at();
        let mut port = None;
        if c.separator(b':') {
            port = Some(uri::port(c)?);
            end = c.at();
        }
        c.seek(end);
        let (mut branch, mut rport) = (None, None);
        let params = params::params(c, |p| {
            if branch.is_none() && p.name.eq_ignore_ascii_case("branch") {
                branch = Some(p.value.ok_or(Why::Parameter)?);
            } else if rport.is_none() && p.name.eq_ignore_ascii_case("rport") {
                rport = Some(p.value.map(|v| scan::number(v, 65535).map_err(|_| Why::Port)).transpose()?);
            }
            Ok(())
        })?;
        let rport = rport.map(|p: Option<u32>| p.map(|p| p as u16));
        Ok(Self { text, transport, host, kind, port, sent_by_end: end as u16, params, branch, rport })
    }

    /// The transport as written; compared without case.
    pub fn transport(&self) -> &'a str {
        self.transport.of(self.text)
    }

    /// The host of sent-by.
    pub fn host(&self) -> Host<'a> {
        self.kind.host(self.host_text())
    }

    /// The host of sent-by as written.
    pub fn host_text(&self) -> &'a str {
        self.host.of(self.text)
    }

    /// The port of sent-by, when written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as written.
    pub fn sent_by(&self) -> &'a str {
        Span(self.host.0, self.sent_by_end).of(self.text)
    }

    /// Protocol, transport, host and port as written: all before the parameters.
    pub(super) fn before_params(&self) -> &'a str {
        Span(0, self.sent_by_end).of(self.text)
    }

    /// The branch.
    pub fn branch(&self) -> Option<&'a str> {
        self.branch
    }

    /// `received` as written; IPv6 may stand in brackets or not.
    pub fn received(&self) -> Option<&'a str> {
        self.params.value("received")
    }

    /// The address in `received`.
    pub fn received_ip(&self) -> Option<IpAddr> {
        let text = self.received()?;
        text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).parse().ok()
    }

    /// `rport` (RFC 3581): `Some(None)` asks for it, `Some(Some(port))` is its answer.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.rport
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

/// Takes `SIP/2.0/`, with white space around the slashes.
#[inline]
fn read_protocol(c: &mut Cursor<'_>) -> Result<(), Why> {
    let from = c.at();
    if c.slice(from, from + 8) == "SIP/2.0/" {
        c.seek(from + 8);
        c.skip_lws();
        return Ok(());
    }
    if !c.take(scan::TOKEN).eq_ignore_ascii_case("SIP") || !c.separator(b'/') {
        return Err(Why::NotSip);
    }
    if c.take(scan::TOKEN) != "2.0" || !c.separator(b'/') { Err(Why::Version) } else { Ok(()) }
}
