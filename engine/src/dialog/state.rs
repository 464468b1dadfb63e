//! The state that two user agents share: identifiers, sequence numbers, route set, remote target (RFC 3261 §12).

use std::net::{IpAddr, SocketAddr};

use smol_str::{SmolStr, format_smolstr};

use crate::border::{self, Flow};
use crate::cx::Cx;
use crate::limits;
use crate::sip::{HeaderName, Message, Method, NameAddr, ParseError, Status, Uri, Writer};
use crate::transport::Transport;

/// One dialog, early or confirmed. All text is copied out of the messages it came from.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Dialog {
    /// Call-ID.
    pub(crate) call_id: SmolStr,
    /// Our tag.
    pub(crate) local_tag: SmolStr,
    /// The peer's tag; empty when it gave none (RFC 2543).
    pub(crate) remote_tag: SmolStr,
    /// Our name-addr, without tag.
    local: SmolStr,
    /// The peer's name-addr, without tag.
    remote: SmolStr,
    /// CSeq of our last request.
    pub(crate) local_cseq: u32,
    /// CSeq of the peer's last request.
    remote_cseq: Option<u32>,
    /// Where our requests pass, next hop first.
    routes: Vec<SmolStr>,
    /// The peer's Contact URI.
    pub(crate) target: SmolStr,
    /// The way the peer was last heard.
    pub(crate) flow: Flow,
}

/// A name-addr as it stands in From and To, without its parameters.
pub(crate) fn without_tag(party: &NameAddr<'_>) -> SmolStr {
    match party.display {
        Some(display) if !display.is_empty() => format_smolstr!("\"{display}\" <{}>", party.uri_text),
        _ => format_smolstr!("<{}>", party.uri_text),
    }
}

fn contact_uri(message: &Message) -> Option<SmolStr> {
    let value = message.values(HeaderName::Contact).next()?;
    let contact = NameAddr::parse(value).ok()?;
    Some(SmolStr::new(contact.uri.without_headers()))
}

fn record_routes(message: &Message) -> Vec<SmolStr> {
    let uris = message.values(HeaderName::RecordRoute).filter_map(|v| NameAddr::parse(v).ok());
    uris.take(limits::ROUTES).map(|r| SmolStr::new(r.uri_text)).collect()
}

impl Dialog {
    /// CSeq of the peer's last request.
    #[cfg(feature = "serde")]
    pub(crate) const fn remote_cseq(&self) -> Option<u32> {
        self.remote_cseq
    }

    /// The dialog that our 1xx or 2xx to this INVITE establishes (§12.1.1).
    pub(crate) fn as_uas(invite: &Message, flow: Flow, local_tag: SmolStr) -> Result<Self, ParseError> {
        let (from, to) = (invite.from()?, invite.to()?);
        Ok(Self {
            call_id: SmolStr::new(invite.call_id()?),
            local_tag,
            remote_tag: SmolStr::new(from.tag().unwrap_or_default()),
            local: without_tag(&to),
            remote: without_tag(&from),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq()?.number),
            routes: record_routes(invite),
            target: contact_uri(invite).unwrap_or_else(|| SmolStr::new(from.uri_text)),
            flow,
        })
    }

    /// The dialog that this response to our INVITE establishes (§12.1.2). `cseq` is that of the INVITE.
    pub(crate) fn as_uac(response: &Message, flow: Flow, asked: &str, cseq: u32) -> Result<Self, ParseError> {
        let (from, to) = (response.from()?, response.to()?);
        let mut routes = record_routes(response);
        routes.reverse();
        Ok(Self {
            call_id: SmolStr::new(response.call_id()?),
            local_tag: SmolStr::new(from.tag().unwrap_or_default()),
            remote_tag: SmolStr::new(to.tag().unwrap_or_default()),
            local: without_tag(&from),
            remote: without_tag(&to),
            local_cseq: cseq,
            remote_cseq: None,
            routes,
            target: contact_uri(response).unwrap_or_else(|| SmolStr::new(asked)),
            flow,
        })
    }

    /// Takes route set and target from the 2xx that confirms an early dialog (§13.2.2.4).
    pub(crate) fn confirm(&mut self, response: &Message, flow: Flow) {
        self.routes = record_routes(response);
        self.routes.reverse();
        self.refresh_target(response, flow);
    }

    /// Turns the route set round, which is wrong.
    pub(crate) fn reverse_routes(&mut self) {
        self.routes.reverse();
    }

    /// A target refresh (§12.2): the peer is now reached at its new Contact.
    pub(crate) fn refresh_target(&mut self, message: &Message, flow: Flow) {
        self.flow = flow;
        if let Some(target) = contact_uri(message) {
            self.target = target;
        }
    }

    /// Whether the message belongs to this dialog rather than to a fork of the same call.
    pub(crate) fn has_remote_tag(&self, tag: Option<&str>) -> bool {
        self.remote_tag == tag.unwrap_or_default()
    }

    /// Admits the peer's next request: its CSeq must rise (§12.2.2).
    pub(crate) fn admit(&mut self, number: u32) -> Result<(), Status> {
        match self.remote_cseq {
            Some(last) if number <= last => Err(Status::SERVER_INTERNAL_ERROR),
            _ => {
                self.remote_cseq = Some(number);
                Ok(())
            }
        }
    }

    /// Begins a request inside the dialog (§12.2.1.1), up to CSeq. ACK and CANCEL take the number of their INVITE.
    pub(crate) fn request(&mut self, method: Method, cseq: Option<u32>) -> Writer {
        let number = cseq.unwrap_or_else(|| {
            self.local_cseq += 1;
            self.local_cseq
        });
        let mut writer = routed(method, &self.target, &self.routes);
        writer.header(HeaderName::MaxForwards, 70);
        writer.header(HeaderName::From, format_args!("{};tag={}", self.local, self.local_tag));
        if self.remote_tag.is_empty() {
            writer.header(HeaderName::To, &self.remote);
        } else {
            writer.header(HeaderName::To, format_args!("{};tag={}", self.remote, self.remote_tag));
        }
        writer.header(HeaderName::CallId, &self.call_id);
        writer.header(HeaderName::CSeq, format_args!("{number} {}", method.as_str()));
        writer
    }

    /// The way to the next hop. Behind a route set, or when the Contact is not where the peer's packets come from
    /// (a NAT stands between), that is the way the peer was heard; otherwise its Contact.
    pub(crate) fn next_hop(&self, cx: &mut Cx<'_>, transport: &mut Transport) -> Flow {
        let heard = match self.flow {
            // Nothing is left of a stream that is gone, so its peer's Contact has to be believed.
            Flow::Stream { stream } if !transport.is_open(stream) => None,
            flow if !self.routes.is_empty() => return flow,
            flow => Some(transport.remote_of(&flow).ip()),
        };
        let next = self.routes.first().unwrap_or(&self.target);
        let Some(contact) = literal_contact(next, heard) else { return self.flow };
        match (self.flow, contact.0) {
            (Flow::Stream { stream }, border::Transport::Tcp) if transport.is_open(stream) => self.flow,
            (Flow::Datagram { listener, local, .. }, border::Transport::Udp) => {
                Flow::Datagram { listener, local, remote: contact.1 }
            }
            (_, kind) => transport.target(cx, kind, contact.1).unwrap_or(self.flow),
        }
    }
}

/// Begins a request to `target` along a route set: a strict router that comes first is the Request-URI, and the target
/// the last Route (§12.2.1.1).
pub(crate) fn routed(method: Method, target: &SmolStr, routes: &[SmolStr]) -> Writer {
    let (uri, routes, last) = match routes {
        [first, rest @ ..] if !is_loose(first) => (first, rest, Some(target)),
        all => (target, all, None),
    };
    let mut writer = Writer::request(method.as_str(), uri);
    for route in routes.iter().chain(last) {
        writer.header(HeaderName::Route, format_args!("<{route}>"));
    }
    writer
}

fn is_loose(route: &str) -> bool {
    Uri::parse(route).is_ok_and(|uri| uri.param("lr").is_some())
}

/// The Contact's own address, when it is the address that the peer was heard from, as far as that is known.
fn literal_contact(target: &str, heard: Option<IpAddr>) -> Option<(border::Transport, SocketAddr)> {
    let uri = Uri::parse(target).ok()?;
    let ip = uri.host().ip()?;
    if heard.is_some_and(|heard| heard != ip) {
        return None;
    }
    let tcp = uri.param("transport").flatten().is_some_and(|t| t.eq_ignore_ascii_case("tcp"));
    let transport = if tcp { border::Transport::Tcp } else { border::Transport::Udp };
    Some((transport, SocketAddr::new(ip, uri.port().unwrap_or(5060))))
}
