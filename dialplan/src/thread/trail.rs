//! The way of a channel through a plan, kept so that it can be told afterwards.

use std::collections::VecDeque;
use std::fmt;

use smol_str::SmolStr;

use crate::plan::Dialplan;
use crate::scene::Place;
use crate::source::Span;

/// Steps kept: the first ones are forgotten.
pub const MAX_TRAIL: usize = 256;

/// One step that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// The dialled channel that a subroutine was run for; empty for the thread's own.
    pub whose: SmolStr,
    /// Where the channel was: the context it looked in, what was dialled, the priority.
    pub place: Place,
    /// The context that the extension is in; an included one may be another than the place's.
    pub context: SmolStr,
    /// The extension as written, with the callers it is for: `_1XX`, `101/5.`.
    pub pattern: SmolStr,
    /// Where the step stands in the text.
    pub span: Span,
    /// The application; empty where it was no step that led on.
    pub app: SmolStr,
    /// Its arguments with the values put in.
    pub args: SmolStr,
    /// What came of it, or where it went, in words; empty if it simply went on.
    pub outcome: SmolStr,
    /// What could not be done as written.
    pub notes: Vec<SmolStr>,
}

/// The last steps of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trail {
    entries: VecDeque<Entry>,
    forgotten: u64,
}

impl Entry {
    /// The step for people to read: a line, and one for each note. `place` is where it stands, in a column so wide.
    fn told(&self, place: &str, (place_width, number_width): (usize, usize)) -> String {
        if self.app.is_empty() {
            return format!("  {}\n", one_line(&self.outcome));
        }
        let number = self.place.priority;
        let step = format!("  {place:<place_width$}  {number:>number_width$}. {}({})", self.app, self.args);
        let mut text = one_line(&step);
        if !self.outcome.is_empty() {
            text = text + "  -> " + &one_line(&self.outcome);
        }
        for note in &self.notes {
            text = text + "\n    warning: " + &one_line(note);
        }
        text + "\n"
    }
}

/// The widest column of places.
const MAX_PLACE: usize = 40;

fn digits(number: u32) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// What a caller sent may have control characters in it: they would rule the terminal, or make lines of their own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Trail {
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.len() == MAX_TRAIL {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }

    /// The last step that was not walked for another channel.
    pub(crate) fn last_own(&mut self) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.whose.is_empty())
    }

    /// No step was done yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The steps, the oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many came before those.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The trail for people to read, with the names of the plan's files.
    pub fn told<'a>(&'a self, plan: &'a Dialplan) -> impl fmt::Display + 'a {
        Told { trail: self, plan }
    }
}

struct Told<'a> {
    trail: &'a Trail,
    plan: &'a Dialplan,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.trail.forgotten > 0 {
            writeln!(f, "({} steps before are forgotten)", self.trail.forgotten)?;
        }
        let places: Vec<SmolStr> = self.trail.entries().map(|entry| self.plan.place(entry.span)).collect();
        let widths = (
            places.iter().map(|place| place.chars().count()).max().unwrap_or(0).min(MAX_PLACE),
            self.trail.entries().map(|entry| digits(entry.place.priority)).max().unwrap_or(0),
        );
        let mut at: Option<(&SmolStr, &SmolStr, &SmolStr, &SmolStr)> = None;
        let mut before = "";
        for (entry, place) in self.trail.entries().zip(&places) {
            let here = (&entry.context, &entry.pattern, &entry.place.extension, &entry.whose);
            if at.replace(here) != Some(here) && !entry.pattern.is_empty() {
                let (context, pattern, extension, whose) = here;
                let extension = one_line(extension);
                if !whose.is_empty() {
                    write!(f, "for {}: ", one_line(whose))?;
                }
                writeln!(f, "{extension} matched {pattern} in context [{context}]")?;
                before = "";
            }
            // What is said once is not said again of the next step.
            let place = if place == before { "" } else { place.as_str() };
            write!(f, "{}", entry.told(place, widths))?;
            before = if place.is_empty() { before } else { place };
        }
        Ok(())
    }
}
