//! What a call between two phones would use, for people and as JSON.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telex_engine::border::{self, SoundWay};

use crate::log::{Escaped, Talked};

/// What a call between two phones would use. Codecs are written as in `PCMU/8000 opus/48000/2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodecPlan {
    caller: Phone,
    callee: Phone,
    /// Whether the exchange turns one codec into another.
    transcode: bool,
    /// What the callee would be offered, and take of that.
    offered: String,
    answer: String,
    /// What the caller would be answered; empty when the call would fail.
    answered: String,
    /// How the caller's sound would reach the callee, and the other way round.
    there: Way,
    back: Way,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Phone {
    extension: String,
    /// What it named in its last call; null when there was none.
    named: Option<String>,
    /// Seconds since then.
    ago: Option<u64>,
    /// Whether the configuration keeps it to some codecs.
    restricted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
enum Way {
    Untouched { codec: String },
    Transcoded { from: String, to: String },
    Nothing,
}

impl From<border::CodecPlan> for CodecPlan {
    fn from(plan: border::CodecPlan) -> Self {
        Self {
            caller: plan.caller.into(),
            callee: plan.callee.into(),
            transcode: plan.transcode,
            offered: plan.offered.into(),
            answer: plan.answer.into(),
            answered: plan.answered.into(),
            there: plan.there.into(),
            back: plan.back.into(),
        }
    }
}

impl From<border::PhoneCodecs> for Phone {
    fn from(phone: border::PhoneCodecs) -> Self {
        Self {
            extension: phone.extension.into(),
            named: phone.named.map(Into::into),
            ago: phone.ago.map(|ago| ago.as_secs()),
            restricted: phone.restricted,
        }
    }
}

impl From<SoundWay> for Way {
    fn from(way: SoundWay) -> Self {
        match way {
            SoundWay::Untouched { codec } => Self::Untouched { codec: codec.into() },
            SoundWay::Transcoded { from, to } => Self::Transcoded { from: from.into(), to: to.into() },
            SoundWay::Nothing => Self::Nothing,
        }
    }
}

impl fmt::Display for CodecPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = (Escaped(&self.caller.extension), Escaped(&self.callee.extension));
        let mut line = |head: String, text: &str| writeln!(f, "{head:<24} {}", Escaped(text));
        line(format!("{a} names"), &self.caller.names("the exchange's own codecs are assumed"))?;
        line(format!("{b} names"), &self.callee.names("taken to have all that it is offered"))?;
        line(format!("{b} is offered"), &self.offered)?;
        line(format!("{b} takes"), or_nothing(&self.answer))?;
        line(format!("{a} is answered"), or_nothing(&self.answered))?;
        writeln!(f)?;
        for (from, to, way) in [(&a, &b, &self.there), (&b, &a, &self.back)] {
            let head = format!("sound from {from} to {to}");
            match way {
                Way::Untouched { codec } => writeln!(f, "{head:<24} {codec}, untouched: both name it")?,
                Way::Transcoded { from: by, to: into } => {
                    writeln!(f, "{head:<24} {by} made into {into}: {to} does not name {by}")?;
                }
                Way::Nothing => {
                    writeln!(f, "{head:<24} none: the call would be refused with 488{}", self.remedy())?;
                }
            }
        }
        Ok(())
    }
}

impl CodecPlan {
    /// What would help a call that fails.
    fn remedy(&self) -> &'static str {
        match (self.transcode, self.caller.restricted || self.callee.restricted) {
            (false, _) => "; [media] transcode = true would let them talk",
            (true, true) => "; `codecs` of these phones keep them apart",
            (true, false) => "",
        }
    }
}

impl Phone {
    fn names(&self, unknown: &str) -> String {
        let restricted = if self.restricted { ", kept to its `codecs`" } else { "" };
        match (&self.named, self.ago) {
            (Some(named), Some(ago)) => {
                format!("{named} (in a call {} ago{restricted})", Talked(Duration::from_secs(ago)))
            }
            _ => format!("nothing yet, no call since the start: {unknown}{restricted}"),
        }
    }
}

fn or_nothing(codecs: &str) -> &str {
    if codecs.is_empty() { "nothing" } else { codecs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(there: Way) -> CodecPlan {
        let phone = |extension: &str, named: Option<&str>| Phone {
            extension: extension.to_owned(),
            named: named.map(str::to_owned),
            ago: named.map(|_| 185),
            restricted: false,
        };
        CodecPlan {
            caller: phone("100", Some("PCMU/8000")),
            callee: phone("101", None),
            transcode: true,
            offered: "PCMU/8000 PCMA/8000".to_owned(),
            answer: "PCMA/8000".to_owned(),
            answered: "PCMU/8000".to_owned(),
            there,
            back: Way::Untouched { codec: "PCMU/8000".to_owned() },
        }
    }

    #[test]
    fn a_plan_says_why() {
        let way = Way::Transcoded { from: "PCMU/8000".to_owned(), to: "PCMA/8000".to_owned() };
        insta::assert_snapshot!(plan(way).to_string(), @r#"
        100 names                PCMU/8000 (in a call 3:05 ago)
        101 names                nothing yet, no call since the start: taken to have all that it is offered
        101 is offered           PCMU/8000 PCMA/8000
        101 takes                PCMA/8000
        100 is answered          PCMU/8000

        sound from 100 to 101    PCMU/8000 made into PCMA/8000: 101 does not name PCMU/8000
        sound from 101 to 100    PCMU/8000, untouched: both name it
        "#);
    }

    #[test]
    fn a_call_that_would_fail_says_what_would_help() {
        let failing = CodecPlan { transcode: false, answer: String::new(), ..plan(Way::Nothing) };
        assert!(failing.to_string().contains("488; [media] transcode = true would let them talk"));
    }
}
