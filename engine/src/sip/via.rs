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
    end: u16,
}

const PART: &str = "Via";

impl<'a> Via<'a> {
    /// Parses one whole value.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Self::parse_as(text, 0, false)
    }

    /// Parses the first value of a list that begins at `base` in its message: see [`Via::end`].
    pub(super) fn parse_first(text: &'a str, base: usize) -> Result<Self, ParseError> {
        Self::parse_as(text, base, true)
    }

    // As in NameAddr: the value is written once, where it is wanted.
    fn parse_as(text: &'a str, base: usize, list: bool) -> Result<Self, ParseError> {
        let mut c = Cursor::new(text);
        match Self::read(text, &mut c, list) {
            Ok(via) => Ok(via),
            Err(why) => Err(ParseError::new(PART, why, base + c.at())),
        }
    }

    #[inline(always)]
    fn read(text: &'a str, c: &mut Cursor<'a>, list: bool) -> Result<Self, Why> {
        c.check_length()?;
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
        let mut sent_by_end = c.at();
        let mut port = None;
        if c.separator(b':') {
            port = Some(uri::port(c)?);
            sent_by_end = c.at();
        }
        c.seek(sent_by_end);
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
        c.end_of_value(list)?;
        let (sent_by_end, end) = (sent_by_end as u16, c.at() as u16);
        Ok(Self { text, transport, host, kind, port, sent_by_end, params, branch, rport, end })
    }

    /// Where in its text the value ended: at the end or at a comma.
    pub(super) fn end(&self) -> usize {
        usize::from(self.end)
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
#[inline(always)]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via<'_> {
        Via::parse(text).unwrap_or_else(|e| panic!("{text}: {e} at {}", e.offset()))
    }

    #[test]
    fn the_examples_of_rfc_3261_section_20_42() {
        let v = via("SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7");
        assert_eq!(
            (v.transport(), v.sent_by(), v.port()),
            ("UDP", "erlang.bell-telephone.com:5060", Some(5060))
        );
        assert_eq!((v.branch(), v.rport(), v.received()), (Some("z9hG4bK87asdks7"), None, None));
        let v = via("SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207;branch=z9hG4bK77asjd");
        assert_eq!((v.received_ip(), v.branch()), ("192.0.2.207".parse().ok(), Some("z9hG4bK77asjd")));
        let v = via(
            "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
        );
        assert_eq!((v.host_text(), v.port()), ("first.example.com", Some(4000)));
        assert_eq!((v.params().value("ttl"), v.params().value("maddr")), (Some("16"), Some("224.2.0.1")));
    }

    #[test]
    fn rport_asks_and_answers() {
        assert_eq!(via("SIP/2.0/UDP h;rport;branch=1").rport(), Some(None));
        assert_eq!(via("SIP/2.0/UDP h;rport=9988").rport(), Some(Some(9988)));
        assert_eq!(Via::parse("SIP/2.0/UDP h;rport=x").unwrap_err().why(), Why::Port);
        assert_eq!(Via::parse("SIP/2.0/UDP h;rport=70000").unwrap_err().why(), Why::Port);
    }

    #[test]
    fn ipv6_with_and_without_brackets() {
        let v = via("SIP/2.0/UDP [2001:db8::9:1]:6000;received=[2001:db8::9:255];branch=z9hG4bKas3-111");
        assert_eq!((v.host().ip(), v.port()), ("2001:db8::9:1".parse().ok(), Some(6000)));
        assert_eq!(v.received_ip(), "2001:db8::9:255".parse().ok());
        assert_eq!(
            via("SIP/2.0/UDP h;received=2001:db8::9:255").received_ip(),
            "2001:db8::9:255".parse().ok()
        );
    }

    #[test]
    fn what_is_no_via() {
        for (text, why) in [
            ("", Why::NotSip),
            ("HTTP/1.1/TCP h", Why::NotSip),
            ("SIP/3.0/TCP h", Why::Version),
            ("SIP/2.0/ h", Why::Character),
            ("SIP/2.0/UDP", Why::Character),
            ("SIP/2.0/UDP ;branch=1", Why::Host),
            ("SIP/2.0/UDP h:x", Why::Port),
            ("SIP/2.0/UDP h;;branch=1", Why::Parameter),
            ("SIP/2.0/UDP h;branch", Why::Parameter),
            ("SIP/2.0/UDP h,", Why::Trailing),
            ("SIP/2.0/UDP a b", Why::Trailing),
        ] {
            assert_eq!(Via::parse(text).map(|_| ()).map_err(|e| e.why()), Err(why), "{text}");
        }
    }
}
