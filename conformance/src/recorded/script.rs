//! What was said, in order, and who the parties are.

use std::net::SocketAddr;
use std::time::Duration;

use telex_engine::config::{Config, Credentials, FixedContact, Phone};
use telex_engine::sip::{HeaderName, Message, Method, Uri};

/// The password of everybody in a run: digests of the record are computed anew with it.
pub const PASSWORD: &str = "as-recorded";

/// The two sides of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// To who calls or registers.
    Caller,
    /// To who is called.
    Callee,
}

/// One message of the record.
#[derive(Clone, Debug)]
pub struct Step {
    /// What people call it: `F3`, or its frame in a capture.
    pub label: String,
    /// On which side.
    pub link: Link,
    /// Whether the exchange says it, rather than hears it.
    pub expected: bool,
    /// Whether it is reported on. The other side of a run is only kept going.
    pub checked: bool,
    /// When, after the first one.
    pub at: Duration,
    /// What.
    pub message: Message,
}

impl Script {
    /// Whether who said this knew the password, as far as the record tells: who did not was refused.
    pub fn knows_the_password(&self, request: &Message) -> bool {
        let refused = |step: &&Step| {
            let status = step.message.status().is_some_and(|s| matches!(s.code(), 401 | 403 | 407));
            status && step.message.cseq().ok() == request.cseq().ok()
        };
        !self.steps.iter().any(|step| refused(&step))
    }
}

/// A whole conversation.
#[derive(Clone, Debug)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
    /// Where the caller is.
    pub caller: SocketAddr,
    /// Where the callee is.
    pub callee: SocketAddr,
    /// Whether the times of the record are kept; else the engine gets all the time it wants for each step.
    pub timed: bool,
}

impl Script {
    /// The configuration of an exchange that knows both parties: the caller by its address, or by [`PASSWORD`] where
    /// the record shows that it was asked for one.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        let said = |link, method: Method| {
            let of = move |step: &&Step| {
                step.link == link && step.message.is_request() && step.message.method() == method
            };
            self.steps.iter().find(of).map(|step| &step.message)
        };
        let challenged = self.steps.iter().any(|step| {
            step.link == Link::Caller && step.message.status().is_some_and(|s| matches!(s.code(), 401 | 407))
        });
        let dialled = said(Link::Caller, Method::Invite);
        if let Some(asked) = said(Link::Callee, Method::Invite).or(dialled) {
            let contact = FixedContact { uri: asked.request_uri().into(), address: Some(self.callee) };
            let phone = Phone { credentials: None, contact: Some(contact) };
            config.phones.insert(user(dialled.unwrap_or(asked).request_uri()).into(), phone);
        }
        let opening = said(Link::Caller, Method::Invite).or(said(Link::Caller, Method::Register));
        if let Some(from) = opening.and_then(|message| message.from().ok()) {
            let name = from.uri.user_unescaped().into_owned();
            let address = Some(self.caller);
            let contact = FixedContact { uri: from.uri_text.into(), address };
            let credentials = challenged.then(|| Credentials::from_password(&name, &config.realm, PASSWORD));
            let phone = Phone { contact: credentials.is_none().then_some(contact), credentials };
            config.phones.insert(name.into(), phone);
        }
        config.registrar.min_expires = Duration::from_secs(1);
        config
    }

    /// The script of a call between two parties who spoke to each other: the exchange takes the place of one of them,
    /// and stands in for the other to each. What `checked` heard is compared.
    pub fn between(
        heard: &[(Duration, SocketAddr, SocketAddr, String, Message)],
        checked: Link,
    ) -> Option<Self> {
        let (_, caller, callee, ..) =
            heard.iter().find(|(.., m)| m.is_request() && m.method() == Method::Invite)?;
        let start = heard.first()?.0;
        let mut steps = Vec::new();
        for (at, from, _, label, message) in heard {
            let speaker = if from == caller { Link::Caller } else { Link::Callee };
            let hearer = if from == caller { Link::Callee } else { Link::Caller };
            for (link, expected) in [(speaker, false), (hearer, true)] {
                let (label, message, at) = (label.clone(), message.clone(), at.saturating_sub(start));
                steps.push(Step { label, link, expected, checked: expected && link == checked, at, message });
            }
        }
        Some(Self { steps, caller: *caller, callee: *callee, timed: true })
    }

    /// The script of a phone and its registrar.
    pub fn registering(heard: &[(Duration, SocketAddr, SocketAddr, String, Message)]) -> Option<Self> {
        let register = |m: &Message| m.is_request() && m.method() == Method::Register;
        let (start, caller, callee, ..) = heard.iter().find(|(.., m)| register(m))?;
        let of_registration = |m: &Message| {
            m.method() == Method::Register && (m.is_request() || m.header(HeaderName::CSeq).is_some())
        };
        let steps =
            heard.iter().filter(|(.., m)| of_registration(m)).map(|(at, from, _, label, message)| Step {
                label: label.clone(),
                link: Link::Caller,
                expected: from != caller,
                checked: from != caller,
                at: at.saturating_sub(*start),
                message: message.clone(),
            });
        Some(Self { steps: steps.collect(), caller: *caller, callee: *callee, timed: true })
    }
}

/// The user part of a URI, unescaped; the whole text when it has none.
pub(crate) fn user(uri: &str) -> String {
    Uri::parse(uri).map_or(uri.to_owned(), |uri| uri.user_unescaped().into_owned())
}
