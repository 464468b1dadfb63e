//! Offers and answers of the exchange (RFC 3264), read apart from the engine.

use std::collections::BTreeMap;

use super::requests::Requests;
use super::{Exit, Verdict, broken};

/// A session description, as far as the rules go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Description {
    session: String,
    version: u64,
    time: String,
    media: Vec<Media>,
    /// Everything but the version.
    rest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Media {
    kind: String,
    port: u16,
    protocol: String,
    formats: Vec<String>,
    /// Sends, receives.
    way: (bool, bool),
}

/// Watches the descriptions that leave.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    /// The last one, by Call-ID and tag of the exchange.
    said: BTreeMap<(String, String), Description>,
}

impl Offers {
    /// A message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let msg = exit.msg;
        if !msg.has_description() {
            return Ok(());
        }
        let Some(said) = Description::read(&msg.body) else {
            let reason = format!("{} carries a description that cannot be read", msg.summary());
            return Err(broken("answers_fit_their_offers", exit.now, reason));
        };
        let asked = requests.asked(msg, msg.method()).filter(|_| !msg.is_request());
        if let Some(offer) = asked.filter(|asked| asked.msg.has_description())
            && let Some(offer) = Description::read(&offer.msg.body)
            && let Err(why) = fits(&offer, &said)
        {
            let reason = format!("{}: {why}", msg.summary());
            return Err(broken("answers_fit_their_offers", exit.now, reason));
        }
        self.version(exit, said)
    }

    /// `versions_tell_changes`: the version of `o=` rises by one when anything else has changed, and only then; streams
    /// keep their places and are never fewer (RFC 3264 §8).
    fn version(&mut self, exit: &Exit<'_>, said: Description) -> Verdict {
        let msg = exit.msg;
        let tag = msg.tag(if msg.is_request() { "from" } else { "to" }).unwrap_or_default();
        let key = (msg.call_id().to_owned(), tag.to_owned());
        let fault = self.said.get(&key).and_then(|before| {
            let next = before.version + u64::from(before.rest != said.rest);
            let kinds = |d: &Description| d.media.iter().map(|m| m.kind.clone()).collect::<Vec<_>>();
            if before.session != said.session {
                Some(format!("the session of o= was {} and is {}", before.session, said.session))
            } else if said.version != next {
                Some(format!("the version of o= is {} after {}, not {next}", said.version, before.version))
            } else if !kinds(&said).starts_with(&kinds(before)) {
                Some(format!("its streams were {:?} and are {:?}", kinds(before), kinds(&said)))
            } else {
                None
            }
        });
        self.said.insert(key, said);
        match fault {
            Some(why) => Err(broken("versions_tell_changes", exit.now, format!("{}: {why}", msg.summary()))),
            None => Ok(()),
        }
    }
}

impl Description {
    fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut said = Self::default();
        let mut way = (true, true);
        for line in text.lines() {
            let (kind, value) = line.split_once('=')?;
            if kind == "o" {
                let words: Vec<&str> = value.split(' ').collect();
                said.session = format!("{} {}", words.first()?, words.get(1)?);
                said.version = words.get(2)?.parse().ok()?;
                continue;
            }
            said.rest.push_str(line);
            said.rest.push('\n');
            match (kind, value) {
                ("t", value) => value.clone_into(&mut said.time),
                ("m", value) => said.media.push(Media { way, ..Media::read(value)? }),
                ("a", "sendrecv" | "sendonly" | "recvonly" | "inactive") => {
                    let now = (value.starts_with("send"), value.starts_with("recv") || value == "sendrecv");
                    match said.media.last_mut() {
                        Some(media) => media.way = now,
                        None => way = now,
                    }
                }
                _ => {}
            }
        }
        Some(said)
    }
}

impl Media {
    fn read(value: &str) -> Option<Self> {
        let mut words = value.split(' ');
        Some(Self {
            kind: words.next()?.to_owned(),
            port: words.next()?.split('/').next()?.parse().ok()?,
            protocol: words.next()?.to_owned(),
            formats: words.map(str::to_owned).collect(),
            way: (true, true),
        })
    }
}

/// Whether `answer` is one to `offer` (RFC 3264 §6).
fn fits(offer: &Description, answer: &Description) -> Result<(), String> {
    if offer.media.len() != answer.media.len() {
        return Err(format!("{} streams answer {}", answer.media.len(), offer.media.len()));
    }
    if offer.time != answer.time {
        return Err(format!("t={} answers t={}", answer.time, offer.time));
    }
    for (offered, answered) in offer.media.iter().zip(&answer.media) {
        if (&offered.kind, &offered.protocol) != (&answered.kind, &answered.protocol) {
            return Err(format!("{answered:?} answers {offered:?}"));
        }
        if answered.port == 0 {
            continue;
        }
        let strange = answered.formats.iter().find(|f| !offered.formats.contains(f));
        if let Some(strange) = strange {
            return Err(format!("payload type {strange} was not offered"));
        }
        if offered.port == 0 || answered.formats.is_empty() {
            return Err("a refused stream is accepted, or one without any format".to_owned());
        }
        let ((sends, receives), (answer_sends, answer_receives)) = (offered.way, answered.way);
        if answer_sends && !receives || answer_receives && !sends {
            return Err(format!("direction {:?} answers {:?}", answered.way, offered.way));
        }
    }
    Ok(())
}
