//! The registrar beside a model of ten lines.

use std::collections::BTreeMap;

use telex_engine::border::RegistrationInfo;
use telex_engine::time::{Duration, Instant};

use super::requests::{Asked, Requests};
use super::{Exit, Verdict, broken};
use crate::text::{Msg, parameter};

/// One binding of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    until: Instant,
    call_id: String,
    cseq: u32,
}

/// All bindings, by extension and Contact URI.
#[derive(Debug, Default)]
pub(crate) struct Model {
    bound: BTreeMap<(String, String), Bound>,
    /// What was restored by a restart is not known here.
    restarted: bool,
    /// The host wakes the exchange up to so much too late.
    late: Duration,
}

/// The longest expiry granted, and that of a phone which asks for none.
const LONGEST: Duration = Duration::from_secs(7200);
const USUAL: u64 = 3600;
/// A binding that ends just now may be told or not.
const EDGE: Duration = Duration::from_millis(2);

impl Model {
    /// No bindings, on a host that wakes the exchange up to `late` too late.
    pub(crate) fn new(late: Duration) -> Self {
        Self { late, ..Self::default() }
    }

    /// The exchange was started again.
    pub(crate) fn restarted(&mut self) {
        self.restarted = true;
    }

    /// Who is not in the configuration any more is not registered either.
    pub(crate) fn reconfigured(&mut self, known: &BTreeMap<String, String>) {
        self.bound.retain(|(aor, _), _| known.contains_key(aor));
    }

    /// The model: what an accepted REGISTER does (RFC 3261 §10.3).
    fn register(&mut self, now: Instant, msg: &Msg) -> Result<(), String> {
        let (aor, call_id) = (msg.user("to").to_owned(), msg.call_id().to_owned());
        let cseq = msg.cseq().map_or(0, |(number, _)| number);
        self.bound.retain(|_, bound| bound.until > now);
        for contact in msg.values("contact") {
            let uri = bare(contact);
            if contact == "*" {
                self.bound.retain(|(other, _), _| *other != aor);
                continue;
            }
            let asked = parameter(contact, "expires").or(msg.get("expires"));
            let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(USUAL);
            let expires = Duration::from_secs(seconds).min(LONGEST);
            let key = (aor.clone(), uri);
            if let Some(known) = self.bound.get(&key)
                && known.call_id == call_id
                && known.cseq >= cseq
            {
                return Err(format!("CSeq {cseq} comes after {}", known.cseq));
            }
            self.bound.insert(key, Bound { until: now + expires, call_id: call_id.clone(), cseq });
        }
        self.bound.retain(|_, bound| bound.until > now);
        Ok(())
    }

    /// A message leaves: a 200 to REGISTER is what the model would say.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let (msg, now) = (exit.msg, exit.now);
        let asked = requests.asked(msg, "REGISTER").filter(|_| msg.code() == Some(200));
        let Some(asked) = asked.filter(|asked: &&Asked| asked.done.is_none() && msg.method() == "REGISTER")
        else {
            return Ok(());
        };
        let wrong =
            |why: String| Err(broken("registrar_as_modelled", now, format!("{}: {why}", msg.summary())));
        if let Err(why) = self.register(now, &asked.msg) {
            return wrong(why);
        }
        let aor = asked.msg.user("to");
        let seconds = |contact: &str| parameter(contact, "expires").and_then(|text| text.parse::<u64>().ok());
        let told: BTreeMap<String, u64> =
            msg.values("contact").map(|contact| (bare(contact), seconds(contact).unwrap_or(0))).collect();
        match self.compare(now, |extension| extension == aor, |_, uri| told.get(uri).copied(), told.len()) {
            Some(why) => wrong(why),
            None => Ok(()),
        }
    }

    /// The exchange lists its bindings for an operator.
    pub(crate) fn listed(&mut self, now: Instant, all: &[RegistrationInfo]) -> Verdict {
        let told: BTreeMap<(&str, &str), u64> = all
            .iter()
            .map(|info| ((info.extension.as_str(), info.contact.as_str()), ceiling(info.expires_in)))
            .collect();
        let find = |aor: &str, uri: &str| told.get(&(aor, uri)).copied();
        match self.compare(now, |_| true, find, told.len()) {
            Some(why) => Err(broken("registrar_as_modelled", now, format!("the operator's list: {why}"))),
            None => Ok(()),
        }
    }

    /// What is different, if anything.
    fn compare(
        &self,
        now: Instant,
        of: impl Fn(&str) -> bool,
        told: impl Fn(&str, &str) -> Option<u64>,
        count: usize,
    ) -> Option<String> {
        if self.restarted {
            return None;
        }
        let mut found = 0;
        let live = |bound: &Bound| bound.until + self.late + EDGE > now;
        for ((aor, uri), bound) in self.bound.iter().filter(|((aor, _), bound)| of(aor) && live(bound)) {
            let edge = bound.until <= now + EDGE;
            match told(aor, uri) {
                None if edge => {}
                None => return Some(format!("{uri} of {aor} is missing")),
                Some(seconds) => {
                    found += 1;
                    let right = ceiling(bound.until.since(now));
                    if seconds.abs_diff(right) > u64::from(edge) {
                        return Some(format!("{uri} of {aor} has {seconds} s left instead of {right}"));
                    }
                }
            }
        }
        (found != count).then(|| format!("{count} bindings are told, {found} are known"))
    }
}

fn ceiling(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// The URI of a name-addr.
fn bare(contact: &str) -> String {
    let inside = contact.find('<').and_then(|open| contact[open + 1..].split('>').next());
    inside.unwrap_or_else(|| contact.split(';').next().unwrap_or_default()).to_owned()
}
