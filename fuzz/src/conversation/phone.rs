//! What phones say: requests and responses with everything filled in from what was heard before. They are written by
//! hand, without the engine's writer.

use std::fmt::Write as _;
use std::net::SocketAddr;

use telex_engine::auth::{self, Login};
use telex_engine::border::StreamId;
use telex_engine::sip::{DigestChallenge, HeaderName, Message};

use super::body::sdp;

/// A device: who it says it is, and where it is.
pub(super) struct Phone {
    pub(super) extension: &'static str,
    pub(super) password: &'static str,
    pub(super) address: SocketAddr,
    /// What it speaks through instead of datagrams, while it is open.
    pub(super) stream: Option<StreamId>,
    pub(super) tcp: bool,
    /// The last challenge it heard, and how often it was answered.
    challenge: Option<(String, u32)>,
    cseq: u32,
}

/// A dialog as its phone knows it.
#[derive(Clone)]
pub(super) struct Dialog {
    pub(super) phone: usize,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    /// CSeq of the INVITE that made it, and the last RSeq heard in it.
    invite: u32,
    rseq: u32,
    version: u32,
}

/// A request on its way.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) phone: usize,
    pub(super) text: String,
}

impl Phone {
    pub(super) fn new(extension: &'static str, password: &'static str, address: &str, tcp: bool) -> Self {
        let address = address.parse().expect("an address");
        Self { extension, password, address, stream: None, tcp, challenge: None, cseq: 0 }
    }

    pub(super) fn heard_challenge(&mut self, response: &Message) {
        for name in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
            if let Some(value) = response.header(name) {
                self.challenge = Some((value.to_owned(), 0));
            }
        }
    }

    fn transport(&self) -> &'static str {
        if self.tcp { "TCP" } else { "UDP" }
    }

    fn contact(&self) -> String {
        let transport = if self.tcp { ";transport=tcp" } else { "" };
        format!("<sip:{}@{}{transport}>", self.extension, self.address)
    }

    fn head(&self, out: &mut String, method: &str, uri: &str, branch: &str) {
        let _ = write!(
            out,
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} {};branch={branch};rport\r\nMax-Forwards: 70\r\n",
            self.transport(),
            self.address
        );
    }

    /// The answer to the last challenge; a wrong one when told so.
    fn credentials(&mut self, out: &mut String, method: &str, uri: &str, wrong: bool) {
        let Some((value, count)) = &mut self.challenge else { return };
        let Ok(challenge) = DigestChallenge::parse(value) else { return };
        let password = if wrong { "guess" } else { self.password };
        let login = Login { user: self.extension.into(), password: password.into() };
        *count += 1;
        if let Some(value) = auth::answer(&challenge, &login, method, uri, "cnonce", *count) {
            let _ = write!(out, "Authorization: {value}\r\n");
        }
    }

    pub(super) fn register(&mut self, branch: &str, how: u8, wrong: bool) -> String {
        let mut out = String::new();
        let uri = "sip:telex";
        self.cseq += 1;
        self.head(&mut out, "REGISTER", uri, branch);
        let (name, address, cseq) = (self.extension, self.address, self.cseq);
        let _ = write!(out, "From: <sip:{name}@telex>;tag=r{cseq}\r\nTo: <sip:{name}@telex>\r\n");
        let _ = write!(out, "Call-ID: r-{address}\r\nCSeq: {cseq} REGISTER\r\n");
        let contact = self.contact();
        let _ = match how % 12 {
            0 | 1 => write!(out, "Contact: {contact}\r\nExpires: 3600\r\n"),
            2 => write!(out, "Contact: {contact};expires=60;q=0.5\r\n"),
            3 => write!(out, "Contact: {contact}\r\nExpires: 0\r\n"),
            4 => write!(out, "Contact: *\r\nExpires: 0\r\n"),
            5 => Ok(()),
            6 => write!(out, "Contact: {contact};expires=1\r\n"),
            7 => write!(
                out,
                "Contact: {contact}, <sip:{name}@10.9.9.9>;q=1;expires=7200\r\nExpires: 4294967295\r\n"
            ),
            8 => write!(
                out,
                "Contact: {contact};+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nSupported: path, outbound\r\n"
            ),
            9 => write!(out, "Contact: <sip:{name}@phone.example:5070;transport=tcp>\r\nExpires: 120\r\n"),
            10 => write!(
                out,
                "Contact: {contact}\r\nPath: <sip:10.0.0.77;lr>\r\nSupported: path\r\nExpires: 600\r\n"
            ),
            _ => (0..12u8).try_for_each(|n| write!(out, "Contact: <sip:{name}@10.8.8.{n}>\r\n")),
        };
        self.credentials(&mut out, "REGISTER", uri, wrong);
        out.push_str("Content-Length: 0\r\n\r\n");
        out
    }

    pub(super) fn invite(&mut self, number: &str, n: u32, how: u8, kind: u8, wrong: bool) -> String {
        let mut out = String::new();
        let uri = format!("sip:{number}@telex");
        self.head(&mut out, "INVITE", &uri, &format!("z9hG4bKi{n}"));
        let (name, address) = (self.extension, self.address);
        let _ =
            write!(out, "From: <sip:{name}@telex>;tag=f{n}\r\nTo: <{uri}>\r\nCall-ID: c{n}@{address}\r\n");
        let _ = write!(out, "CSeq: 1 INVITE\r\nContact: {}\r\n", self.contact());
        extras(&mut out, how);
        self.credentials(&mut out, "INVITE", &uri, wrong);
        self.finish(&mut out, kind, n);
        out
    }

    /// The body and what announces it.
    fn finish(&self, out: &mut String, kind: u8, version: u32) {
        let host = self.address.ip().to_string();
        let body = sdp(kind, &host, self.address.port() + 10_000, version);
        if !body.is_empty() {
            out.push_str("Content-Type: application/sdp\r\n");
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n{body}", body.len());
    }

    /// A response to a request of the engine, and the dialog that it makes.
    pub(super) fn respond(
        &self,
        me: usize,
        request: &Message,
        code: u16,
        tag: u8,
        how: u8,
        kind: u8,
    ) -> (String, Option<Dialog>) {
        let mut out = format!("SIP/2.0 {code} Said so\r\n");
        for name in [HeaderName::Via, HeaderName::RecordRoute, HeaderName::From] {
            for value in request.headers_named(name) {
                let _ = write!(out, "{}: {value}\r\n", name.as_str());
            }
        }
        let tagged = request.to().is_ok_and(|to| to.tag().is_some());
        let mut to = request.header(HeaderName::To).unwrap_or_default().to_owned();
        if !tagged && code > 100 {
            let _ = write!(to, ";tag=t{me}{tag}");
        }
        let call_id = request.call_id().unwrap_or_default();
        let _ = write!(out, "To: {to}\r\nCall-ID: {call_id}\r\n");
        let _ = write!(out, "CSeq: {}\r\n", request.header(HeaderName::CSeq).unwrap_or_default());
        match how % 8 {
            0..=3 => {
                let _ = write!(out, "Contact: {}\r\n", self.contact());
            }
            4 => {
                let _ = write!(out, "Contact: <sip:{}@10.7.7.7:5066>;q=0.3, <sip:102@telex>\r\n", self.extension);
            }
            5 => out.push_str("WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\nRetry-After: 1\r\nContact: <sip:host.example>\r\n"),
            _ => {}
        }
        extras(&mut out, how >> 3);
        if code > 100 && code < 200 && how & 0x80 != 0 {
            let _ = write!(out, "Require: 100rel\r\nRSeq: {}\r\n", u32::from(tag) + 1);
        }
        self.finish(&mut out, kind, 1);
        let dialog =
            (request.method_name() == "INVITE" && !tagged && code > 100 && code < 300).then(|| Dialog {
                phone: me,
                call_id: call_id.to_owned(),
                local: to,
                remote: request.header(HeaderName::From).unwrap_or_default().to_owned(),
                target: target(request),
                cseq: 100,
                invite: request.cseq().map_or(0, |c| c.number),
                rseq: 0,
                version: 1,
            });
        (out, dialog)
    }

    /// ACK to a final response to an INVITE of this phone (RFC 3261 §13.2.2.4, §17.1.1.3).
    pub(super) fn ack(&self, response: &Message, n: u32, kind: u8) -> String {
        let mut out = String::new();
        let code = response.status().map_or(0, |s| s.code());
        let ours = response.via().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
        let success = code < 300;
        let branch = if success { format!("z9hG4bKa{n}") } else { ours };
        let uri = if success { target(response) } else { "sip:101@telex".to_owned() };
        self.head(&mut out, "ACK", &uri, &branch);
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
            let _ = write!(out, "{}: {}\r\n", name.as_str(), response.header(name).unwrap_or_default());
        }
        let _ = write!(out, "CSeq: {} ACK\r\n", response.cseq().map_or(1, |c| c.number));
        self.finish(&mut out, if success { kind } else { 0 }, 2);
        out
    }

    /// A request inside a dialog.
    pub(super) fn within(&mut self, dialog: &mut Dialog, method: &str, n: u32, how: u8, kind: u8) -> String {
        let mut out = String::new();
        dialog.version += 1;
        let cseq = match method {
            "ACK" => dialog.invite,
            _ if how & 0x40 != 0 => dialog.cseq,
            _ => {
                dialog.cseq += 1;
                dialog.cseq
            }
        };
        let Dialog { call_id, local, remote, target, .. } = dialog;
        self.head(&mut out, method, target, &format!("z9hG4bKd{n}"));
        let _ =
            write!(out, "From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n");
        let _ = write!(out, "Contact: {}\r\n", self.contact());
        match method {
            "PRACK" => {
                let _ =
                    write!(out, "RAck: {} {} INVITE\r\n", dialog.rseq + u32::from(how & 3), dialog.invite);
            }
            "REFER" => out.push_str("Refer-To: <sip:102@telex>\r\n"),
            "NOTIFY" => out.push_str("Event: refer\r\nSubscription-State: active;expires=60\r\n"),
            "INFO" => out.push_str("Content-Type: application/dtmf-relay\r\n"),
            _ => extras(&mut out, how),
        }
        let with_body = matches!(method, "INVITE" | "UPDATE" | "ACK" | "PRACK");
        self.finish(&mut out, if with_body { kind } else { 0 }, dialog.version);
        if method == "INVITE" {
            dialog.invite = cseq;
        }
        out
    }
}

/// Header fields that change what follows.
fn extras(out: &mut String, how: u8) {
    out.push_str(match how % 8 {
        0 | 1 => "",
        2 => "Supported: 100rel, timer\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n",
        3 => "Require: 100rel\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n",
        4 => "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\nAllow: UPDATE\r\n",
        5 => "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n",
        6 => "Session-Expires: 5\r\nRequire: unknown\r\n",
        _ => "Record-Route: <sip:10.6.6.6;lr>, <sip:10.6.6.7:5080;lr;transport=tcp>\r\nAllow: UPDATE\r\n",
    });
}

/// Where requests in the dialog of this message go.
fn target(message: &Message) -> String {
    message.contact().and_then(Result::ok).map_or("sip:telex".to_owned(), |c| c.uri_text.to_owned())
}

impl Dialog {
    /// The dialog that a response of the engine to an INVITE of this phone makes.
    pub(super) fn of_response(phone: usize, response: &Message) -> Option<Self> {
        let cseq = response.cseq().ok()?;
        let made = cseq.name == "INVITE" && response.status().is_some_and(|s| (101..300).contains(&s.code()));
        response.to().ok()?.tag().filter(|_| made)?;
        Some(Self {
            phone,
            call_id: response.call_id().ok()?.to_owned(),
            local: response.header(HeaderName::From)?.to_owned(),
            remote: response.header(HeaderName::To)?.to_owned(),
            target: target(response),
            cseq: cseq.number,
            invite: cseq.number,
            rseq: response.rseq().and_then(Result::ok).unwrap_or_default(),
            version: 1,
        })
    }

    /// Whether it is the same dialog.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.call_id, &self.local, &self.remote) == (&other.call_id, &other.local, &other.remote)
    }

    /// Takes what is news in another copy of the same dialog.
    pub(super) fn update(&mut self, other: &Self) {
        self.rseq = self.rseq.max(other.rseq);
    }
}

/// CANCEL of an INVITE as it was sent: its Via, From, To, Call-ID and number (RFC 3261 §9.1).
pub(super) fn cancel(invite: &str) -> Option<String> {
    let (start, rest) = invite.split_once("\r\n")?;
    let uri = start.strip_prefix("INVITE ")?;
    let mut out = format!("CANCEL {uri}\r\n");
    for line in rest.split("\r\n").take_while(|line| !line.is_empty()) {
        let kept = ["Via:", "From:", "To:", "Call-ID:", "Max-Forwards:", "Route:"];
        if kept.iter().any(|name| line.starts_with(name)) {
            let _ = write!(out, "{line}\r\n");
        } else if line.starts_with("CSeq:") {
            let _ = write!(out, "{}\r\n", line.replace("INVITE", "CANCEL"));
        }
    }
    out.push_str("Content-Length: 0\r\n\r\n");
    Some(out)
}
