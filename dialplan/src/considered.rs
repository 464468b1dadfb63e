//! Why an extension won a number, and why the others did not.

use std::ops::ControlFlow;

use crate::find::{Asked, At, Seen};
use crate::pattern::{Pattern, Position, caller_fits, octets};
use crate::plan::{Context, Dialplan, Extension, Include};
use crate::source::Span;
use crate::when::Moment;

/// Something that was looked at for a number, in the order in which it was.
#[derive(Clone, Debug)]
pub struct Considered<'a> {
    /// Where it stands.
    pub context: &'a Context,
    /// What it is, and what came of it.
    pub what: Looked<'a>,
}

/// What was looked at.
#[derive(Clone, Debug)]
pub enum Looked<'a> {
    /// An extension.
    Extension(&'a Extension, Verdict<'a>),
    /// An `include` that was not followed. Of one that was followed the extensions come here.
    Include(&'a Include, Shut),
}

/// What came of an extension.
#[derive(Clone, Debug)]
pub enum Verdict<'a> {
    /// It fits, and it comes first.
    Won,
    /// It fits, but this one comes before it.
    Behind(&'a Extension),
    /// It fits, but has no such priority or label.
    NoStep,
    /// It is for other callers.
    Caller(&'a Pattern),
    /// A character does not fit.
    Differs {
        /// Which one, from 1, dashes not counted.
        position: usize,
        /// What would fit.
        wants: Position,
        /// What is there.
        got: char,
    },
    /// The number ends too early.
    Short {
        /// What should follow.
        wants: Position,
    },
    /// The number goes on where the extension ends.
    Long {
        /// The characters that are too many.
        by: usize,
    },
}

/// Why an `include` was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Its time is not now: the field that is not met.
    Time(&'static str),
    /// There is no such context.
    Unknown,
    /// The context was looked into before, or too many were.
    Seen,
}

impl Dialplan {
    /// Everything that is looked at for a number, in order. It has as many parts as there are extensions within reach.
    pub fn consider<'a>(&'a self, asked: Asked<'_>, at: At<'_>) -> Vec<Considered<'a>> {
        let mut list = Vec::new();
        if let Some(number) = self.number(asked.context) {
            let mut look = Look { plan: self, asked, at, won: None, seen: Seen::default(), list: &mut list };
            look.context(number as u32);
        }
        list
    }
}

/// A look at everything.
struct Look<'a, 'b, 'c> {
    plan: &'a Dialplan,
    asked: Asked<'b>,
    at: At<'b>,
    won: Option<&'a Extension>,
    seen: Seen,
    list: &'c mut Vec<Considered<'a>>,
}

impl<'a> Look<'a, '_, '_> {
    /// As deep as [`crate::limits::INCLUDES`].
    fn context(&mut self, number: u32) -> bool {
        if !self.seen.first_time(number) {
            return false;
        }
        let context = &self.plan.contexts()[number as usize];
        for extension in &context.extensions {
            let verdict = self.verdict(extension);
            self.list.push(Considered { context, what: Looked::Extension(extension, verdict) });
        }
        for include in &context.includes {
            if let Some(shut) = self.include(include, self.asked.now) {
                self.list.push(Considered { context, what: Looked::Include(include, shut) });
            }
        }
        true
    }

    /// Follows it, or says why not.
    fn include(&mut self, include: &'a Include, now: Moment<'_>) -> Option<Shut> {
        let missed = include.when.as_ref().and_then(|when| when.missed(now));
        match (include.number, missed) {
            (None, _) => Some(Shut::Unknown),
            (_, Some(field)) => Some(Shut::Time(field)),
            (Some(number), None) => (!self.context(number)).then_some(Shut::Seen),
        }
    }

    fn verdict(&mut self, extension: &'a Extension) -> Verdict<'a> {
        if let ControlFlow::Break(verdict) = differs(&extension.pattern, self.asked.extension) {
            return verdict;
        }
        if let Some(caller) =
            extension.caller.as_ref().filter(|caller| !caller_fits(Some(caller), self.asked.caller))
        {
            return Verdict::Caller(caller);
        }
        match self.won {
            _ if extension.step(self.at).is_none() => Verdict::NoStep,
            Some(first) => Verdict::Behind(first),
            None => {
                self.won = Some(extension);
                Verdict::Won
            }
        }
    }
}

/// Where a number and a pattern part.
fn differs<'a>(pattern: &Pattern, number: &str) -> ControlFlow<Verdict<'a>> {
    let mut left = octets(number);
    for (index, wants) in pattern.positions().enumerate() {
        match (wants, left.next()) {
            (Position::Early, _) | (Position::Rest, Some(_)) => return ControlFlow::Continue(()),
            (_, None) => return ControlFlow::Break(Verdict::Short { wants }),
            (_, Some(octet)) if wants.fits(octet) => {}
            (_, Some(octet)) => {
                // Patterns of more than ASCII part within a character: the whole one is told.
                let got = number.chars().filter(|sign| *sign != '-').nth(index);
                let got = got.filter(|_| number.is_ascii()).unwrap_or(char::from(octet));
                return ControlFlow::Break(Verdict::Differs { position: index + 1, wants, got });
            }
        }
    }
    match left.count() {
        0 => ControlFlow::Continue(()),
        by => ControlFlow::Break(Verdict::Long { by }),
    }
}

impl Considered<'_> {
    /// As it is written: `_1XX`, `include night,*,sun,*,*`.
    pub fn name(&self) -> String {
        match &self.what {
            Looked::Extension(extension, _) => extension.to_string(),
            Looked::Include(include, _) => {
                let when = include.when.as_ref().map(|when| format!(",{}", when.as_str()));
                format!("include {}{}", include.context, when.unwrap_or_default())
            }
        }
    }

    /// What came of it, in words.
    pub fn verdict(&self) -> String {
        match &self.what {
            Looked::Extension(_, verdict) => verdict.to_string(),
            Looked::Include(_, Shut::Time(field)) => format!("not now: the {field} is another"),
            Looked::Include(_, Shut::Unknown) => "there is no such context".to_owned(),
            Looked::Include(_, Shut::Seen) => "looked into before".to_owned(),
        }
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        match &self.what {
            Looked::Extension(extension, _) => extension.span,
            Looked::Include(include, _) => include.span,
        }
    }

    /// Whether it is a number that is written out and another one.
    pub(crate) fn is_other_number(&self) -> bool {
        let Looked::Extension(extension, verdict) = &self.what else { return false };
        let other = matches!(verdict, Verdict::Differs { .. } | Verdict::Short { .. } | Verdict::Long { .. });
        other && !extension.pattern.is_pattern()
    }
}

/// One line, without its place: `_1XX: does not fit: character 1 is 2, not 1`.
impl std::fmt::Display for Considered<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name(), self.verdict())
    }
}

impl std::fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Won => f.write_str("fits and comes first"),
            Self::Behind(first) => write!(f, "fits, but {first} comes before it"),
            Self::NoStep => f.write_str("fits, but has no such priority"),
            Self::Caller(caller) if caller.as_str().is_empty() => {
                f.write_str("fits, but only for callers without a number")
            }
            Self::Caller(caller) => write!(f, "fits, but only for the callers {caller}"),
            Self::Differs { position, wants, got } => {
                write!(f, "does not fit: character {position} is {got}, not {wants}")
            }
            Self::Short { wants } => write!(f, "does not fit: {wants} should follow"),
            Self::Long { by: 1 } => f.write_str("does not fit: 1 character too many"),
            Self::Long { by } => write!(f, "does not fit: {by} characters too many"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "[office]\nexten => 100,1,NoOp()\nexten => 101/5.,1,NoOp()\nexten => 101/,1,NoOp()\n\
        exten => 10,1,NoOp()\nexten => _1XX,1,NoOp()\nexten => _1XXX,1,NoOp()\nexten => _[2-5]XX,1,NoOp()\nexten => _101.,1,NoOp()\n\
        exten => _10X,2,NoOp()\ninclude => day,9:00-17:00,mon-fri,*,*\ninclude => night\ninclude => none\n\
        [day]\nexten => 101,1,NoOp()\n[night]\nexten => _X.,1,NoOp()\ninclude => office\n";

    #[test]
    fn every_one_has_its_reason() {
        let plan = Dialplan::parse("x", PLAN).expect("it is right");
        // A Sunday.
        let now = Moment::new(1_700_994_600_000, "Europe/Berlin");
        let asked = Asked { context: "office", extension: "1-01", caller: "777", now };
        let list = plan.consider(asked, At::Priority(1));
        let text: Vec<String> = list.iter().map(|one| format!("[{}] {one}", one.context.name)).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        [office] 10: does not fit: 1 character too many
        [office] 100: does not fit: character 3 is 1, not 0
        [office] 101/: fits, but only for callers without a number
        [office] 101/5.: fits, but only for the callers 5.
        [office] _101.: does not fit: one or more characters should follow
        [office] _10X: fits, but has no such priority
        [office] _1XXX: does not fit: one of 0-9 should follow
        [office] _1XX: fits and comes first
        [office] _[2-5]XX: does not fit: character 1 is 1, not one of 2-5
        [office] include day,9:00-17:00,mon-fri,*,*: not now: the day of the week is another
        [night] _X.: fits, but _1XX comes before it
        [night] include office: looked into before
        [office] include none: there is no such context
        ");
        let found = plan.find(asked, At::Priority(1)).expect("one fits");
        assert_eq!(found.extension.to_string(), "_1XX");
        assert!(plan.consider(Asked { context: "none", ..asked }, At::Priority(1)).is_empty());
    }
}
