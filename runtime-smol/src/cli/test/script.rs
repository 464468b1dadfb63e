//! A file of scenarios as it was understood.

use std::time::Duration;

use smol_str::SmolStr;
use telex_engine::cdr::Disposition;

/// A word of the file, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The word.
    pub(super) name: SmolStr,
    /// Its line, from 1.
    pub(super) line: usize,
    /// Its first character, from 1.
    pub(super) column: usize,
}

/// What is shown from its beginning to its end, with an exchange of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    /// Its name, unique in the file.
    pub(super) name: String,
    /// Where it begins.
    pub(super) line: usize,
    /// The configuration it is about; `None` is the usual one.
    pub(super) config: Option<Named>,
    /// When it begins, as written.
    pub(super) at: Option<SmolStr>,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
}

/// One line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it stands.
    pub(super) line: usize,
    /// As written.
    pub(super) text: String,
    /// What it means.
    pub(super) what: What,
}

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Somebody does something.
    Act(Named, Act),
    /// A phone with a fixed contact answers from now on, or does not.
    Trunk(Named, bool),
    /// Time passes.
    Wait(Duration),
    /// Time passes until the clock on the wall shows this.
    Advance(SmolStr),
    /// Something has to come true within this time.
    Expect(Expectation, Duration),
    /// Something must not be so, now and for this time.
    Never(Expectation, Duration),
}

/// What a phone or the person at it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Calls this number.
    Dials(SmolStr),
    /// Answers the call that rings.
    Answers,
    /// Refuses it with this status.
    Refuses(u16),
    /// Ends what it is doing.
    HangsUp,
    /// Presses these keys.
    Presses(SmolStr),
    /// Puts the other party on hold.
    Holds,
    /// Takes it back.
    Resumes,
    /// Hands its call over to this number, without a word.
    Transfers(SmolStr),
    /// Connects the two parties it talks with, and leaves.
    Joins,
    /// Is so from now on.
    Is(Habit),
}

/// How a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// It rings when it is called. So are all at first.
    Free,
    /// It refuses every call as busy.
    Busy,
    /// The exchange knows where it is. So are all at first.
    Registered,
    /// The exchange does not know where it is.
    Unregistered,
    /// It answers. So are all at first.
    Reachable,
    /// It is registered, but nothing gets there or comes from there.
    Unreachable,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// It rings, and shows this number and this name.
    Rings(Named, Option<SmolStr>, Option<SmolStr>),
    /// It hears this.
    Hears(Named, Sound),
    /// It talks with somebody, or with this one.
    Talks(Named, Option<Named>),
    /// Its call was refused with this status.
    Told(Named, u16),
    /// It has no call.
    Idle(Named),
    /// A call has ended, with this.
    Ends(Option<Disposition>),
    /// There is a record of a call that has ended.
    Record(Recorded),
    /// The dialplan has logged a line with this in it.
    Log(SmolStr),
    /// A number has matched this pattern, in this context.
    Match(SmolStr, Option<SmolStr>),
}

/// What is expected of the record of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// What became of it.
    pub(super) disposition: Disposition,
    /// Seconds from the answer to the end, begun ones left out.
    pub(super) talked: Option<u64>,
    /// Who called.
    pub(super) from: Option<SmolStr>,
    /// What was dialled.
    pub(super) to: Option<SmolStr>,
}

/// What somebody can hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// That it rings at the other end.
    Ringback,
    /// A tone of the country: its name.
    Tone(&'static str),
    /// A prompt by its name.
    Prompt(SmolStr),
    /// Music, of this class.
    Music(Option<SmolStr>),
    /// Its own voice.
    Itself,
    /// What this phone says, whoever hears that one.
    Voice(Named),
    /// Keys that somebody pressed, the last of all.
    Keys(SmolStr),
    /// Nothing.
    Nothing,
}

impl Expectation {
    /// The phones it is about.
    pub(super) fn phones(&self) -> impl Iterator<Item = &Named> {
        let (one, other) = match self {
            Self::Talks(one, other) => (Some(one), other.as_ref()),
            Self::Hears(one, Sound::Voice(other)) => (Some(one), Some(other)),
            Self::Rings(one, ..) | Self::Hears(one, _) | Self::Told(one, _) | Self::Idle(one) => {
                (Some(one), None)
            }
            Self::Ends(_) | Self::Record(_) | Self::Log(_) | Self::Match(..) => (None, None),
        };
        one.into_iter().chain(other)
    }
}

impl Step {
    /// The phones it is about.
    pub(super) fn phones(&self) -> Vec<&Named> {
        match &self.what {
            What::Act(phone, _) => vec![phone],
            What::Expect(expectation, _) | What::Never(expectation, _) => expectation.phones().collect(),
            // What is no trunk is told otherwise.
            What::Trunk(..) | What::Wait(_) | What::Advance(_) => Vec::new(),
        }
    }
}
