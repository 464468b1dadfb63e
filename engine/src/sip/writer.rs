//! Writing messages. Nothing a peer said can end a line here: control characters in values become spaces.

use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;

use bytes::Bytes;

use super::message::{Header, Message, Start};
use super::name::HeaderName;
use super::scan;
use super::status::Status;

/// Room for most messages, so that writing one allocates once.
const ROOM: usize = 2048;

/// Writes one message: start line, header fields in the order of the calls, then [`Writer::finish`] or
/// [`Writer::body`].
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Begins a request.
    pub fn request(method: &str, uri: &str) -> Self {
        let mut w = Self { out: Vec::with_capacity(ROOM) };
        w.out.extend(method.bytes().filter(|&b| scan::is(b, scan::TOKEN)));
        w.out.push(b' ');
        w.out.extend(uri.bytes().filter(|&b| b > b' ' && b != 0x7f));
        w.out.extend_from_slice(b" SIP/2.0\r\n");
        w
    }

    /// Begins a response. An empty `reason` is replaced by the phrase of the standard.
    pub fn response(status: Status, reason: &str) -> Self {
        let mut w = Self { out: Vec::with_capacity(ROOM) };
        w.out.extend_from_slice(b"SIP/2.0 ");
        w.value(&status.code());
        w.out.push(b' ');
        w.text(if reason.is_empty() { status.reason() } else { reason }.as_bytes());
        w.line_end();
        w
    }

    /// Begins with the start line of another message.
    pub fn start_of(message: &Message) -> Self {
        match message.start {
            Start::Request { .. } => Self::request(message.method_name(), message.request_uri()),
            Start::Response { status, .. } => Self::response(status, message.reason()),
        }
    }

    /// Begins in the header fields, without a start line: what [`Writer::rest`] takes.
    pub fn fields() -> Self {
        Self { out: Vec::with_capacity(ROOM) }
    }

    /// Writes a header field.
    pub fn header(&mut self, name: HeaderName, value: impl Display) -> &mut Self {
        self.field(name.as_str(), value)
    }

    /// Writes a header field of any name. What is no token in the name is left out.
    pub fn field(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.name(name);
        self.value(&value);
        self.line_end();
        self
    }

    /// Writes every field of this name as it came, its folds undone.
    pub fn copy(&mut self, from: &Message, name: HeaderName) -> &mut Self {
        for field in from.fields_named(name) {
            self.line(from.line(field), !from.folded);
        }
        self
    }

    /// Writes a header field of another message as it came, its folds undone.
    pub fn copy_header(&mut self, header: &Header<'_>) -> &mut Self {
        self.line(header.line, header.clean);
        self
    }

    /// Writes every field whose name passes `keep` as it came, its folds undone.
    pub fn copy_if(&mut self, from: &Message, keep: impl Fn(HeaderName) -> bool) -> &mut Self {
        for field in from.table.fields.iter().filter(|f| keep(f.id)) {
            self.line(from.line(field), !from.folded);
        }
        self
    }

    /// Writes To as it came, with this tag unless it has one (RFC 3261 §8.2.6.2).
    pub fn to_tagged(&mut self, from: &Message, tag: &str) -> &mut Self {
        let Some(field) = from.first(HeaderName::To) else { return self };
        self.name(from.text(field.name()));
        self.text(from.octets(field.value));
        if !tag.is_empty() && from.to().is_ok_and(|to| to.tag().is_none()) {
            self.out.extend_from_slice(b";tag=");
            self.text(tag.as_bytes());
        }
        self.line_end();
        self
    }

    /// Writes every Via as it came; into the topmost go the source address (RFC 3261 §18.2.1) and, where asked for, the
    /// source port (RFC 3581 §4).
    pub fn vias(&mut self, from: &Message, received: Option<IpAddr>, rport: Option<u16>) -> &mut Self {
        for (i, field) in from.fields_named(HeaderName::Via).enumerate() {
            self.name(from.text(field.name()));
            let value = from.text(field.value);
            match super::via::Via::parse_first(value, 0) {
                Ok(via) if i == 0 => {
                    self.text(via.before_params().as_bytes());
                    self.via_params(&via, received, rport);
                    self.text(value.get(via.end()..).unwrap_or_default().as_bytes());
                }
                _ => self.text(from.octets(field.value)),
            }
            self.line_end();
        }
        self
    }

    fn via_params(&mut self, via: &super::via::Via<'_>, received: Option<IpAddr>, rport: Option<u16>) {
        for p in via.params() {
            let ours = |name: &str| p.name.eq_ignore_ascii_case(name);
            match (p.value, rport) {
                _ if ours("received") && received.is_some() => {}
                (None, Some(port)) if ours("rport") => self.value(&format_args!(";rport={port}")),
                (None, _) => self.value(&format_args!(";{}", p.name)),
                (Some(v), _) if p.quoted => self.value(&format_args!(";{}=\"{v}\"", p.name)),
                (Some(v), _) => self.value(&format_args!(";{}={v}", p.name)),
            }
        }
        if let Some(ip) = received {
            self.value(&format_args!(";received={ip}"));
        }
    }

    /// Ends a message without body: `Content-Length: 0`.
    pub fn finish(&mut self) -> Bytes {
        self.out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.take()
    }

    /// Ends a message with a body: writes Content-Type, Content-Length and the body.
    pub fn body(&mut self, content_type: &str, body: &[u8]) -> Bytes {
        self.header(HeaderName::ContentType, content_type);
        self.header(HeaderName::ContentLength, body.len());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
        self.take()
    }

    /// Ends a message whose header fields are all written, Content-Length too.
    pub fn close(&mut self, body: &[u8]) -> Bytes {
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
        self.take()
    }

    /// Ends a message with header fields and body written before by a writer that began with [`Writer::fields`].
    pub fn rest(&mut self, rest: &[u8]) -> Bytes {
        self.out.extend_from_slice(rest);
        self.take()
    }

    fn take(&mut self) -> Bytes {
        // An exact copy: messages are kept for as long as they may be retransmitted.
        let bytes = Bytes::copy_from_slice(&self.out);
        self.out.clear();
        bytes
    }

    fn line(&mut self, line: &[u8], clean: bool) {
        if clean {
            self.out.extend_from_slice(line);
        } else {
            self.text(line);
        }
        self.line_end();
    }

    fn name(&mut self, name: &str) {
        self.out.extend(name.bytes().filter(|&b| scan::is(b, scan::TOKEN)));
        self.out.extend_from_slice(b": ");
    }

    fn value(&mut self, value: &dyn Display) {
        // Writing to a vector cannot fail; a value whose display fails is left out.
        let _ = write!(Clean(&mut self.out), "{value}");
    }

    fn text(&mut self, octets: &[u8]) {
        clean(&mut self.out, octets);
    }

    fn line_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends text, control characters as spaces.
struct Clean<'a>(&'a mut Vec<u8>);

impl fmt::Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        clean(self.0, text.as_bytes());
        Ok(())
    }
}

#[inline]
fn clean(out: &mut Vec<u8>, octets: &[u8]) {
    let from = out.len();
    out.extend_from_slice(octets);
    let mut dirty = false;
    for &b in octets {
        dirty |= b < b' ' || b == 0x7f;
    }
    if dirty {
        for b in out.iter_mut().skip(from).filter(|b| **b < b' ' || **b == 0x7f) {
            *b = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Quoted, Why};
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_request_with_a_body() {
        let mut w = Writer::request("INVITE", "sip:b@h");
        w.header(HeaderName::From, format_args!("{} <sip:a@h>;tag={}", Quoted("A \"b\""), 7)).field("X-Y", 1);
        insta::assert_snapshot!(text(&w.body("application/sdp", b"v=0\r\n")), @r#"
        INVITE sip:b@h SIP/2.0
        From: "A \"b\"" <sip:a@h>;tag=7
        X-Y: 1
        Content-Type: application/sdp
        Content-Length: 5

        v=0
        "#);
    }

    #[test]
    fn nothing_ends_a_line_but_the_writer() {
        let evil = "x\r\nVia: forged\r\n\r\nbody\0\x7f";
        let mut w = Writer::request(evil, evil);
        w.field(evil, evil).header(HeaderName::Subject, evil);
        let bytes = w.finish();
        assert_eq!(bytes.iter().filter(|&&b| b == b'\n').count(), 5);
        let m = Message::parse(bytes).unwrap();
        assert_eq!((m.method_name(), m.request_uri()), ("xViaforgedbody", "xVia:forgedbody"));
        assert_eq!(m.header(HeaderName::Subject), Some("x  Via: forged    body"));
        assert_eq!(m.header(HeaderName::Via), None);
        let m = Message::parse(Writer::response(Status::BAD_REQUEST, evil).finish()).unwrap();
        assert_eq!(m.reason(), "x  Via: forged    body");
    }

    #[test]
    fn fields_written_apart_are_joined() {
        let rest = Writer::fields().header(HeaderName::To, "<sip:b@h>").finish();
        let whole = Writer::request("BYE", "sip:b@h").header(HeaderName::Via, "SIP/2.0/UDP h").rest(&rest);
        insta::assert_snapshot!(text(&whole), @r"
        BYE sip:b@h SIP/2.0
        Via: SIP/2.0/UDP h
        To: <sip:b@h>
        Content-Length: 0
        ");
    }

    #[test]
    fn copies_lose_their_folds_only() {
        let m = Message::parse(Bytes::from_static(
            b"BYE sip:b@h SIP/2.0\r\nROUTE:  <sip:x>,\r\n\t<sip:y>\r\nroute: <sip:z>\r\nSubject: caf\xe9\r\n\r\n",
        ))
        .unwrap();
        let bytes = Writer::start_of(&m).copy(&m, HeaderName::Route).copy(&m, HeaderName::Subject).close(b"");
        assert_eq!(&bytes[..], b"BYE sip:b@h SIP/2.0\r\nROUTE:  <sip:x>,   <sip:y>\r\nroute: <sip:z>\r\nSubject: caf\xe9\r\n\r\n");
    }

    #[test]
    fn the_topmost_via_gets_the_source() {
        let written = |vias: &str, rport| {
            let m = format!("BYE sip:b@h SIP/2.0\r\n{vias}\r\n\r\n");
            let m = Message::parse(m.into()).unwrap();
            let bytes = Writer::fields().vias(&m, Some([192, 0, 2, 7].into()), rport).rest(b"");
            text(&bytes).to_owned()
        };
        assert_eq!(
            written(
                "Via: SIP/2.0/UDP h:5 ;RPORT;received=1.2.3.4;x=\"q\", SIP/2.0/UDP i;rport\r\nv: SIP/2.0/UDP j;rport",
                Some(9)
            ),
            "Via: SIP/2.0/UDP h:5;rport=9;x=\"q\";received=192.0.2.7, SIP/2.0/UDP i;rport\r\nv: SIP/2.0/UDP j;rport\r\n"
        );
        assert_eq!(
            written("Via: SIP/2.0/UDP h;branch=1", Some(9)),
            "Via: SIP/2.0/UDP h;branch=1;received=192.0.2.7\r\n"
        );
        assert_eq!(
            written("Via: SIP/2.0/UDP h;rport", None),
            "Via: SIP/2.0/UDP h;rport;received=192.0.2.7\r\n"
        );
    }

    #[test]
    fn a_tag_is_added_once() {
        let to = |value: &str| {
            let m = Message::parse(format!("BYE sip:b@h SIP/2.0\r\nTo: {value}\r\n\r\n").into()).unwrap();
            text(&Writer::fields().to_tagged(&m, "t1").rest(b"")).trim_end().to_owned()
        };
        assert_eq!(to("<sip:a@b>"), "To: <sip:a@b>;tag=t1");
        assert_eq!(to("<sip:a@b;tag=x>;y"), "To: <sip:a@b;tag=x>;y;tag=t1");
        assert_eq!(to("sip:a@b;TAG=x"), "To: sip:a@b;TAG=x");
    }

    #[test]
    fn the_reason_defaults_to_the_phrase_of_the_standard() {
        assert!(text(&Writer::response(Status::RINGING, "").finish()).starts_with("SIP/2.0 180 Ringing\r\n"));
        let error = Message::parse(Bytes::from_static(b"x")).unwrap_err();
        assert_eq!((error.why(), error.to_string().as_str()), (Why::NotSip, "bad start line: not SIP"));
    }
}
