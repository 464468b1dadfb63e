//! A dialplan as it was loaded: it never changes, and a clone costs a counter.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use crate::app::Prepared;
use crate::find::At;
use crate::limits;
use crate::pattern::Pattern;
use crate::source::{Problem, Span};
use crate::tree::Tree;
use crate::when::{Moment, When};

/// A whole dialplan, parsed and checked. Made by [`Dialplan::parse`] and [`Dialplan::read`].
#[derive(Clone, Default)]
pub struct Dialplan(pub(crate) Arc<Parts>);

/// What a plan consists of.
#[derive(Default)]
pub(crate) struct Parts {
    /// Every text that was read, with its name, in the order of [`Span::file`].
    pub(crate) sources: Vec<(SmolStr, Arc<str>)>,
    /// What the sources said fits a name with `*`.
    pub(crate) lists: Vec<(String, Vec<String>)>,
    /// In the order of the text.
    pub(crate) contexts: Vec<Context>,
    /// Numbers of contexts, by name.
    pub(crate) by_name: Vec<u32>,
    pub(crate) globals: Vec<Setting>,
    pub(crate) general: Vec<Setting>,
    pub(crate) warnings: Vec<Problem>,
    /// Of text that no file holds: what is said of its lines, by file and line.
    pub(crate) places: BTreeMap<(u16, u32), SmolStr>,
}

/// A line `name = value` of `[general]` or `[globals]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Left of the sign.
    pub name: SmolStr,
    /// Right of it, as written: a global may have `${...}` in it.
    pub value: SmolStr,
    /// Where the value is.
    pub span: Span,
}

/// A named group of extensions.
#[derive(Debug, Default)]
pub struct Context {
    /// Its name.
    pub name: SmolStr,
    /// Where it is first opened.
    pub span: Span,
    /// Its extensions in the order in which they are tried: see [`crate::pattern`].
    pub extensions: Vec<Extension>,
    /// What is tried after them, in this order.
    pub includes: Vec<Include>,
    /// After these digits the dial tone goes on (`ignorepat`).
    pub ignored: Vec<Pattern>,
    /// Not all of its lines could be read.
    pub(crate) partial: bool,
    pub(crate) exact: Tree,
    pub(crate) patterns: Tree,
}

/// One number, name or pattern of a context, with what is done for it.
#[derive(Debug)]
pub struct Extension {
    /// What the caller dials.
    pub pattern: Pattern,
    /// Only for these callers: the part after `/`. An empty one is for callers without a number.
    pub caller: Option<Pattern>,
    /// By priority, each once.
    pub steps: Vec<Step>,
    /// What shows the state of this extension: `PJSIP/101&PJSIP/102`.
    pub hint: Option<Hint>,
    /// Where it is first mentioned.
    pub span: Span,
    /// Not all of its lines could be read.
    pub(crate) partial: bool,
}

/// One priority of an extension.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From 1.
    pub priority: u32,
    /// Another name for the priority.
    pub label: Option<SmolStr>,
    /// The application as written.
    pub app: SmolStr,
    /// Its arguments as written, without the parentheses around them.
    pub args: SmolStr,
    /// Where the application's name is.
    pub span: Span,
    /// Where the arguments are.
    pub args_span: Span,
    /// What they mean.
    pub prepared: Prepared,
}

/// The priority `hint` of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Devices, as written: [`Hint::devices`] says which they are.
    pub text: SmolStr,
    /// Where that is.
    pub span: Span,
}

impl Hint {
    /// The devices for an extension that fits: `${EXTEN}` is that extension. What stands behind a comma is no device.
    pub fn devices(&self, extension: &str) -> Vec<SmolStr> {
        let devices = self.text.split(',').next().unwrap_or_default().split('&').map(str::trim);
        let devices = devices.filter(|device| !device.is_empty());
        devices.map(|device| device.replace("${EXTEN}", extension).into()).collect()
    }
}

/// A line `include => context`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// Name of the context.
    pub context: SmolStr,
    /// Its number in the plan; `None` when there is no such context.
    pub(crate) number: Option<u32>,
    /// Only at these times.
    pub when: Option<When>,
    /// Where the name is.
    pub span: Span,
}

/// How much there is in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Contexts.
    pub contexts: usize,
    /// Extensions, names and patterns, each once whatever its priorities.
    pub extensions: usize,
    /// Priorities, without hints.
    pub steps: usize,
}

/// As a log says it: `2 contexts, 4 extensions`.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = |count| if count == 1 { "" } else { "s" };
        let (contexts, extensions) = (self.contexts, self.extensions);
        write!(f, "{contexts} context{}, {extensions} extension{}", s(contexts), s(extensions))
    }
}

impl Dialplan {
    /// Its contexts, in the order of the text.
    pub fn contexts(&self) -> &[Context] {
        &self.0.contexts
    }

    /// A context by its name.
    pub fn context(&self, name: &str) -> Option<&Context> {
        self.number(name).map(|number| &self.0.contexts[number])
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        number(&self.0.contexts, &self.0.by_name, name)
    }

    /// The lines of `[globals]`, in their order.
    pub fn globals(&self) -> &[Setting] {
        &self.0.globals
    }

    /// The lines of `[general]`, in their order.
    pub fn general(&self) -> &[Setting] {
        &self.0.general
    }

    /// `autofallthrough` of `[general]`: an extension that has no more priorities ends the call. Otherwise it waits
    /// for digits.
    pub fn falls_through(&self) -> bool {
        let setting =
            self.0.general.iter().rev().find(|line| line.name.eq_ignore_ascii_case("autofallthrough"));
        setting.is_none_or(|line| {
            ["yes", "true", "on", "1", "y", "t"].iter().any(|yes| yes.eq_ignore_ascii_case(&line.value))
        })
    }

    /// What is odd in it, in the order of the text.
    pub fn warnings(&self) -> &[Problem] {
        &self.0.warnings
    }

    /// The name of the file that a place is in.
    pub fn file(&self, span: Span) -> &str {
        self.0.sources.get(usize::from(span.file)).map_or("", |(name, _)| name)
    }

    /// A place for people: `extensions.conf:14`; in text that no file holds what [`Dialplan::with_places`] says of it.
    pub fn place(&self, span: Span) -> SmolStr {
        let Parts { places, .. } = &*self.0;
        if let Some(place) = places.get(&(span.file, span.line)) {
            return place.clone();
        }
        let file = self.file(span);
        let named = places.range((span.file, 0)..=(span.file, u32::MAX)).next().is_some();
        if named { file.into() } else { format_smolstr!("{file}:{}", span.line) }
    }

    /// The same plan, where one of its texts is held by no file: what is said of the lines of each extension, in place
    /// of their numbers. Only for a plan that nobody else has.
    #[must_use]
    pub fn with_places(mut self, text: &str, place: &dyn Fn(&Context, &Extension) -> SmolStr) -> Self {
        let Some(file) = self.0.sources.iter().position(|(name, _)| name == text) else { return self };
        let file = file as u16;
        let mut places = BTreeMap::new();
        for context in &self.0.contexts {
            for extension in &context.extensions {
                let spans = extension.steps.iter().map(|step| step.span).chain([extension.span]);
                let mut lines = spans.filter(|span| span.file == file).map(|span| span.line).peekable();
                if lines.peek().is_some() {
                    let place = place(context, extension);
                    places.extend(lines.map(|line| ((file, line), place.clone())));
                }
            }
        }
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            parts.places = places;
        }
        self
    }

    /// The texts it was made of, with their names; the first one reads the others.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.sources.iter().map(|(name, text)| (name.as_str(), &**text))
    }

    /// How much there is in it.
    pub fn counts(&self) -> Counts {
        let extensions = || self.0.contexts.iter().flat_map(|context| &context.extensions);
        Counts {
            contexts: self.0.contexts.len(),
            extensions: extensions().count(),
            steps: extensions().map(|extension| extension.steps.len()).sum(),
        }
    }

    /// Every extension that has a hint, with its context.
    pub fn hints(&self) -> impl Iterator<Item = (&Context, &Extension, &Hint)> {
        self.0.contexts.iter().flat_map(|context| {
            let hints =
                context.extensions.iter().filter_map(|extension| Some((extension, extension.hint.as_ref()?)));
            hints.map(move |(extension, hint)| (context, extension, hint))
        })
    }

    /// A warning for each prompt that is written out and that nobody has.
    pub fn missing_prompts(&self, has: &dyn Fn(&str) -> bool) -> Vec<Problem> {
        let steps = self.0.contexts.iter().flat_map(|context| &context.extensions).flat_map(|one| &one.steps);
        let missing = steps.flat_map(|step| {
            let names = step.prepared.prompts().into_iter().filter(|name| !has(name));
            let known = self.0.places.contains_key(&(step.span.file, step.span.line));
            // A line that nobody has written helps nobody.
            let (file, line) = match known {
                true => (self.place(step.span), 0),
                false => (self.file(step.span).into(), step.args_span.line),
            };
            names.map(move |name| Problem {
                file: file.clone(),
                span: Span { line, ..step.args_span },
                message: format!("there is no prompt {name}: nothing is heard in its place"),
                warning: true,
            })
        });
        let mut missing: Vec<Problem> = missing.collect();
        missing.sort_by_key(|problem| problem.span);
        missing.truncate(limits::PROBLEMS);
        missing
    }
}

impl Include {
    /// Whether it counts at this time, or ever.
    pub(crate) fn open(&self, now: Option<Moment<'_>>) -> bool {
        self.when.as_ref().zip(now).is_none_or(|(when, now)| when.holds(now))
    }
}

/// The number of a context, by its name.
pub(crate) fn number(contexts: &[Context], by_name: &[u32], name: &str) -> Option<usize> {
    let found = by_name.binary_search_by(|number| contexts[*number as usize].name.as_str().cmp(name));
    found.ok().map(|at| by_name[at] as usize)
}

impl Context {
    /// Makes the trees of the extensions, which must be in order.
    pub(crate) fn index(&mut self) {
        for (number, extension) in self.extensions.iter().enumerate() {
            let tree = if extension.pattern.is_pattern() { &mut self.patterns } else { &mut self.exact };
            tree.add(&extension.pattern, number as u32);
        }
    }
}

impl Extension {
    /// One of its steps.
    pub fn step(&self, at: At<'_>) -> Option<&Step> {
        match at {
            At::Priority(priority) => {
                let at = self.steps.binary_search_by_key(&priority, |step| step.priority).ok()?;
                Some(&self.steps[at])
            }
            At::Label(label) => self.steps.iter().find(|step| step.label.as_deref() == Some(label)),
        }
    }
}

/// As written: with the caller's pattern behind `/`.
impl std::fmt::Display for Extension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.pattern)?;
        self.caller.as_ref().map_or(Ok(()), |caller| write!(f, "/{caller}"))
    }
}

/// Plans are equal when they were made of the same texts, and the same is said of their places.
impl PartialEq for Dialplan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (&self.0.sources, &self.0.lists, &self.0.places)
                == (&other.0.sources, &other.0.lists, &other.0.places)
    }
}

impl Eq for Dialplan {}

impl std::fmt::Debug for Dialplan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialplan({}: {})", self.0.sources.first().map_or("", |(name, _)| name), self.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_of_a_pattern_is_about_the_extension_that_fits() {
        let plan = Dialplan::parse("x", "[a]\nexten => _1XX,hint,PJSIP/${EXTEN}& SIP/7,Custom:x\n");
        let plan = plan.expect("it is right");
        let (_, _, hint) = plan.hints().next().expect("there is one");
        assert_eq!(hint.devices("123"), ["PJSIP/123", "SIP/7"]);
    }

    #[test]
    fn prompts_that_nobody_has_are_told() {
        let text = "[a]\nexten => 1,1,Playback(welcome&helo)\n same => n,Background(${X}&menu,m)\n\
                    same => n,SayDigits(7)\n";
        let plan = Dialplan::parse("x", text).expect("it is right");
        let missing = plan.missing_prompts(&|name| name == "welcome");
        let text: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "x:2:23: warning: there is no prompt helo: nothing is heard in its place",
                "x:3:23: warning: there is no prompt menu: nothing is heard in its place"
            ]
        );
    }
}
