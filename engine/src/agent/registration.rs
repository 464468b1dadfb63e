//! The registration of a user agent (RFC 3261 §10.2).

use smol_str::SmolStr;

use super::{AgentEvent, MAX_FORWARDS};
use crate::auth::Answers;
use crate::border::{Flow, StreamId};
use crate::cx::{ClientKey, Cx};
use crate::dialog::Stack;
use crate::sip::{Contacts, HeaderName, Message, Method, Writer};
use crate::time::Duration;
use crate::transaction::Draft;

/// What is to be registered.
#[derive(Debug)]
pub(super) struct Order {
    /// Address-of-record.
    pub(super) aor: SmolStr,
    /// The registrar's name.
    pub(super) domain: SmolStr,
    /// Our Contact URI.
    pub(super) contact: SmolStr,
    /// The way to the registrar.
    pub(super) flow: Flow,
    /// For how long.
    pub(super) expires: Duration,
    /// What is said to a challenge.
    pub(super) answers: Option<Box<Answers>>,
}

/// Every REGISTER of a user agent has one Call-ID and rising CSeq numbers, so that a registrar can tell which is the
/// latest (RFC 3261 §10.2).
#[derive(Debug, Default)]
pub(super) struct Registration {
    call_id: SmolStr,
    tag: SmolStr,
    cseq: u32,
    /// The request under way and what it asks for.
    current: Option<(ClientKey, Order)>,
    /// The way by which the registrar last accepted us.
    home: Option<Flow>,
}

impl Registration {
    /// Sends a REGISTER. What came before it is forgotten.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, order: Order) {
        if self.call_id.is_empty() {
            self.call_id = cx.rng.tag.token::<20>();
            self.tag = cx.rng.tag.token::<12>();
        }
        self.send(cx, stack, order);
    }

    /// Whether this is the transaction of the REGISTER under way.
    pub(super) fn owns(&self, txn: ClientKey) -> bool {
        self.current.as_ref().is_some_and(|(current, _)| *current == txn)
    }

    /// Whether the registrar reaches us through this stream.
    pub(super) fn uses(&self, stream: StreamId) -> bool {
        self.home == Some(Flow::Stream { stream })
    }

    /// A response to the REGISTER under way. `None` when it goes on.
    pub(super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        response: &Message,
    ) -> Option<AgentEvent> {
        let status = response.status().filter(|status| status.is_final())?;
        let (_, mut order) = self.current.take()?;
        if status.is_success() {
            let expires = granted(response, &order);
            self.home = Some(order.flow).filter(|_| !expires.is_zero());
            return Some(AgentEvent::Registered { expires });
        }
        if order.answers.as_mut().is_some_and(|answers| answers.challenged(response)) {
            self.send(cx, stack, order);
            return None;
        }
        Some(AgentEvent::NotRegistered { status: Some(status) })
    }

    fn send(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, mut order: Order) {
        self.cseq += 1;
        let method = Method::Register.as_str();
        let uri = format!("sip:{}", order.domain);
        let mut writer = Writer::request(method, &uri);
        writer.header(HeaderName::MaxForwards, MAX_FORWARDS);
        writer.header(HeaderName::From, format_args!("<{}>;tag={}", order.aor, self.tag));
        writer.header(HeaderName::To, format_args!("<{}>", order.aor));
        writer.header(HeaderName::CallId, &self.call_id);
        writer.header(HeaderName::CSeq, format_args!("{} {method}", self.cseq));
        writer.header(HeaderName::Contact, format_args!("<{}>", order.contact));
        writer.header(HeaderName::Expires, order.expires.as_secs());
        if let Some(answers) = &mut order.answers {
            answers.write(&mut writer, method, &uri, &mut cx.rng.tag);
        }
        let txn = stack.request(cx, Draft::new(Method::Register, writer.finish()), order.flow);
        self.current = Some((txn, order));
    }
}

/// For how long the registrar keeps us: what it says of our Contact, else of all, else what we asked for (§10.2.4).
fn granted(response: &Message, order: &Order) -> Duration {
    let ours = match response.contacts() {
        Ok(Contacts::List(all)) => all
            .flatten()
            .find(|contact| contact.uri_text == order.contact.as_str())
            .map(|contact| contact.expires()),
        _ => None,
    };
    let said = ours.flatten().or_else(|| response.expires()).and_then(Result::ok);
    said.map_or(order.expires, |seconds| Duration::from_secs(u64::from(seconds)))
}
