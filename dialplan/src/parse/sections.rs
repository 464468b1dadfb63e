//! Which lines belong to which section, with those that templates bring.

use std::collections::BTreeMap;

use super::entry::Piece;
use super::lines::Line;
use super::report::Report;
use crate::limits;
use crate::source::Span;

/// `[name]` with its lines.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
    /// Only there to be used by others: `[name](!)`.
    pub(super) template: bool,
    /// Numbers of lines.
    pub(super) lines: Vec<u32>,
}

/// What stands behind the bracket.
#[derive(Default)]
struct Options<'a> {
    template: bool,
    /// `(+)`: more lines for a section that is there.
    more: bool,
    bases: Vec<Piece<'a>>,
}

/// Puts the lines into their sections.
pub(super) fn gather<'a>(lines: &'a [Line], report: &mut Report) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'a>> = Vec::new();
    // The last section of a name.
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut current = None;
    let (mut lost, mut copied) = (false, 0);
    for (number, line) in lines.iter().enumerate() {
        let text = Piece::new(0, &line.text);
        let Some(inside) = text.text.strip_prefix('[') else {
            match current {
                Some(section) => {
                    let section: &mut Section<'a> = &mut sections[section];
                    section.lines.push(number as u32);
                }
                None if !lost => {
                    report.error(line.span(text.at), "expected a [context] before the first line");
                    lost = true;
                }
                None => {}
            }
            continue;
        };
        lost = false;
        current = match header(text, inside) {
            Err(fault) => {
                report.fault(fault, |at| line.span(at));
                // Its lines are not to blame.
                (lost, report.lost) = (true, true);
                None
            }
            Ok((name, options)) => open(line, name, &options, &mut sections, &mut known, &mut copied, report),
        };
        lost |= current.is_none();
    }
    sections
}

/// Opens a section, new or not; its number.
fn open<'a>(
    line: &Line,
    name: Piece<'a>,
    options: &Options<'a>,
    sections: &mut Vec<Section<'a>>,
    known: &mut BTreeMap<&'a str, usize>,
    copied: &mut usize,
    report: &mut Report,
) -> Option<usize> {
    let mut lines = Vec::new();
    for base in &options.bases {
        match known.get(base.text) {
            Some(base) => {
                let more = &sections[*base].lines;
                *copied += more.len();
                if *copied > limits::STEPS {
                    let message = format!("templates bring more than {} lines", limits::STEPS);
                    report.error(line.span(name.at), message);
                    return None;
                }
                lines.extend_from_slice(more);
            }
            None => {
                let near = report.near(base.text, known.keys().copied());
                report.error(
                    line.span(base.at),
                    format!("no section [{}] is above to take lines from{near}", base.text),
                );
            }
        }
    }
    if options.more {
        let Some(number) = known.get(name.text).copied() else {
            let near = report.near(name.text, known.keys().copied());
            let message = format!("no section [{}] is above to be continued by (+){near}", name.text);
            report.error(line.span(name.at), message);
            return None;
        };
        sections[number].lines.extend(lines);
        return Some(number);
    }
    if sections.len() >= limits::CONTEXTS {
        if sections.len() == limits::CONTEXTS {
            report.error(line.span(name.at), format!("more than {} contexts", limits::CONTEXTS));
        }
        return None;
    }
    known.insert(name.text, sections.len());
    sections.push(Section { name: name.text, span: line.span(name.at), template: options.template, lines });
    Some(sections.len() - 1)
}

/// `[name](options)`; `inside` is what follows the first bracket.
fn header<'a>(text: Piece<'a>, inside: &'a str) -> Result<(Piece<'a>, Options<'a>), crate::source::Fault> {
    let Some((name, behind)) = inside.split_once(']') else {
        return Err(text.fault("this context's name never ends: expected `]`"));
    };
    let name = Piece::new(text.at + 1, name);
    if name.text.is_empty() {
        return Err(name.fault("expected the name of a context between the brackets"));
    }
    if name.text.chars().count() > limits::NAME {
        return Err(name.fault(format!("longer than {} characters", limits::NAME)));
    }
    if name.text.contains([',', '@', '&', '$', '(', ')']) {
        return Err(name
            .fault(format!("`{}` cannot be reached: a context's name has none of , @ & $ ( )", name.text)));
    }
    let behind = Piece::new(text.at + text.text.len() - behind.len(), behind);
    let mut options = Options::default();
    if behind.text.is_empty() {
        return Ok((name, options));
    }
    let Some(list) = behind.text.strip_prefix('(').and_then(|list| list.strip_suffix(')')) else {
        return Err(behind
            .fault(format!("`{}` stands behind the name: expected (+), (!) or (template)", behind.text)));
    };
    let mut rest = Some(Piece::new(behind.at + 1, list));
    while let Some(list) = rest {
        let (option, more) = list.split(',');
        rest = more;
        match option.text {
            "+" => options.more = true,
            "!" => options.template = true,
            "" => return Err(option.fault("expected +, ! or the name of a template")),
            _ if options.bases.len() >= limits::INCLUDES => {
                return Err(option.fault(format!("more than {} templates", limits::INCLUDES)));
            }
            _ => options.bases.push(option),
        }
    }
    Ok((name, options))
}
