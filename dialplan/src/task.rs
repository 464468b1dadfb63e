//! What a dialplan wants of the exchange, and what came of it.
//!
//! Everything that only changes the walk (Goto, Set, GotoIf, Gosub, While, ExecIf, NoOp, Log, ...) is done inside the
//! thread; a task is what needs a channel.

use std::time::Duration;

use smol_str::SmolStr;

/// Something to be said, played or shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Say {
    /// A prompt by name, without ending: `welcome`, `digits/1`.
    Prompt(SmolStr),
    /// Silence.
    Pause(Duration),
}

/// What ends the collecting of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Until {
    /// So many keys, or one of the terminators (which is not part of them).
    Count {
        /// At most; 0 means no bound but that of the exchange.
        max: u8,
        /// Any of these keys ends it.
        terminators: SmolStr,
    },
    /// The keys are an extension of the thread's context, or cannot become one: ask `Thread::dialled` after each key.
    Extension,
}

/// What to do with the caller's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Collect {
    /// Played first.
    pub say: Vec<Say>,
    /// How long to wait for the first key after that; zero does not wait.
    pub first: Duration,
    /// How long to wait for each next key.
    pub next: Duration,
    /// When there is enough.
    pub until: Until,
    /// The first key stops what is played.
    pub barge: bool,
    /// While something is played only these keys count; all of them if `None`.
    pub only: Option<SmolStr>,
    /// Heard after that, until the first key.
    pub meanwhile: Option<Sound>,
}

/// What goes on until somebody does something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Sound {
    /// Tones by name, as Playtones has them.
    Tones(SmolStr),
    /// A class of music; the usual one if empty.
    Music(SmolStr),
}

/// Whom to ring, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dial {
    /// All together: the first answer wins.
    pub targets: Vec<Target>,
    /// How long; `None` leaves it to the exchange.
    pub timeout: Option<Duration>,
    /// Option letters with their arguments, in the order written: `('S', "30")`.
    pub options: Vec<(char, SmolStr)>,
    /// Header fields to add to each INVITE.
    pub headers: Vec<(SmolStr, SmolStr)>,
    /// Run for each phone before it is asked.
    pub before: Option<Routine>,
    /// Run for the phone that answers, before it is connected.
    pub on_answer: Option<Routine>,
}

/// A subroutine that is run for another channel than the one that names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Routine {
    /// `[[context,]extension,]priority`; what is left out is that of the step that names it.
    pub place: Vec<SmolStr>,
    /// `ARG1`, `ARG2`, ...
    pub args: Vec<SmolStr>,
}

impl Routine {
    /// `context^extension^priority(argument^argument)`, as the option `b` of Dial has it.
    pub fn of_place(text: &str) -> Option<Self> {
        let (place, args) = match text.trim().split_once('(') {
            Some((place, args)) => (place, args.strip_suffix(')').unwrap_or(args)),
            None => (text.trim(), ""),
        };
        let place: Vec<SmolStr> = place.split('^').map(|part| part.trim().into()).collect();
        let args = if args.is_empty() { Vec::new() } else { args.split('^').map(SmolStr::new).collect() };
        let whole = place.len() <= 3 && place.iter().all(|part| !part.is_empty());
        whole.then_some(Self { place, args })
    }

    /// `context^argument^argument`, as the option `U` of Dial has it: it begins at priority 1 of the extension `s`.
    pub fn of_context(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('^');
        let context = parts.next().filter(|context| !context.is_empty())?;
        let place = vec![context.into(), SmolStr::new_static("s"), SmolStr::new_static("1")];
        Some(Self { place, args: parts.map(SmolStr::new).collect() })
    }
}

/// One who is to be rung.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Target {
    /// A phone by its extension: `PJSIP/101`, `SIP/101`.
    Phone(SmolStr),
    /// A number by way of a trunk: `PJSIP/0123@carrier`, `SIP/0123@carrier`.
    Trunk {
        /// The number.
        number: SmolStr,
        /// The trunk's name.
        trunk: SmolStr,
    },
    /// Somebody at another host, as if the phone or trunk were there: `PJSIP/carrier/sip:0123@192.0.2.7:5060`. It is
    /// asked there, and not by way of that one; its codecs and what else is configured of it count.
    Uri {
        /// What is asked, with `sip:`; whatever stands before the last `@` is the user.
        uri: SmolStr,
        /// The phone or trunk; empty for nobody's.
        name: SmolStr,
    },
    /// An extension of the dialplan, run for a caller of its own: `Local/101@internal`.
    Local {
        /// The extension.
        extension: SmolStr,
        /// Its context.
        context: SmolStr,
    },
}

/// What the exchange must do for a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Task {
    /// Answer the call, then wait so long.
    Answer(Duration),
    /// End the call. Nothing follows but the extension `h`.
    Hangup {
        /// A cause by Q.850; `None` is the usual.
        cause: Option<u8>,
    },
    /// Tell the caller that it rings.
    Ringing,
    /// Tell the caller that there is something to hear before the answer.
    Progress,
    /// Tell the caller that the line is taken and wait for it to hang up; without answer, refuse it so.
    Busy(Option<Duration>),
    /// The same for no way through.
    Congestion(Option<Duration>),
    /// Do nothing for so long.
    Wait(Duration),
    /// Play these one after the other; `Outcome::Done`, or `Keys` where the caller pressed one of `escape` (then only
    /// that one).
    Play {
        /// What.
        say: Vec<Say>,
        /// Keys that stop it.
        escape: SmolStr,
        /// Whether to answer first if that was not done; otherwise it is heard as early media.
        answer: bool,
    },
    /// Play and collect keys: Background, Read, WaitExten.
    Collect(Collect),
    /// Play tones without waiting: a name of the country's plan (`dial`, `busy`, ...) or a list of
    /// `frequencies/milliseconds`.
    Tones(SmolStr),
    /// End what `Tones` started.
    StopTones,
    /// The caller hears itself until `#` or the end.
    Echo,
    /// 1004 Hz at a milliwatt until the end.
    Milliwatt,
    /// Ring others and connect the caller with the first who answers.
    Dial(Dial),
    /// Record the caller into a file until silence, a key or a time.
    Record {
        /// Name without folder; the exchange puts it in its folder of recordings.
        file: SmolStr,
        /// Ends after so much silence; zero does not.
        silence: Duration,
        /// Ends after so long; zero does not.
        most: Duration,
        /// Option letters.
        options: SmolStr,
    },
    /// Record the call from now on.
    Monitor {
        /// Name without folder.
        file: SmolStr,
        /// Option letters with arguments.
        options: SmolStr,
    },
    /// End that.
    StopMonitor,
    /// Send the caller elsewhere by REFER, or by 302 before the answer.
    Transfer(SmolStr),
    /// Park the caller until somebody takes it up. It goes on when nobody has, and who parked it does not answer.
    Park {
        /// The lot; empty for the usual one.
        lot: SmolStr,
        /// Option letters with arguments.
        options: Vec<(char, SmolStr)>,
    },
    /// Connect the caller with who is parked.
    ParkedCall {
        /// The lot; empty for the usual one.
        lot: SmolStr,
        /// The slot; empty for the first where somebody is.
        slot: SmolStr,
    },
    /// Take a call that rings at one of these extensions, or in the caller's group if empty.
    Pickup(Vec<SmolStr>),
    /// Speak to all of these at once; they answer by themselves.
    Page {
        /// Whom.
        targets: Vec<Target>,
        /// Option letters with arguments.
        options: Vec<(char, SmolStr)>,
        /// How long they may take to answer; `None` leaves it to the exchange.
        timeout: Option<Duration>,
    },
    /// Press keys into the caller's ear.
    SendDigits {
        /// The keys; `w` is half a second of pause.
        keys: SmolStr,
        /// Between them.
        gap: Duration,
    },
    /// Join a conference.
    Conference {
        /// Its name.
        name: SmolStr,
    },
    /// Wait in a queue.
    Queue {
        /// Its name.
        name: SmolStr,
        /// How long at most.
        timeout: Option<Duration>,
    },
    /// Leave a message.
    VoiceMail {
        /// `box@context`.
        mailbox: SmolStr,
        /// Option letters.
        options: SmolStr,
    },
    /// Music for the caller, for so long or until it hangs up.
    Music {
        /// Which; empty for the usual one.
        class: SmolStr,
        /// How long.
        time: Option<Duration>,
    },
    /// Listen to the messages of a mailbox.
    Messages {
        /// `box@context`; empty asks the caller.
        mailbox: SmolStr,
        /// Option letters.
        options: SmolStr,
    },
    /// Call the caller back, once this phone is free; empty for the one that it found busy last. `Outcome::Set` says
    /// what came of that.
    CallBack {
        /// The extension.
        of: SmolStr,
    },
    /// Forget that.
    CancelCallBack,
}

/// How a Dial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DialStatus {
    /// Somebody answered; it is over now and the caller is still there.
    Answer,
    /// All were busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// No way through.
    Congestion,
    /// Nobody is registered there.
    ChanUnavail,
    /// The caller gave up.
    Cancel,
}

impl DialStatus {
    /// What `${DIALSTATUS}` says.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "ANSWER",
            Self::Busy => "BUSY",
            Self::NoAnswer => "NOANSWER",
            Self::Congestion => "CONGESTION",
            Self::ChanUnavail => "CHANUNAVAIL",
            Self::Cancel => "CANCEL",
        }
    }
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// It is done; the walk goes on at the next priority.
    Done,
    /// It is done, and these variables say how: `PLAYBACKSTATUS`, `RECORD_STATUS`, ...
    Set(Vec<(SmolStr, SmolStr)>),
    /// These keys were pressed.
    Keys {
        /// They.
        keys: SmolStr,
        /// Time ran out, rather than there being enough.
        timeout: bool,
    },
    /// A Dial ended and the caller is still there.
    Dialled {
        /// How.
        status: DialStatus,
        /// The cause by Q.850.
        cause: u8,
        /// How long anybody talked.
        answered: Duration,
    },
    /// It is done, and the walk goes on there: `[[context,]extension,]priority`, of which what is left out is that of
    /// the step. A priority may be a label, `n` or `+2`. A Dial that ended so was answered.
    Goto(Vec<SmolStr>),
    /// A Dial was left by a key: the walk goes on at this extension.
    Left {
        /// Its context.
        context: SmolStr,
        /// The extension.
        extension: SmolStr,
    },
    /// The caller is gone: what follows is the extension `h`.
    HungUp {
        /// The cause by Q.850.
        cause: u8,
    },
    /// The call is over, and it was not the caller who ended it: what follows is the extension `h`.
    Ended {
        /// The cause by Q.850; 0 where it is that of the last Dial, or an ordinary end.
        cause: u8,
        /// What ended it, in words; empty when there is nothing to say. What the plan wanted is not told again.
        why: SmolStr,
    },
    /// The exchange cannot do that: why. The walk goes on, with a warning.
    Refused(SmolStr),
}
