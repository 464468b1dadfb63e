//! The functions of `${NAME(args)}` and `Set(NAME(args)=value)`: one table, which is also what the help prints.

mod channel;
mod math;
mod store;
mod text;
mod time;

pub(crate) use self::channel::set_header;

use regex_lite::{Regex, RegexBuilder};
use smol_str::{SmolStr, format_smolstr};

use crate::elsewhere;
use crate::names::{hint, nearest};
use crate::scene::Scene;

/// A value, or why there is none.
pub(crate) type Answer = Result<SmolStr, SmolStr>;
/// Done, or why not.
pub(crate) type Done = Result<(), SmolStr>;

/// How the text between the parentheses is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It is one argument, commas and all.
    Whole,
    /// At the commas, without blanks around; the last argument takes the rest.
    List,
    /// The same with its blanks, and `\n`, `\r`, `\t` and `\xHH` for characters: `CUT(A, ,1)`.
    Exact,
    /// The same with its blanks and backslashes, which mean something in a set of characters.
    Set,
    /// `question?yes:no`.
    Choice,
}

/// What gives the value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Value(fn(&mut Scene<'_>, &[SmolStr]) -> Answer),
    Choice(fn(&mut Scene<'_>, &str) -> Result<bool, SmolStr>),
    Never,
}

type Write = fn(&mut Scene<'_>, &[SmolStr], &str) -> Done;

/// A function of the dialplan.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// What it gives, in one line.
    pub meaning: &'static str,
    /// What its arguments are.
    pub arguments: &'static str,
    pub(crate) form: Form,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) ask: Ask,
    pub(crate) write: Option<Write>,
    /// The first argument must be one of these, if there are any.
    pub(crate) first: &'static [&'static str],
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Function {
    /// `${...}` gives a value.
    pub const fn can_be_read(&self) -> bool {
        !matches!(self.ask, Ask::Never)
    }

    /// `Set(...=value)` does something.
    pub const fn can_be_set(&self) -> bool {
        self.write.is_some()
    }

    pub(crate) const fn new(name: &'static str, syntax: &'static str, meaning: &'static str) -> Self {
        let (arguments, first) = ("", &[] as &[&str]);
        let (form, least, most) = (Form::List, 1, 1);
        Self { name, syntax, meaning, arguments, form, least, most, ask: Ask::Never, write: None, first }
    }

    pub(crate) const fn whole(mut self, read: fn(&mut Scene<'_>, &[SmolStr]) -> Answer) -> Self {
        (self.form, self.least, self.most, self.ask) = (Form::Whole, 0, 1, Ask::Value(read));
        self
    }

    pub(crate) const fn choice(mut self, choose: fn(&mut Scene<'_>, &str) -> Result<bool, SmolStr>) -> Self {
        (self.form, self.least, self.most, self.ask) = (Form::Choice, 2, 3, Ask::Choice(choose));
        self
    }

    pub(crate) const fn reads(mut self, read: fn(&mut Scene<'_>, &[SmolStr]) -> Answer) -> Self {
        self.ask = Ask::Value(read);
        self
    }

    /// Its arguments are taken with blanks and all.
    pub(crate) const fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(crate) const fn writes(mut self, write: Write) -> Self {
        self.write = Some(write);
        self
    }

    pub(crate) const fn takes(mut self, least: usize, most: usize, arguments: &'static str) -> Self {
        (self.least, self.most, self.arguments) = (least, most, arguments);
        self
    }

    pub(crate) const fn about(mut self, arguments: &'static str) -> Self {
        self.arguments = arguments;
        self
    }

    pub(crate) const fn of(mut self, first: &'static [&'static str]) -> Self {
        self.first = first;
        self
    }
}

const TABLES: [&[Function]; 5] =
    [channel::FUNCTIONS, math::FUNCTIONS, store::FUNCTIONS, text::FUNCTIONS, time::FUNCTIONS];

/// What is known from elsewhere and not done here, with what to do about it.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("SHELL", "a dialplan runs no programs of the machine: let a program work through the control interface"),
    (
        "SYSTEM",
        "a dialplan runs no programs of the machine: let a program work through the control interface",
    ),
    ("ENV", "a dialplan does not see the environment of the program: use a line in [globals]"),
    ("EVAL", "a value is never evaluated again: write out what shall be evaluated"),
    ("FILE", "a dialplan reads and writes no files: use DB()"),
    ("CURL", "a dialplan makes no requests to the web"),
    ("ODBC", "a dialplan has no database but DB()"),
    ("ENUMLOOKUP", "a dialplan asks no name server"),
    ("IMPORT", "a channel does not see the variables of another: use __NAME to hand them on"),
];

/// Every function, in the order of the alphabet.
pub fn all() -> Vec<&'static Function> {
    let mut all: Vec<&Function> = TABLES.iter().copied().flatten().collect();
    all.sort_by_key(|function| function.name);
    all
}

/// The function of a name, or what to say to who wrote it.
pub(crate) fn named(name: &str) -> Result<&'static Function, String> {
    let name = name.trim();
    let all = || TABLES.iter().copied().flatten();
    if let Some(function) = all().find(|function| function.name == name) {
        return Ok(function);
    }
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Err(format!("{name} is refused: {why}"));
    }
    if let Some(name) = elsewhere::FUNCTIONS.iter().find(|known| **known == name) {
        return Err(elsewhere::told(name));
    }
    Err(format!("no function is named {name}{}", hint(name, all().map(|function| function.name))))
}

/// Looks at the arguments that are known when a plan is loaded.
pub(crate) fn check(function: &Function, args: &[Option<&str>]) -> Result<(), String> {
    let Some(Some(first)) = args.first().copied() else { return Ok(()) };
    let small = first.to_ascii_lowercase();
    if !function.first.is_empty() && !function.first.iter().any(|known| *known == small) {
        let near = nearest(first, function.first.iter().copied());
        let near = near.map_or_else(|| ":".to_owned(), |near| format!(": did you mean {near}? There are"));
        return Err(format!("{}({first}) is not known{near} {}", function.name, function.first.join(", ")));
    }
    match function.name {
        "REGEX" => text::regex_parts(first).and_then(|(pattern, _)| regex(pattern)).map(|_| ()),
        "IFTIME" => crate::when::When::parse(first).map(|_| ()).map_err(|fault| fault.message.into()),
        _ => Ok(()),
    }
    .map_err(|why| why.to_string())
}

/// What is odd in how a function is used, as far as it is known when a plan is loaded.
pub(crate) fn odd(function: &Function, first: Option<&str>, set: bool) -> Option<String> {
    let small = first.filter(|first| !first.is_empty())?.to_ascii_lowercase();
    let known: &[&str] = match (function.name, set) {
        ("CHANNEL", true) => &channel::FREE,
        ("CHANNEL", false) => &channel::FACTS,
        _ => return None,
    };
    if known.contains(&small.as_str()) {
        return None;
    }
    let near = nearest(&small, known.iter().copied()).map(|near| format!(": did you mean {near}?"));
    let near = near.unwrap_or_default();
    Some(match set {
        true => format!("CHANNEL({small}) cannot be set, only {}{near}", known.join(", ")),
        false => format!("nothing is known of CHANNEL({small}), so it is empty{near}"),
    })
}

/// Octets that a function works on, about.
pub(crate) fn work(function: &Function, args: &[SmolStr], scene: &mut Scene<'_>) -> usize {
    let given: usize = args.iter().map(SmolStr::len).sum();
    let more = match function.name {
        "REGEX" => regex_work(text::regex_parts(arg(args, 0)).unwrap_or_default()),
        // These are handed the name of a variable.
        "CUT" | "FIELDQTY" | "FIELDNUM" | "REPLACE" | "STRREPLACE" | "SHIFT" | "POP" | "PUSH" | "UNSHIFT"
        | "LISTFILTER" => scene.variable(arg(args, 0)).map_or(0, |value| 4 * value.len()),
        "DEVICE_STATE" | "EXTENSION_STATE" | "DIALPLAN_EXISTS" => 1_000,
        _ => 0,
    };
    20 + given.saturating_add(more)
}

/// The same for a regular expression and a text: it is read anew each time.
pub(crate) fn regex_work((pattern, text): (&str, &str)) -> usize {
    2_000 + 100 * pattern.len() + pattern.len().saturating_mul(text.len())
}

/// Bytes of a compiled expression.
const MAX_REGEX: usize = 16 * 1024;

/// A regular expression, bounded; matching takes time in proportion to text and expression.
pub(crate) fn regex(pattern: &str) -> Result<Regex, SmolStr> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX)
        .nest_limit(32)
        .build()
        .map_err(|why| format_smolstr!("`{pattern}` is no regular expression: {why}"))
}

/// The argument at a position, empty if it is not there.
pub(crate) fn arg(args: &[SmolStr], at: usize) -> &str {
    args.get(at).map_or("", SmolStr::as_str)
}

/// The argument at a position as a number.
pub(crate) fn int(args: &[SmolStr], at: usize, unset: i64) -> Result<i64, SmolStr> {
    match arg(args, at) {
        "" => Ok(unset),
        text => text.trim().parse().map_err(|_| format_smolstr!("`{text}` is not a whole number")),
    }
}
