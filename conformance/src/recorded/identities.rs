//! What the engine chose for itself where the record has something else: learnt when a message of the engine is
//! matched with one of the record, and the same ever after.

use std::collections::BTreeMap;

use telex_engine::sip::{HeaderName, Message};

/// Pairs of (recorded, engine's) on one side of the exchange.
#[derive(Debug, Default)]
pub(super) struct Identities {
    pub(super) calls: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) cseqs: BTreeMap<(String, u32), u32>,
    pub(super) rseqs: BTreeMap<u32, u32>,
}

impl Identities {
    /// Learns from a pair. What contradicts something learnt before is given back by the name of its header.
    pub(super) fn learn(&mut self, recorded: &Message, got: &Message) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let mut keep =
            |map: &mut BTreeMap<String, String>, theirs: Option<&str>, ours: Option<&str>, name| {
                if let (Some(theirs), Some(ours)) = (theirs, ours) {
                    let known = map.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
                    if known != ours {
                        broken.push(name);
                    }
                }
            };
        keep(&mut self.calls, recorded.call_id().ok(), got.call_id().ok(), "Call-ID");
        let tag =
            |message: &Message, name| message.address(name).ok().and_then(|a| a.tag().map(str::to_owned));
        for name in [HeaderName::From, HeaderName::To] {
            // A refusal may be said by somebody else each time: its To tag is nobody's identity.
            let refusal = name == HeaderName::To && got.status().is_some_and(|status| status.code() >= 300);
            if !refusal {
                let (theirs, ours) = (tag(recorded, name), tag(got, name));
                keep(&mut self.tags, theirs.as_deref(), ours.as_deref(), name.as_str());
            }
        }
        if let (true, Ok(theirs), Ok(ours)) = (got.is_request(), recorded.cseq(), got.cseq()) {
            // ACK and CANCEL have the number of their INVITE.
            let known = self.cseqs.entry((kind(ours.name), theirs.number)).or_insert(ours.number);
            if *known != ours.number {
                broken.push("CSeq");
            }
        }
        if let (Some(Ok(theirs)), Some(Ok(ours))) = (recorded.rseq(), got.rseq()) {
            self.rseqs.insert(theirs, ours);
        }
        broken
    }

    /// The engine's CSeq number for a recorded one.
    pub(super) fn number(&self, method: &str, recorded: u32) -> Option<u32> {
        self.cseqs.get(&(kind(method), recorded)).copied()
    }

    /// Whether `got` is what this recorded message was matched with: the same transaction and, of a response, status.
    pub(super) fn is_same(&self, recorded: &Message, got: &Message) -> bool {
        let (Ok(theirs), Ok(ours)) = (recorded.cseq(), got.cseq()) else { return false };
        let number =
            if got.is_request() { self.number(theirs.name, theirs.number) } else { Some(theirs.number) };
        let same = recorded.is_request() == got.is_request() && theirs.name == ours.name;
        same && number == Some(ours.number) && recorded.status() == got.status()
    }

    /// The engine's tag for a recorded one; the recorded one when it is the party's own.
    pub(super) fn tag(&self, recorded: &str) -> String {
        self.tags.get(recorded).cloned().unwrap_or_else(|| recorded.to_owned())
    }
}

fn kind(method: &str) -> String {
    if matches!(method, "ACK" | "CANCEL") { "INVITE".into() } else { method.to_owned() }
}
