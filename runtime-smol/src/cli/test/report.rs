//! What came of scenarios, as other programs read it: TAP and JUnit.

use std::fmt::Write as _;
use std::time::Duration;

use super::run::Failure;

/// What came of one scenario.
#[derive(Debug)]
pub(super) struct Result {
    /// The file it is in.
    pub(super) file: String,
    /// Its name.
    pub(super) name: String,
    /// What did not come true.
    pub(super) failure: Option<Failure>,
    /// How long it took, when that is wanted.
    pub(super) took: Option<Duration>,
}

/// The Test Anything Protocol, version 13: a line for each, and why one is not ok.
pub(super) fn tap(results: &[Result]) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", results.len());
    for (result, number) in results.iter().zip(1..) {
        let ok = if result.failure.is_none() { "ok" } else { "not ok" };
        // A name must not look like a directive.
        let _ = writeln!(text, "{ok} {number} - {}", result.name.replace('#', "\\#"));
        match (&result.failure, result.took) {
            (None, None) => {}
            (None, Some(took)) => {
                let _ = writeln!(text, "  ---\n  duration_ms: {}\n  ...", milliseconds(took));
            }
            (Some(failure), took) => text += &block(result, failure, took),
        }
    }
    let failed = results.iter().filter(|result| result.failure.is_some()).count();
    let s = if results.len() == 1 { "" } else { "s" };
    let _ = writeln!(text, "# {} scenario{s}, {failed} failed", results.len());
    text
}

fn milliseconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_millis(), time.subsec_micros() % 1000)
}

/// Why a scenario is not ok, as YAML.
fn block(result: &Result, failure: &Failure, took: Option<Duration>) -> String {
    let mut text = "  ---\n".to_owned();
    if let Some(took) = took {
        let _ = writeln!(text, "  duration_ms: {}", milliseconds(took));
    }
    let place = format!("{}:{}", result.file, failure.line);
    for (key, value) in [
        ("at", &place),
        ("step", &failure.step),
        ("expected", &failure.expected),
        ("found", &failure.found),
        ("clock", &failure.clock),
    ] {
        let _ = writeln!(text, "  {key}: {}", quoted(value));
    }
    for (key, lines) in [("happened", &failure.happened), ("explain", &failure.ways)] {
        if !lines.is_empty() {
            let _ = writeln!(text, "  {key}: |");
            lines.iter().for_each(|line| text += &format!("    {line}\n"));
        }
    }
    text + "  ...\n"
}

/// A string of YAML, which may be one of JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The XML that JUnit writes, a test suite for each file.
pub(super) fn junit(results: &[Result]) -> String {
    let count = |results: &[&Result]| {
        let failed = results.iter().filter(|result| result.failure.is_some()).count();
        format!("tests=\"{}\" failures=\"{failed}\"", results.len())
    };
    let all: Vec<&Result> = results.iter().collect();
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {}>\n", count(&all));
    for suite in all.chunk_by(|one, other| one.file == other.file) {
        let name = suite.first().map_or("", |first| first.file.as_str());
        let _ = writeln!(text, "  <testsuite name=\"{}\" {}>", escaped(name), count(suite));
        suite.iter().for_each(|result| text += &case(result));
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn case(result: &Result) -> String {
    let (file, name) = (escaped(&result.file), escaped(&result.name));
    let took = |took: Duration| format!(" time=\"{}.{:06}\"", took.as_secs(), took.subsec_micros());
    let time = result.took.map(took).unwrap_or_default();
    let head = format!("    <testcase classname=\"{file}\" name=\"{name}\"{time}");
    let Some(failure) = &result.failure else { return format!("{head}/>\n") };
    let message = escaped(&format!("expected {}, found {}", failure.expected, failure.found));
    let mut body = format!("{}:{}: {}\n{}\n", result.file, failure.line, failure.step, failure.clock);
    for line in failure.happened.iter().chain(&failure.ways) {
        let _ = writeln!(body, "{line}");
    }
    format!("{head}>\n      <failure message=\"{message}\">{}</failure>\n    </testcase>\n", escaped(&body))
}

/// Text in XML: signs that XML cannot have at all become a sign that says so.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                safe.push(char::REPLACEMENT_CHARACTER);
            }
            c => safe.push(c),
        }
    }
    safe
}
