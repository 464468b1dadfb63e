//! The applications: one table, which is also what the help prints and what a step is checked with when a plan is
//! loaded.

pub(crate) mod dial;
mod prepare;
pub(crate) mod say;
mod sound;
mod table;
mod things;

use std::time::Duration;

use smol_str::SmolStr;

use crate::elsewhere;
use crate::function::Function;
use crate::names::hint;
use crate::number::Number;
use crate::scene::Scene;
use crate::task::Task;
use crate::template::Template;
use crate::when::When;

pub use self::prepare::{Remark, prepare};
pub use self::say::{alpha, clock, digits, number, phonetic};
pub(crate) use self::sound::{lacks_prompt, prompts};

/// How long WaitExten and Background wait for the next key, unless `TIMEOUT(digit)` was set.
pub const DIGIT: Duration = Duration::from_secs(5);
/// How long WaitExten waits for the first key, unless `TIMEOUT(response)` was set.
pub const RESPONSE: Duration = Duration::from_secs(10);
/// No wait of a dialplan is longer.
const LONGEST: i64 = 7 * 24 * 3_600;

/// What an argument is, so that a written one can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Seconds, with decimals.
    Seconds,
    /// A whole number.
    Count,
    /// A cause by Q.850, as number or name.
    Cause,
    /// Option letters.
    Options,
    /// Prompts with `&` between.
    Prompts,
    /// Names with `&` between.
    Names,
}

/// What runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// It becomes a task.
    Task(fn(&mut Scene<'_>, &Args) -> Result<Task, SmolStr>),
    /// The thread does it.
    Flow(Flow),
}

/// What only the thread can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Background,
    WaitExten,
    Read,
    Goto,
    Gosub,
    Return,
    StackPop,
    While,
    EndWhile,
    ExitWhile,
    ContinueWhile,
    Exec,
    TryExec,
    Set,
    NoOp,
    Log,
    Verbose,
    ChanIsAvail,
    Directory,
    AddHeader,
}

/// An application of the dialplan.
#[derive(Clone, Copy, Debug)]
pub struct Application {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
    /// Its option letters with what they do.
    pub options: &'static [(char, &'static str)],
    /// Its arguments in order; the last takes the rest, commas and all, if it is text.
    pub kinds: &'static [Kind],
    pub(crate) least: usize,
    pub(crate) shape: Shape,
    pub(crate) run: Run,
}

/// How the text of the arguments is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// At the commas.
    List,
    /// It is one argument.
    Whole,
    /// `NAME=value`, once.
    Set,
    /// `NAME=value,NAME=value`.
    SetMany,
    /// A destination.
    Jump,
    /// `condition?destination:destination`.
    JumpIf,
    /// `times?destination:destination`.
    JumpIfTime,
    /// `App(args)`.
    Step,
    /// `condition?App(args):App(args)`.
    StepIf,
    /// `times?App(args)`.
    StepIfTime,
}

impl PartialEq for Application {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Application {}

/// What is known from elsewhere and not done here, with what to do about it.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    (
        "System",
        "a dialplan runs no programs of the machine: let a program work through the control interface",
    ),
    (
        "TrySystem",
        "a dialplan runs no programs of the machine: let a program work through the control interface",
    ),
    ("AGI", "a dialplan runs no programs of the machine: let a program work through the control interface"),
    ("EAGI", "a dialplan runs no programs of the machine: let a program work through the control interface"),
    ("Macro", "use Gosub(name,s,1(arguments)) and end the context with Return()"),
    ("MacroExit", "use Return()"),
    ("SIPRemoveHeader", "use Set(PJSIP_HEADER(remove,NAME)=)"),
    ("SetCallerPres", "use Set(CALLERID(pres)=...)"),
    ("SetMusicOnHold", "use Set(CHANNEL(musicclass)=...)"),
    ("DBdel", "use NoOp(${DB_DELETE(family/key)})"),
    ("Authenticate", "use Read(PIN,...) and GotoIf"),
    ("DigitTimeout", "use Set(TIMEOUT(digit)=seconds)"),
    ("ResponseTimeout", "use Set(TIMEOUT(response)=seconds)"),
    ("AbsoluteTimeout", "use Set(TIMEOUT(absolute)=seconds)"),
    ("MeetMe", "use ConfBridge(name)"),
    ("Monitor", "use MixMonitor(file)"),
    ("StopMonitor", "use StopMixMonitor()"),
    ("StopMusicOnHold", "MusicOnHold(class,seconds) ends by itself, and with the call"),
    ("WaitMusicOnHold", "use MusicOnHold(,seconds)"),
    ("NoCDR", "every call has its record here"),
    ("ResetCDR", "every call has its record here"),
    ("ForkCDR", "every call has its record here"),
    ("Originate", "a dialplan begins no other call: let a program work through the control interface"),
    ("ChanSpy", "nobody listens to the calls of others"),
    ("ExtenSpy", "nobody listens to the calls of others"),
    ("DISA", "use Read(PIN,...), GotoIf and WaitExten"),
];

/// Every application, in the order of the alphabet.
pub fn all() -> &'static [Application] {
    table::APPLICATIONS
}

/// The application of a name in any case, or what to say to who wrote it.
pub(crate) fn named(name: &str) -> Result<&'static Application, String> {
    if let Some(app) = all().iter().find(|app| app.name.eq_ignore_ascii_case(name)) {
        return Ok(app);
    }
    if let Some((name, why)) = REFUSED.iter().find(|(refused, _)| refused.eq_ignore_ascii_case(name)) {
        return Err(format!("{name} is refused: {why}"));
    }
    if let Some(name) = elsewhere::APPLICATIONS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return Err(elsewhere::told(name));
    }
    Err(format!("no application is named {name}{}", hint(name, all().iter().map(|app| app.name))))
}

/// A step as it was understood when the plan was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub(crate) app: &'static Application,
    pub(crate) body: Body,
}

/// Its arguments, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    List(List),
    Assign(Vec<Assign>),
    Jump { condition: Condition, yes: Option<Destination>, no: Option<Destination> },
    Step { condition: Condition, yes: Box<Prepared>, no: Option<Box<Prepared>> },
}

/// Arguments one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) args: Vec<Template>,
    /// The argument that has `&` in it, divided.
    pub(crate) items: Vec<Template>,
    pub(crate) options: Vec<Letters>,
}

/// Option letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    /// One, and what stands in parentheses after it.
    One(char, Template),
    /// Those that a value holds, with theirs, and what stands in parentheses after the last.
    Made(Template, Option<Template>),
}

/// When something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    Text(Template),
    /// A condition on the time with values in it.
    Made(Template),
    Time(When),
}

/// One `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assign {
    pub(crate) to: Target,
    pub(crate) value: Template,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Variable(Template),
    Call(&'static Function, Vec<Template>),
}

/// `[[context,]extension,]priority[(arguments)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) parts: Vec<Template>,
    pub(crate) args: Vec<Template>,
}

/// A place that a step names; what it does not name is that of the step. A part that is not written out is `$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The context.
    pub context: Option<&'a str>,
    /// The extension.
    pub extension: Option<&'a str>,
    /// A number or a label.
    pub priority: &'a str,
}

impl Prepared {
    /// What stands where a step could not be understood, so that the rest of the plan can be looked at.
    pub(crate) fn nothing() -> Option<Self> {
        let app = named("NoOp").ok()?;
        Some(Self { app, body: Body::List(List::default()) })
    }

    /// The application's name as the table has it.
    pub const fn name(&self) -> &'static str {
        self.app.name
    }

    /// Places that the step may go to: to be looked for when the plan is loaded.
    pub fn destinations(&self) -> Vec<Named<'_>> {
        match &self.body {
            Body::Jump { yes, no, .. } => yes.iter().chain(no).filter_map(Destination::named).collect(),
            Body::Step { yes, no, .. } => {
                let no = no.as_ref().map(|no| no.destinations()).unwrap_or_default();
                yes.destinations().into_iter().chain(no).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Destination {
    fn named(&self) -> Option<Named<'_>> {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.constant().unwrap_or("$")).collect();
        match *parts.as_slice() {
            [priority] => Some(Named { context: None, extension: None, priority }),
            [extension, priority] => Some(Named { context: None, extension: Some(extension), priority }),
            [context, extension, priority] => {
                Some(Named { context: Some(context), extension: Some(extension), priority })
            }
            _ => None,
        }
    }
}

/// The values of a step's arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    pub(crate) values: Vec<SmolStr>,
    pub(crate) items: Vec<SmolStr>,
    pub(crate) options: Vec<(char, SmolStr)>,
}

impl Args {
    pub(crate) fn text(&self, at: usize) -> &str {
        self.values.get(at).map_or("", SmolStr::as_str)
    }

    /// Seconds at a position; `None` if empty, a note if they are none.
    pub(crate) fn time(&self, at: usize, scene: &mut Scene<'_>) -> Option<Duration> {
        let text = self.text(at);
        if text.is_empty() {
            return None;
        }
        let time = seconds(text);
        if time.is_none() {
            scene.note(format_args!("`{text}` is no number of seconds"));
        }
        time
    }

    pub(crate) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(option, _)| *option == letter)
    }

    pub(crate) fn letters(&self) -> SmolStr {
        let text = self.options.iter().map(|(letter, arg)| match arg.as_str() {
            "" => letter.to_string(),
            arg => format!("{letter}({arg})"),
        });
        text.collect::<String>().into()
    }
}

/// Seconds with decimals, bounded.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let seconds = Number::parse(text)?;
    if seconds.is_negative() {
        return Some(Duration::ZERO);
    }
    let millis = seconds.mul(Number::from_int(1_000))?.round()?.to_int()?.min(LONGEST * 1_000);
    Some(Duration::from_millis(millis.unsigned_abs()))
}

/// Milliseconds, ten seconds at most.
pub(crate) fn millis(text: &str) -> Duration {
    text.trim().parse().map_or(Duration::ZERO, |millis: u64| Duration::from_millis(millis.min(10_000)))
}

/// Option letters, each with what stands in parentheses after it.
pub(crate) fn options(text: &str) -> Vec<(char, SmolStr)> {
    let (mut all, mut rest) = (Vec::new(), text);
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let mut open = 0_u32;
        let close = rest.find(|c| {
            open = if c == ')' { open.saturating_sub(1) } else { open + u32::from(c == '(') };
            open == 0
        });
        let arg = match (rest.strip_prefix('('), close) {
            (Some(inner), Some(close)) => {
                rest = &rest[close + 1..];
                &inner[..close - 1]
            }
            _ => "",
        };
        if !letter.is_whitespace() {
            all.push((letter, arg.into()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order_and_each_name_is_once_there() {
        let names: Vec<String> = all().iter().map(|app| app.name.to_ascii_lowercase()).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        for (name, _) in REFUSED {
            assert!(!names.contains(&name.to_ascii_lowercase()), "{name}");
        }
        let functions: Vec<&str> = crate::function::all().iter().map(|function| function.name).collect();
        assert!(functions.is_sorted_by(|one, next| one < next), "{functions:?}");
    }

    #[test]
    fn seconds_may_have_decimals_and_never_last_for_ever() {
        assert_eq!(seconds("1.5"), Some(Duration::from_millis(1_500)));
        assert_eq!(seconds("-3"), Some(Duration::ZERO));
        assert_eq!(seconds("1e300"), None);
        assert_eq!(seconds("999999999"), Some(Duration::from_secs(604_800)));
        assert_eq!(seconds("soon"), None);
    }

    #[test]
    fn option_letters_have_their_arguments() {
        assert_eq!(
            options("gS(30)m()k"),
            [('g', "".into()), ('S', "30".into()), ('m', "".into()), ('k', "".into())]
        );
        assert_eq!(options("U(s(a^b))g"), [('U', "s(a^b)".into()), ('g', "".into())]);
        assert_eq!(options("L(1"), [('L', "".into()), ('(', "".into()), ('1', "".into())]);
    }
}
