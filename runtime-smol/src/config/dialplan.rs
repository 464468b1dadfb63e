//! `[dialplan]` and `[site]`: what happens to calls, and where the site is.

use std::path::Path;

use smol_str::SmolStr;
use telex_audio::tone::Plan;
use telex_dialplan::{Dialplan, Problem, Sources};
use telex_engine::config::{Config, INTERNAL};
use toml::de::DeTable;

use super::reader::{At, Reader};

/// What the parts of the dialplan are called that no file holds.
const OWN: &str = "telex.toml";

/// A dialplan that was read from a file, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// `2 contexts, 4 extensions` of the file and what it includes.
    pub(crate) counts: String,
    /// What is odd in it, a line each.
    pub(crate) warnings: Vec<String>,
}

impl Loaded {
    /// In one line, for a log.
    pub(crate) fn line(&self) -> String {
        format!("Loaded dialplan: {}", self.counts)
    }
}

/// What came of `[dialplan]`.
pub(super) enum Read {
    /// It names no file.
    Nothing,
    /// The file and what is configured beside it.
    Plan(Dialplan, Loaded),
    /// Everything that is wrong with the file, a line each.
    Wrong(Vec<String>),
}

/// The files of a dialplan: what they include lies in the same folder.
struct Folder<'a> {
    path: &'a Path,
    /// The first text, which no file holds.
    own: (&'static str, &'a str),
}

impl Sources for Folder<'_> {
    fn read(&self, name: &str) -> Option<String> {
        if name == self.own.0 {
            return Some(self.own.1.to_owned());
        }
        std::fs::read_to_string(self.path.join(name)).ok()
    }
}

/// Reads the dialplan that is named, and joins it with what is configured beside it: `own`.
pub(super) fn dialplan(
    reader: &mut Reader,
    root: &DeTable<'_>,
    folder: &Path,
    config: &Config,
    own: &str,
) -> Read {
    let Some(section) = reader.section(root, "dialplan") else { return Read::Nothing };
    let Some(file) = reader.text(section, "file") else { return Read::Nothing };
    let path = folder.join(file.value);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let title = format!("the dialplan {} cannot be read: {error}", path.display());
            reader.wrong(
                &file.span,
                title,
                "no such dialplan",
                "name a file that can be read, or leave the key out",
            );
            return Read::Nothing;
        }
    };
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    read(file.value, &text, &beside, config, own)
}

/// What is configured is all there is.
pub(super) fn alone(own: &str) -> Result<Dialplan, Vec<String>> {
    Dialplan::parse(OWN, own).map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
}

fn read(name: &str, text: &str, folder: &Path, config: &Config, own: &str) -> Read {
    let alone = match Dialplan::read(name, text, &Folder { path: folder, own: (OWN, "") }) {
        Ok(plan) => plan,
        Err(problems) => return Read::Wrong(problems.0.iter().map(ToString::to_string).collect()),
    };
    let mut own = own.to_owned();
    if alone.context(INTERNAL).is_some() {
        own = own.replacen(&format!("[{INTERNAL}]"), &format!("[{INTERNAL}](+)"), 1);
    }
    // The file comes first: the places of what is wrong are in it.
    let all = format!("{}\n#include \"{OWN}\"\n", text.trim_end_matches('\n'));
    let folder = Folder { path: folder, own: (OWN, &own) };
    match Dialplan::read(name, &all, &folder) {
        Ok(plan) => {
            let warnings =
                plan.warnings().iter().map(ToString::to_string).chain(missing(&plan, config)).collect();
            let counts = alone.counts().to_string();
            Read::Plan(plan, Loaded { counts, warnings })
        }
        Err(problems) => Read::Wrong(problems.0.iter().map(ToString::to_string).collect()),
    }
}

/// Prompts that the plan plays by name and that nobody has.
fn missing(plan: &Dialplan, config: &Config) -> Vec<String> {
    let extensions = plan.contexts().iter().flat_map(|context| &context.extensions);
    let steps = extensions.flat_map(|extension| &extension.steps);
    let missing = steps.flat_map(|step| {
        let names = step.prepared.prompts().into_iter().filter(|name| !config.has_prompt(name));
        names.map(|name| {
            let message = format!("there is no prompt {name}: nothing is heard in its place");
            let file = SmolStr::new(plan.file(step.span));
            Problem { file, span: step.args_span, message, warning: true }.to_string()
        })
    });
    missing.collect()
}

/// Contexts that phones are in and that are not there.
pub(super) fn check_contexts(reader: &mut Reader, contexts: &[At<SmolStr>], plan: Option<&Dialplan>) {
    for context in contexts {
        let known =
            context.value == INTERNAL || plan.is_some_and(|plan| plan.context(&context.value).is_some());
        if !known {
            let title = format!("the dialplan has no context [{}]", context.value);
            let remedy = format!("write it in the dialplan, or leave the key out for [{INTERNAL}]");
            reader.wrong(&context.span, title, "not in the dialplan", remedy);
        }
    }
}

/// The site's time zone, and the country whose tones it has.
pub(super) fn site(reader: &mut Reader, root: &DeTable<'_>) -> (Option<SmolStr>, Option<SmolStr>) {
    let Some(section) = reader.section(root, "site") else { return (None, None) };
    let zone = reader.text(section, "zone").and_then(|text| {
        if telex_dialplan::when::zone(text.value).is_none() {
            let title = format!("no time zone is called `{}`", text.value);
            reader.wrong(
                &text.span,
                title,
                "unknown",
                "write one like Europe/Berlin, America/New_York or UTC",
            );
            return None;
        }
        Some(text.value.into())
    });
    let country = reader.text(section, "country").and_then(|text| {
        let small = text.value.to_ascii_lowercase();
        if Plan::of(&small).is_none() {
            let known: Vec<&str> = Plan::all().iter().map(|plan| plan.country).collect();
            let title = format!("the tones of `{}` are not known", text.value);
            reader.wrong(&text.span, title, "unknown", format!("choose one of {}", known.join(", ")));
            return None;
        }
        Some(small.into())
    });
    (zone, country)
}
