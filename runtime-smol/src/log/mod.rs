//! What people read: one line per event, escaped, filtered by level.

mod stamp;
mod text;
mod trace;

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use telex_engine::event::{Event, Severity};

pub(crate) use text::Talked;
use text::describe;
pub(crate) use trace::Heading;
use trace::trace;

/// Anything that ends up in the log.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The engine says so.
    Event(Event),
    /// The driver says so. Made by Telex, except for what stands in [`Escaped`].
    Note(Severity, String),
    /// A SIP message, for `--trace-sip`.
    Trace(Heading, bytes::Bytes),
}

impl Entry {
    /// How much a person should care.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::Event(event) => event.severity(),
            Self::Note(severity, _) => *severity,
            Self::Trace(..) => Severity::Info,
        }
    }

    /// Appends the entry to `out` as one line, or for a trace as several.
    pub(crate) fn write(&self, at: SystemTime, out: &mut String) {
        // Writing to a String does not fail.
        let _ = write!(out, "{} {} ", stamp::Utc(at), Level(self.severity()));
        match self {
            Self::Event(event) => describe(event, out),
            Self::Note(_, text) => out.push_str(text),
            Self::Trace(heading, message) => trace(heading, message, out),
        }
        out.push('\n');
    }
}

struct Level(Severity);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Severity::Debug => "debug",
            Severity::Info => "info ",
            Severity::Warning => "warn ",
            Severity::Error => "error",
        })
    }
}

/// Reads the least severity to show from a text such as `debug` or `warn,telex=info`: the part for `telex` decides,
/// then the part for everything. `None` for `off`.
///
/// Errors with the part that makes no sense.
pub(crate) fn filter(text: &str) -> Result<Option<Severity>, String> {
    let mut all = Some(Severity::Info);
    let mut telex = None;
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (target, word) = part.split_once('=').unwrap_or(("", part));
        let level = match word.trim().to_ascii_lowercase().as_str() {
            "trace" | "debug" => Some(Severity::Debug),
            "info" => Some(Severity::Info),
            "warn" | "warning" => Some(Severity::Warning),
            "error" => Some(Severity::Error),
            "off" => None,
            _ => return Err(part.to_owned()),
        };
        match target.trim() {
            "" => all = level,
            "telex" => telex = Some(level),
            _ => {}
        }
    }
    Ok(telex.unwrap_or(all))
}

/// Shows what came from outside so that it can neither break the line nor steer a terminal: control characters and
/// what is not text become `\n`, `\t`, `\x1b`, a backslash becomes two.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| escape(c, f))
    }
}

fn escape(c: char, f: &mut impl fmt::Write) -> fmt::Result {
    match c {
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c)),
        // C1 controls, line separators and the marks that turn the direction of writing around.
        c if c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
        {
            write!(f, "\\u{{{:x}}}", u32::from(c))
        }
        c => f.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_name_the_least_severity() {
        assert_eq!(filter(""), Ok(Some(Severity::Info)));
        assert_eq!(filter("debug"), Ok(Some(Severity::Debug)));
        assert_eq!(filter("warn,telex=debug"), Ok(Some(Severity::Debug)));
        assert_eq!(filter("telex=error,debug"), Ok(Some(Severity::Error)));
        assert_eq!(filter("hyper=debug"), Ok(Some(Severity::Info)));
        assert_eq!(filter("off"), Ok(None));
        assert_eq!(filter("info,telex=loud"), Err("telex=loud".to_owned()));
    }

    #[test]
    fn nothing_from_outside_breaks_a_line() {
        let hostile = "a\r\n2026 error \x1b[31m\u{202e}\u{9b}b\\";
        assert_eq!(Escaped(hostile).to_string(), r"a\r\n2026 error \x1b[31m\u{202e}\u{9b}b\\");
    }

    #[test]
    fn a_line_has_time_level_and_text() {
        let mut out = String::new();
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_342_361_023);
        Entry::Note(Severity::Warning, "no configuration".to_owned()).write(at, &mut out);
        assert_eq!(out, "2026-11-22T10:12:41.023Z warn  no configuration\n");
    }
}
