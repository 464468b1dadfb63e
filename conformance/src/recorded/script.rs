//! What was said, in order, and who the parties are.

use std::net::SocketAddr;
use std::time::Duration;

use telex_engine::config::{Config, Credentials, FixedContact, Phone};
use telex_engine::sip::{HeaderName, Message, Method, Uri};

use super::pcap::Captured;

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
    /// the record shows that it was asked for one. `site` decides everything else.
    pub fn config(&self, site: &Config) -> Config {
        // What the exchange could add to the codecs of a record would be a difference to all of them.
        let mut config = Config { transcode: false, ..site.clone() };
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
            let phone = Phone { contact: Some(contact), ..Phone::default() };
            config.phones.insert(named(&user(dialled.unwrap_or(asked).request_uri())).into(), phone);
        }
        let opens = |m: &Message| m.is_request() && matches!(m.method(), Method::Invite | Method::Register);
        let callers = self.steps.iter().filter(|step| step.link == Link::Caller && !step.expected);
        for from in callers.filter(|step| opens(&step.message)).filter_map(|step| step.message.from().ok()) {
            let name = named(&from.uri.user_unescaped()).to_owned();
            let contact = FixedContact { uri: from.uri_text.into(), address: Some(self.caller) };
            let credentials = challenged.then(|| Credentials::from_password(&name, &config.realm, PASSWORD));
            let phone =
                Phone { contact: credentials.is_none().then_some(contact), credentials, ..Phone::default() };
            config.phones.entry(name.into()).or_insert(phone);
        }
        config
    }

    /// Whether who says the request of step `at` knows its password, as far as the record tells: who did not was
    /// refused.
    pub fn knows_the_password(&self, at: usize) -> bool {
        let Some(request) = self.steps.get(at).map(|step| &step.message) else { return true };
        let answers = self.steps.iter().skip(at + 1).map(|step| &step.message);
        let mut codes = answers.filter(|m| m.cseq().ok() == request.cseq().ok()).filter_map(|m| m.status());
        let code = codes.find(|status| status.code() >= 200).map(telex_engine::sip::Status::code);
        !matches!(code, Some(401 | 403 | 407))
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
            let left_out = hearer == Link::Callee && was_refused_for_a_password(heard, message);
            for (link, expected) in [(speaker, false), (hearer, true)] {
                if expected && left_out {
                    continue;
                }
                let (label, message, at) = (label.clone(), message.clone(), at.saturating_sub(start));
                steps.push(Step { label, link, expected, checked: expected && link == checked, at, message });
            }
        }
        Some(Self { steps, caller: *caller, callee: *callee, timed: true })
    }

    /// The script of a phone and its registrar.
    pub fn registering(heard: &[Captured]) -> Option<Self> {
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

/// Whether this INVITE was refused for want of a password, or this ACK is for such a refusal: the exchange asks for the
/// password itself, so that the callee never hears of it.
fn was_refused_for_a_password(heard: &[Captured], message: &Message) -> bool {
    let asks = |m: &Message| m.status().is_some_and(|status| matches!(status.code(), 401 | 403 | 407));
    let number = |m: &Message| m.cseq().ok().map(|cseq| cseq.number);
    let of_invite = |m: &Message| matches!(m.method(), Method::Invite | Method::Ack);
    message.is_request()
        && of_invite(message)
        && heard.iter().any(|(.., m)| asks(m) && of_invite(m) && number(m) == number(message))
}

/// Who calls without a name has this one: an exchange has no extension without a name.
pub(super) fn named(user: &str) -> &str {
    if user.is_empty() { "anonymous" } else { user }
}

/// The user part of a URI, unescaped; the whole text when it has none.
pub(crate) fn user(uri: &str) -> String {
    Uri::parse(uri).map_or(uri.to_owned(), |uri| uri.user_unescaped().into_owned())
}
