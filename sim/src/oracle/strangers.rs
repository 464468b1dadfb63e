//! Who proves nothing learns nothing.

use std::collections::BTreeMap;

use super::{Exit, Verdict, broken};
use crate::text::Msg;

/// Answers to questions that were asked twice: about somebody who exists and about somebody who does not.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    answers: BTreeMap<String, Vec<(String, String)>>,
}

/// Header fields that differ from one message to the next whatever it is about.
const OWN: [&str; 6] = ["via", "from", "to", "call-id", "cseq", "date"];

impl Strangers {
    /// The exchange answers in another way from now on: halves of one probe need not be answered alike.
    pub(crate) fn changed(&mut self) {
        self.answers.clear();
    }

    /// `existence_is_not_told`: both halves of a probe get the same answers, but for the name that was asked for.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) -> Verdict {
        let call_id = exit.msg.call_id();
        let Some((pair, half)) = call_id.rsplit_once('-').filter(|_| call_id.starts_with("probe-")) else {
            return Ok(());
        };
        let answers = self.answers.entry(pair.to_owned()).or_default();
        // Strangers share a rate: its last token goes to one half of a probe or to the other, whoever exists.
        if exit.msg.code() == Some(503) {
            return Ok(());
        }
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
