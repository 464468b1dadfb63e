//! Texts become lines without comments, with those of included files in their place.

use std::borrow::Cow;
use std::sync::Arc;

use smol_str::SmolStr;

use super::Sources;
use super::report::Report;
use crate::limits;
use crate::source::Span;

/// A line that says something.
#[derive(Debug)]
pub(super) struct Line {
    file: u16,
    number: u32,
    /// Without comments, and without the backslash of `\\;`.
    pub(super) text: String,
    /// Where in it characters were left out, and how many.
    gaps: Vec<(usize, usize)>,
}

impl Line {
    /// The place of an octet of the text.
    pub(super) fn span(&self, at: usize) -> Span {
        let before = self.text.get(..at).unwrap_or(&self.text).chars().count();
        let left_out: usize = self.gaps.iter().filter(|gap| gap.0 <= at).map(|gap| gap.1).sum();
        Span { file: self.file, line: self.number, column: (before + left_out + 1) as u32 }
    }
}

/// Reads files.
pub(super) struct Reader<'a> {
    pub(super) lines: Vec<Line>,
    pub(super) texts: Vec<(SmolStr, Arc<str>)>,
    /// What the sources said fits a name with `*`.
    pub(super) lists: Vec<(String, Vec<String>)>,
    pub(super) report: Report,
    sources: &'a dyn Sources,
    /// Files that are being read, outermost first.
    open: Vec<SmolStr>,
    octets: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a dyn Sources) -> Self {
        Self {
            lines: Vec::new(),
            texts: Vec::new(),
            lists: Vec::new(),
            report: Report::default(),
            sources,
            open: Vec::new(),
            octets: 0,
        }
    }

    /// Reads a text and what it includes: as deep as [`limits::FILE_DEPTH`].
    pub(super) fn text(&mut self, name: &str, octets: &[u8], from: Span) {
        self.octets = self.octets.saturating_add(octets.len());
        if self.octets > limits::TEXT {
            return self.report.error(from, format!("more than {} octets of text in all", limits::TEXT));
        }
        let (text, foreign) = decoded(octets);
        let mut foreign = foreign.into_iter().peekable();
        let file = self.texts.len() as u16;
        self.texts.push((name.into(), (&*text).into()));
        self.report.file(name);
        self.open.push(name.into());
        let mut depth = 0;
        let mut opened = Span::default();
        for (index, raw) in text.lines().enumerate() {
            let mut line = Line { file, number: index as u32 + 1, text: String::new(), gaps: Vec::new() };
            if raw.len() > limits::LINE {
                self.report.error(line.span(0), format!("a line of more than {} octets", limits::LINE));
                continue;
            }
            let was = depth;
            strip(raw, &mut depth, &mut line);
            let mut told = false;
            while let Some(place) = foreign.next_if(|place| place.line <= index) {
                if place.line == index && !told && !is_comment(raw, place.at, was) {
                    self.foreign(raw, &place, &line);
                    told = true;
                }
            }
            if was == 0 && depth > 0 {
                opened = line.span(raw.find(";--").unwrap_or(0));
            }
            line.text.truncate(line.text.trim_end().len());
            let start = line.text.len() - line.text.trim_start().len();
            if line.text[start..].starts_with('#') {
                self.directive(&line, start);
            } else if start < line.text.len() {
                if self.lines.len() == limits::LINES {
                    self.report.error(line.span(start), format!("more than {} lines in all", limits::LINES));
                    break;
                }
                self.lines.push(line);
            }
        }
        if depth > 0 {
            self.report.error(opened, "this comment never ends: expected `--;`");
        }
        self.open.pop();
    }

    /// An octet that is not UTF-8 and not in a comment.
    fn foreign(&mut self, raw: &str, place: &Foreign, line: &Line) {
        let column = raw.get(..place.at).unwrap_or(raw).chars().count() as u32 + 1;
        let (span, octet) = (Span { column, ..line.span(0) }, place.octet);
        match octet {
            // Codes of control characters in ISO 8859-1: the file is in something else.
            0x80..=0x9f => self.report.error(
                span,
                format!("the octet 0x{octet:X} is neither UTF-8 nor ISO 8859-1: save the file as UTF-8"),
            ),
            _ => self.report.warning(
                span,
                format!(
                    "the octet 0x{octet:X} is not UTF-8: taken for `{}` as in ISO 8859-1; save the file as UTF-8",
                    char::from(octet)
                ),
            ),
        }
    }

    /// A line that begins with `#`.
    fn directive(&mut self, line: &Line, start: usize) {
        let span = line.span(start);
        let text = &line.text[start..];
        let (word, name) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let name = name.trim();
        let close = match name.chars().next() {
            Some('<') => '>',
            Some('"') => '"',
            _ => ' ',
        };
        let bare = if close == ' ' { name } else { name[1..].strip_suffix(close).unwrap_or(&name[1..]) };
        match word {
            "#include" | "#tryinclude" if bare.is_empty() => {
                self.report.error(span, format!("expected the name of a file: {word} \"name.conf\""));
            }
            "#include" => self.include(bare, line.span(start + text.find(bare).unwrap_or(0)), true),
            "#tryinclude" => self.include(bare, span, false),
            "#exec" => self.report.error(span, "#exec is not supported: nothing is run to read a dialplan"),
            _ => self.report.error(span, format!("`{word}` is unknown: expected #include \"name.conf\"")),
        }
    }

    fn include(&mut self, name: &str, span: Span, must: bool) {
        if name.contains(['*', '?', '[', '{']) {
            let names = self.sources.list(name);
            if names.is_empty() && must {
                self.report.warning(span, format!("no file fits {name}: nothing is included"));
            }
            if self.lists.len() < limits::FILES {
                self.lists.push((name.to_owned(), names.clone()));
            }
            for name in names.iter().take(limits::FILES) {
                self.include_one(name, span, must);
            }
        } else {
            self.include_one(name, span, must);
        }
    }

    fn include_one(&mut self, name: &str, span: Span, must: bool) {
        if self.open.iter().any(|open| open == name) {
            return self.report.error(span, format!("{name} includes itself"));
        }
        if self.open.len() >= limits::FILE_DEPTH {
            let most = limits::FILE_DEPTH;
            return self.report.error(span, format!("files include each other more than {most} deep"));
        }
        if self.texts.len() >= limits::FILES {
            return self.report.error(span, format!("more than {} files", limits::FILES));
        }
        let known = self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        let read = match &known {
            Some(text) => return self.text(name, text.as_bytes(), span),
            None => self.sources.read(name),
        };
        match read {
            Ok(octets) => self.text(name, &octets, span),
            Err(why) if must => {
                self.report.error(span, format!("{name} cannot be read: {why}"));
                self.report.lost = true;
            }
            Err(_) => {}
        }
    }
}

/// Whether a place of a line is in a comment. `depth` is how many `;--` are open where the line begins.
fn is_comment(raw: &str, at: usize, mut depth: usize) -> bool {
    let mut before = Line { file: 0, number: 0, text: String::new(), gaps: Vec::new() };
    strip(raw.get(..at).unwrap_or(raw), &mut depth, &mut before) || depth > 0
}

/// An octet that is not UTF-8.
struct Foreign {
    /// Index of its line.
    line: usize,
    /// Octets of that line before it, once it is decoded.
    at: usize,
    octet: u8,
}

/// Octets as text: what is not UTF-8 is taken for ISO 8859-1, octet by octet, and told of.
fn decoded(octets: &[u8]) -> (Cow<'_, str>, Vec<Foreign>) {
    let octets = octets.strip_prefix("\u{feff}".as_bytes()).unwrap_or(octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        return (text.into(), Vec::new());
    }
    let (mut text, mut foreign) = (String::with_capacity(octets.len()), Vec::new());
    let (mut line, mut begin) = (0, 0);
    for chunk in octets.utf8_chunks() {
        for (at, _) in chunk.valid().match_indices('\n') {
            (line, begin) = (line + 1, text.len() + at + 1);
        }
        text.push_str(chunk.valid());
        for octet in chunk.invalid() {
            foreign.push(Foreign { line, at: text.len() - begin, octet: *octet });
            text.push(char::from(*octet));
        }
    }
    (text.into(), foreign)
}

/// Copies a line without its comments; true when one goes on to its end. `depth` is how many `;--` are open.
fn strip(raw: &str, depth: &mut usize, line: &mut Line) -> bool {
    let mut rest = raw;
    while let Some(sign) = rest.chars().next() {
        let mut length = sign.len_utf8();
        let mut gap = 0;
        if opens(rest) {
            (*depth, length, gap) = (*depth + 1, 3, 3);
        } else if *depth > 0 && rest.starts_with("--;") {
            (*depth, length, gap) = (*depth - 1, 3, 3);
        } else if *depth > 0 {
            gap = 1;
        } else if rest.starts_with("\\;") {
            line.gaps.push((line.text.len(), 1));
            line.text.push(';');
            length = 2;
        } else if sign == ';' {
            return true;
        } else {
            line.text.push(sign);
        }
        match line.gaps.last_mut() {
            _ if gap == 0 => {}
            Some(last) if last.0 == line.text.len() => last.1 += gap,
            _ => line.gaps.push((line.text.len(), gap)),
        }
        rest = &rest[length..];
    }
    false
}

/// Whether a block comment begins here; a ruler of dashes is none.
fn opens(text: &str) -> bool {
    text.starts_with(";--") && !text.starts_with(";---")
}
