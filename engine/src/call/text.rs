//! Text between phones in pager mode (RFC 3428): a MESSAGE is passed to every contact of an extension, and the first
//! that takes it answers for all. What it says is looked at by nobody.

use std::collections::BTreeMap;

use slotmap::SecondaryMap;
use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};

use super::Incoming;
use super::dial::{Target, escaped, host_for_uri, targets};
use super::identity::{Identity, is_private};
use crate::border::Flow;
use crate::cx::{ClientKey, Cx, ServerKey, TextKey};
use crate::dialog::{AGENT, Stack, routed, without_tag};
use crate::limits;
use crate::registrar::{Reach, Registrar};
use crate::sip::{HeaderName, Message, Method, Status, Uri};
use crate::slots::Slots;
use crate::transaction::{Draft, Reply};

/// A text on its way.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Text {
    /// Who sent it waits here.
    txn: ServerKey,
    /// Who sent it.
    from: SmolStr,
    /// Contacts that have not answered.
    asked: SmallVec<[ClientKey; 2]>,
    /// The best of their refusals.
    refused: Option<Status>,
}

/// All texts on their way.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Texts {
    all: Slots<TextKey, Text>,
    by_client: SecondaryMap<ClientKey, TextKey>,
    /// How many of them each extension sent. No entry is zero.
    shares: BTreeMap<SmolStr, usize>,
}

impl Texts {
    /// How many are on their way.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether this is a text that is waited for.
    pub(crate) fn is_asked(&self, txn: ClientKey) -> bool {
        self.by_client.contains_key(txn)
    }

    /// Passes a text on, or refuses it.
    pub(crate) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        registrar: &Registrar,
        incoming: &Incoming<'_>,
    ) {
        let sent = self.try_send(cx, stack, registrar, incoming);
        if let Err(status) = sent {
            let by = (Some(&incoming.caller), incoming.source);
            stack.transport.tell_refused(cx, incoming.invite, by, status, "");
        }
        match sent {
            Ok(()) => {}
            Err(Status::SERVICE_UNAVAILABLE) => {
                let reply = Reply::new(Status::SERVICE_UNAVAILABLE);
                let reply = reply.header(HeaderName::RetryAfter, limits::RETRY_AFTER);
                stack.refuse(cx, incoming.txn, &reply);
            }
            Err(status) => stack.refuse(cx, incoming.txn, &Reply::new(status)),
        }
    }

    fn try_send(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        registrar: &Registrar,
        incoming: &Incoming<'_>,
    ) -> Result<(), Status> {
        let text = incoming.invite;
        if text.body().len() > limits::TEXT_OCTETS {
            return Err(Status::MESSAGE_TOO_LARGE);
        }
        let uri = Uri::parse(text.request_uri()).map_err(|_| Status::BAD_REQUEST)?;
        let user = uri.user_unescaped();
        let (extension, _) = cx.config.phones.get_key_value(user.as_ref()).ok_or(Status::NOT_FOUND)?;
        let share = self.shares.get(&incoming.caller).copied().unwrap_or(0);
        let full = match self.all.len() >= limits::TEXTS {
            true => Some("texts"),
            false => (share >= limits::TEXTS_OF_ONE).then_some("texts of one extension"),
        };
        if let Some(what) = full {
            stack.transport.no_room(cx, what);
            return Err(Status::SERVICE_UNAVAILABLE);
        }
        let mut asked = SmallVec::new();
        for target in targets(cx.config, registrar, extension).into_iter().take(limits::LEGS_PER_CALL) {
            if let Some(flow) = flow(cx, stack, &target.reach) {
                let draft = write(cx, stack, incoming, &target, flow);
                asked.push(stack.request(cx, draft, flow));
            }
        }
        if asked.is_empty() {
            return Err(Status::TEMPORARILY_UNAVAILABLE);
        }
        let from = incoming.caller.clone();
        *self.shares.entry(from.clone()).or_default() += 1;
        let text = Text { txn: incoming.txn, from, asked: asked.clone(), refused: None };
        let key = self.all.insert(text);
        for txn in asked {
            self.by_client.insert(txn, key);
        }
        Ok(())
    }

    /// A contact answered; `None` when it did not.
    pub(crate) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        txn: ClientKey,
        status: Option<Status>,
    ) {
        if status.is_some_and(Status::is_provisional) {
            return;
        }
        let Some(key) = self.by_client.remove(txn) else { return };
        let Some(text) = self.all.get_mut(key) else { return };
        text.asked.retain(|other| *other != txn);
        let refusal = match status {
            Some(status) if status.is_success() => None,
            // Our phones do not know each other's passwords, and nobody is sent elsewhere from here.
            Some(status) if status.is_redirect() || matches!(status.code(), 401 | 407) => {
                Some(Status::TEMPORARILY_UNAVAILABLE)
            }
            status => Some(status.unwrap_or(Status::REQUEST_TIMEOUT)),
        };
        text.refused = text.refused.into_iter().chain(refusal).min();
        let answer = match refusal {
            None => status,
            Some(_) if text.asked.is_empty() => text.refused,
            Some(_) => return,
        };
        if let Some(text) = self.all.remove(key) {
            stack.respond(cx, text.txn, &Reply::new(answer.unwrap_or(Status::TEMPORARILY_UNAVAILABLE)));
            for txn in text.asked {
                self.by_client.remove(txn);
            }
            if let Some(share) = self.shares.get_mut(&text.from) {
                *share -= 1;
                if *share == 0 {
                    self.shares.remove(&text.from);
                }
            }
        }
    }

    /// Asserts that the tables agree.
    pub(crate) fn check(&self) {
        assert_eq!(self.shares.values().sum::<usize>(), self.all.len(), "every text has one sender");
        for (key, text) in self.all.iter() {
            let found = |txn: &ClientKey| self.by_client.get(*txn) == Some(&key);
            assert!(!text.asked.is_empty() && text.asked.iter().all(found), "an answer finds its text");
        }
        let asked = self.all.iter().map(|(_, text)| text.asked.len());
        assert_eq!(asked.sum::<usize>(), self.by_client.len(), "every answer has its text");
    }
}

/// The way to a contact. A host name is not looked up for a text.
fn flow(cx: &mut Cx<'_>, stack: &mut Stack, reach: &Reach) -> Option<Flow> {
    match reach {
        Reach::Flow(flow) => Some(*flow),
        Reach::Address { transport, remote } => stack.transport.target(cx, *transport, *remote),
        Reach::Name { .. } | Reach::Unreachable => None,
    }
}

/// The text as a request of ours: from the extension that has proved itself, whatever its From says.
fn write(cx: &mut Cx<'_>, stack: &Stack, incoming: &Incoming<'_>, target: &Target, flow: Flow) -> Draft {
    let text: &Message = incoming.invite;
    let host = host_for_uri(stack.transport.local_of(&flow));
    let display = text.from().ok().and_then(|from| from.display).filter(|display| !display.is_empty());
    let display = display.map_or_else(SmolStr::default, |display| format_smolstr!("\"{display}\" "));
    let hidden = is_private(text);
    let hops = text.max_forwards().and_then(Result::ok).unwrap_or(70).saturating_sub(1);
    let mut writer = routed(Method::Message, &target.uri, &target.routes);
    writer.header(HeaderName::MaxForwards, hops);
    let (tag, call_id) = (cx.rng.tag.token::<12>(), cx.rng.tag.token::<22>());
    let from = match hidden {
        true => Identity { private: true, ..Identity::default() }.shown(&host),
        false => format_smolstr!("{display}<sip:{}@{host}>", escaped(&incoming.caller)),
    };
    writer.header(HeaderName::From, format_args!("{from};tag={tag}"));
    writer.header(HeaderName::To, text.to().map(|to| without_tag(&to)).unwrap_or_default());
    writer.header(HeaderName::CallId, call_id);
    writer.header(HeaderName::CSeq, "1 MESSAGE");
    writer.header(HeaderName::UserAgent, AGENT);
    for name in [HeaderName::Date, HeaderName::Expires, HeaderName::ContentEncoding] {
        writer.copy(text, name);
    }
    if !hidden {
        writer.copy(text, HeaderName::Subject);
    }
    let kind = text.header(HeaderName::ContentType).unwrap_or("text/plain");
    Draft::new(Method::Message, writer.body(kind, text.body()))
}
