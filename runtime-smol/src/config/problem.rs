//! What is wrong with a configuration, shown so that it can be put right.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One thing wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Octets of the file it is about.
    pub(crate) span: Range<usize>,
    /// What is wrong.
    pub(crate) title: String,
    /// What stands there, beside the mark.
    pub(crate) label: String,
    /// What to write instead.
    pub(crate) remedy: Option<String>,
}

/// Why a configuration cannot be used: everything that is wrong with it, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// The file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: String,
    },
    /// It was read, and this is wrong with it.
    Wrong {
        /// The file.
        path: PathBuf,
        /// All of it.
        text: String,
        /// At least one.
        problems: Vec<Problem>,
        /// What is wrong with the dialplan that it names, a line each.
        plan: Vec<String>,
    },
    /// It is right, but the dialplan that it names is not: a line for each problem, with its place.
    Dialplan(Vec<String>),
}

impl Refused {
    /// All problems as text for a terminal: file, line and column, the line itself, the remedy.
    pub(crate) fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        match self {
            Self::Unreadable { path, error } => {
                let title = format!("cannot read {}: {error}", path.display());
                let remedy =
                    "give another file with --config, or run `telex` alone to have a new one written";
                renderer
                    .render(&[Group::with_title(Level::ERROR.primary_title(title))
                        .element(Level::HELP.message(remedy))])
            }
            Self::Dialplan(lines) => lines.join("\n"),
            Self::Wrong { path, text, problems, plan } => {
                let name = path.display().to_string();
                let mut shown: Vec<String> =
                    problems.iter().map(|p| renderer.render(&[p.group(&name, text)])).collect();
                shown.extend((!plan.is_empty()).then(|| plan.join("\n")));
                shown.join("\n\n")
            }
        }
    }

    /// The problems in one line each, for a log: `telex.toml:3:7: unknown key`.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Unreadable { path, error } => vec![format!("cannot read {}: {error}", path.display())],
            Self::Dialplan(lines) => lines.clone(),
            Self::Wrong { path, text, problems, plan } => problems
                .iter()
                .map(|p| {
                    let (line, column) = position(text, p.span.start);
                    let remedy = p.remedy.as_ref().map(|r| format!("; {r}")).unwrap_or_default();
                    format!("{}:{line}:{column}: {}{remedy}", path.display(), p.title)
                })
                .chain(plan.iter().cloned())
                .collect(),
        }
    }

    /// A file that could not be read.
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), error: error.to_string() }
    }
}

impl Problem {
    fn group<'a>(&'a self, name: &'a str, text: &'a str) -> Group<'a> {
        let mark = AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_str());
        let mut group = Level::ERROR
            .primary_title(self.title.as_str())
            .element(Snippet::source(text).path(name).annotation(mark));
        if let Some(remedy) = &self.remedy {
            group = group.element(Level::HELP.message(remedy.as_str()));
        }
        group
    }
}

/// Line and column of an octet, both from 1, columns in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.len() / 4;
    known.into_iter().map(|k| (distance(word, k), k)).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// How many letters must be added, removed, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["ports", "address", "timeout"];
        assert_eq!(nearest("prots", known), Some("ports"));
        assert_eq!(nearest("adress", known), Some("address"));
        assert_eq!(nearest("Timeout", known), Some("timeout"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn positions_count_characters_not_octets() {
        assert_eq!(position("a\nüb", 4), (2, 2));
    }
}
