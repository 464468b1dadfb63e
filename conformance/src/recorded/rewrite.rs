//! Makes of a recorded message what its sender would have said to the engine.

use telex_engine::auth::{Login, answer};
use telex_engine::sip::{DigestChallenge, HeaderName, Message, Method, NameAddr, unfold};

use super::identities::Identities;
use super::script::{PASSWORD, named};

/// Header fields that lead along hops which are not there any more, or prove something to somebody else.
const LEFT_OUT: [HeaderName; 4] =
    [HeaderName::Route, HeaderName::Authorization, HeaderName::ProxyAuthorization, HeaderName::ContentLength];

/// A message as text that can be changed.
#[derive(Debug)]
pub(super) struct Draft {
    start: String,
    fields: Vec<(HeaderName, String, String)>,
    body: Vec<u8>,
}

impl Draft {
    fn of(message: &Message) -> Self {
        let raw = message.raw().trim_ascii_start();
        let line = raw.split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or_default();
        let field =
            |h: telex_engine::sip::Header<'_>| (h.id, h.name.to_owned(), unfold(h.value).into_owned());
        Self {
            start: String::from_utf8_lossy(line).into_owned(),
            fields: message.headers().map(field).filter(|(id, ..)| !LEFT_OUT.contains(id)).collect(),
            body: message.body().to_vec(),
        }
    }

    fn set(&mut self, name: HeaderName, value: &str) {
        match self.fields.iter_mut().find(|(id, ..)| *id == name) {
            Some((.., old)) => value.clone_into(old),
            None => self.fields.push((name, name.as_str().to_owned(), value.to_owned())),
        }
    }

    fn remove(&mut self, name: HeaderName) {
        self.fields.retain(|(id, ..)| *id != name);
    }

    fn request_uri(&mut self, uri: &str) {
        let words: Vec<&str> = self.start.split_ascii_whitespace().collect();
        if let [method, _, version] = words[..] {
            self.start = format!("{method} {uri} {version}");
        }
    }

    /// The octets, with the right Content-Length.
    pub(super) fn octets(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (_, name, value) in &self.fields {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        let mut octets = text.into_bytes();
        octets.extend_from_slice(&self.body);
        octets
    }
}

/// A response of the record, to the request of the engine that it answers here.
pub(super) fn response(recorded: &Message, asked: &Message) -> Draft {
    let mut draft = Draft::of(recorded);
    draft.fields.retain(|(id, ..)| !matches!(id, HeaderName::Via | HeaderName::RecordRoute));
    let vias: Vec<String> = asked.headers_named(HeaderName::Via).map(str::to_owned).collect();
    for via in vias.into_iter().rev() {
        draft.fields.insert(0, (HeaderName::Via, "Via".into(), via));
    }
    for name in [HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        draft.set(name, asked.header(name).unwrap_or_default());
    }
    let to = asked.header(HeaderName::To).unwrap_or_default();
    let own = recorded.to().ok().and_then(|to| to.tag());
    match (asked.to().ok().and_then(|to| to.tag()), own) {
        (None, Some(own)) => draft.set(HeaderName::To, &format!("{to};tag={own}")),
        _ => draft.set(HeaderName::To, to),
    }
    draft.body = as_short_as(&draft.body, asked.body());
    draft
}

/// What a request of the record needs to know of the engine.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) identities: &'a Identities,
    /// The engine's INVITE, where it is the one that opened the dialog.
    pub(super) invite: Option<&'a Message>,
    /// The engine's Contact URI.
    pub(super) contact: Option<&'a str>,
    /// The engine's last challenge.
    pub(super) challenge: Option<&'a str>,
    /// How many requests have used it, this one included.
    pub(super) count: u32,
    /// Whether the sender knows its password.
    pub(super) honest: bool,
}

/// A request of the record.
pub(super) fn request(recorded: &Message, known: &Known<'_>) -> Draft {
    let mut draft = Draft::of(recorded);
    let inside = recorded.to().is_ok_and(|to| to.tag().is_some());
    for (name, other) in [(HeaderName::From, HeaderName::To), (HeaderName::To, HeaderName::From)] {
        let Ok(address) = recorded.address(name) else { continue };
        let Some(tag) = address.tag() else { continue };
        let tag = known.identities.tag(tag);
        // In a dialog that the engine opened, both names are those it gave.
        let text = match known.invite.and_then(|invite| invite.address(other).ok()) {
            Some(named) if inside => name_of(&named),
            _ => name_of(&address),
        };
        draft.set(name, &format!("{text};tag={tag}"));
    }
    if let Some(call) = recorded.call_id().ok().and_then(|call| known.identities.calls.get(call)) {
        draft.set(HeaderName::CallId, call);
    }
    if let (true, Some(contact)) = (inside && recorded.method() != Method::Register, known.contact) {
        draft.request_uri(contact);
    }
    if let Some(Ok(rack)) = recorded.rack() {
        let rseq = known.identities.rseqs.get(&rack.rseq).copied().unwrap_or(rack.rseq);
        draft.set(HeaderName::RAck, &format!("{rseq} {} {}", rack.cseq.number, rack.cseq.name));
    }
    let proves = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
    let credentials = proves.iter().find_map(|name| recorded.header(name.to_owned()));
    if let (Some(_), Some(challenge)) = (credentials, known.challenge) {
        draft.remove(HeaderName::Authorization);
        if let Some(value) = proof(recorded, &draft, challenge, known) {
            draft.set(HeaderName::Authorization, &value);
        }
    }
    draft
}

/// Credentials for the engine's challenge.
fn proof(recorded: &Message, draft: &Draft, challenge: &str, known: &Known<'_>) -> Option<String> {
    let user = named(&recorded.from().ok()?.uri.user_unescaped()).to_owned();
    let password = if known.honest { PASSWORD } else { "another" };
    let login = Login { user: user.into(), password: password.into() };
    let uri = draft.start.split_ascii_whitespace().nth(1)?;
    let challenge = DigestChallenge::parse(challenge).ok()?;
    answer(&challenge, &login, recorded.method_name(), uri, "c0nf0rmance", known.count)
}

/// A name-addr without parameters. Who has no name gets one.
fn name_of(address: &NameAddr<'_>) -> String {
    let mut uri = address.uri_text.to_owned();
    if let (true, Some((scheme, rest))) = (address.uri.user().is_empty(), address.uri_text.split_once(':')) {
        uri = format!("{scheme}:{}@{rest}", named(""));
    }
    match address.display {
        Some(display) if !display.is_empty() => format!("\"{display}\" <{uri}>"),
        _ => format!("<{uri}>"),
    }
}

/// An answer of the record, with no more streams than the engine offered.
fn as_short_as(answer: &[u8], offer: &[u8]) -> Vec<u8> {
    let streams = |body: &[u8]| body.split(|b| *b == b'\n').filter(|line| line.starts_with(b"m=")).count();
    let (has, most) = (streams(answer), streams(offer));
    if most == 0 || has <= most {
        return answer.to_vec();
    }
    let mut seen = 0;
    let within = |line: &&[u8]| {
        seen += usize::from(line.starts_with(b"m="));
        seen <= most
    };
    answer.split_inclusive(|b| *b == b'\n').take_while(within).flatten().copied().collect()
}
