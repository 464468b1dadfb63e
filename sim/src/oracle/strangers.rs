//! Who proves nothing learns nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Entry, Exit, Verdict, broken};
use crate::text::Msg;

/// Answers to questions that were asked twice: about somebody who exists and about somebody who does not.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    answers: BTreeMap<String, Vec<(String, String)>>,
    /// How often credentials came that nobody can have: from a source, for a name, and both.
    guesses: BTreeMap<(Option<IpAddr>, Option<String>), u32>,
}

/// So many wrong credentials are looked at at once: of one source for one name, of a source, for a name.
const OF_PAIR: u32 = 5;
const OF_ONE: u32 = 20;

/// Header fields that differ from one message to the next whatever it is about.
const OWN: [&str; 6] = ["via", "from", "to", "call-id", "cseq", "date"];

impl Strangers {
    /// The exchange answers in another way from now on: halves of one probe need not be answered alike.
    pub(crate) fn changed(&mut self) {
        self.answers.clear();
    }

    /// A stranger's message arrives.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) {
        if entry.msg.get("authorization").is_none() {
            return;
        }
        let (source, name) = (Some(entry.source.ip()), Some(entry.msg.user("from").to_owned()));
        for key in [(source, name.clone()), (source, None), (None, name)] {
            *self.guesses.entry(key).or_default() += 1;
        }
    }

    /// Whether credentials for this name from this source need not be looked at any more, whoever exists.
    fn is_slowed(&self, source: IpAddr, name: &str) -> bool {
        let name = Some(name.to_owned());
        let guesses = |source, name: Option<&String>| {
            self.guesses.get(&(source, name.cloned())).copied().unwrap_or_default()
        };
        guesses(Some(source), name.as_ref()) > OF_PAIR
            || guesses(Some(source), None) > OF_ONE
            || guesses(None, name.as_ref()) > OF_ONE
    }

    /// `existence_is_not_told`: both halves of a probe get the same answers, but for the name that was asked for.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) -> Verdict {
        let call_id = exit.msg.call_id();
        let Some((pair, half)) = call_id.rsplit_once('-').filter(|_| call_id.starts_with("probe-")) else {
            return Ok(());
        };
        // Strangers share rates: the last token goes to one half of a probe or to the other, whoever exists. Who is
        // slowed is told so in one way.
        let slowed = exit.msg.code() == Some(503) && self.is_slowed(exit.remote.ip(), exit.msg.user("from"));
        let pair = if slowed { "slowed" } else { pair };
        let answers = self.answers.entry(pair.to_owned()).or_default();
        let shape = shape(exit.msg);
        if let Some((_, other)) = answers.iter().find(|(other, _)| other != half)
            && *other != shape
        {
            let reason = format!("{pair}: {half} is answered {shape:?}, the other {other:?}");
            return Err(broken("existence_is_not_told", exit.now, reason));
        }
        answers.push((half.to_owned(), shape));
        Ok(())
    }
}

fn shape(msg: &Msg) -> String {
    let mut text = msg.code().unwrap_or(0).to_string();
    for (name, value) in &msg.headers {
        text.push('\n');
        text.push_str(name);
        if !OWN.contains(&name.as_str()) {
            text.push_str(": ");
            text.push_str(&without_nonce(value));
        }
    }
    text.push_str(&String::from_utf8_lossy(&msg.body));
    text
}

fn without_nonce(value: &str) -> String {
    match value.split_once("nonce=\"") {
        Some((before, after)) => {
            format!("{before}nonce{}", after.split_once('"').map_or("", |(_, rest)| rest))
        }
        None => value.to_owned(),
    }
}
