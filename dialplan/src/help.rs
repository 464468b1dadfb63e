//! The tables of applications and functions, for people: one of them, or all as a page.

use std::fmt::Write;

use crate::app::{self, Application};
use crate::elsewhere;
use crate::expr;
use crate::function::{self, Function};
use crate::names::hint;

/// What is known of a name of an application, a function or a variable, in any case; `Err` says what name may have been
/// meant.
pub fn about(name: &str) -> Result<String, String> {
    let name = name.trim().trim_end_matches("()");
    let mut text = String::new();
    if let Some(app) = app::all().iter().find(|app| app.name.eq_ignore_ascii_case(name)) {
        text += &application(app);
    }
    if let Some(function) =
        function::all().into_iter().find(|function| function.name.eq_ignore_ascii_case(name))
    {
        text += &one_function(function);
    }
    for (names, meaning) in VARIABLES {
        if names.split(", ").any(|known| known.eq_ignore_ascii_case(name)) {
            let _ = writeln!(text, "${{{}}}\n  {meaning}", names.replace(", ", "}, ${"));
        }
    }
    if !text.is_empty() {
        return Ok(text);
    }
    let refused =
        app::REFUSED.iter().chain(function::REFUSED).find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((name, why)) = refused {
        return Ok(format!("{name} is refused: {why}\n"));
    }
    let mut elsewhere = elsewhere::APPLICATIONS.iter().chain(elsewhere::FUNCTIONS);
    if let Some(name) = elsewhere.find(|known| known.eq_ignore_ascii_case(name)) {
        return Err(elsewhere::told(name));
    }
    let names = app::all().iter().map(|app| app.name);
    let names = names.chain(function::all().into_iter().map(|function| function.name));
    let variables = VARIABLES.iter().flat_map(|(names, _)| names.split(", "));
    Err(format!("no application, function or variable is named {name}{}", hint(name, names.chain(variables))))
}

fn application(app: &Application) -> String {
    let mut text = format!("{}\n  {}\n", app.syntax, app.meaning);
    for (letter, meaning) in app.options {
        let _ = writeln!(text, "    {letter}  {meaning}");
    }
    text
}

fn one_function(function: &Function) -> String {
    let mut text = format!("{}\n  {}\n", use_of(function), function.meaning);
    if !function.arguments.is_empty() {
        let _ = writeln!(text, "  {}", function.arguments);
    }
    text
}

/// How a function is written, read and set.
fn use_of(function: &Function) -> String {
    let syntax = function.syntax;
    match (function.can_be_read(), function.can_be_set()) {
        (true, true) => format!("${{{syntax}}}  Set({syntax}=value)"),
        (true, false) => format!("${{{syntax}}}"),
        _ => format!("Set({syntax}=value)"),
    }
}

/// All of it as a page of Markdown.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "\n## Applications\n\n| application | what it does |\n|---|---|");
    for app in app::all() {
        let _ = writeln!(text, "| `{}` | {} |", cell(app.syntax), cell(app.meaning));
    }
    let _ = writeln!(text, "\n### Options\n");
    for app in app::all().iter().filter(|app| !app.options.is_empty()) {
        let _ = writeln!(text, "**{}**\n", app.name);
        for (letter, meaning) in app.options {
            let _ = writeln!(text, "- `{letter}` {meaning}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "## Functions\n\n| function | read | set | what it gives | arguments |\n|---|---|---|---|---|"
    );
    for function in function::all() {
        let mark = |yes| if yes { "yes" } else { "" };
        let (read, set) = (mark(function.can_be_read()), mark(function.can_be_set()));
        let (syntax, meaning) = (cell(function.syntax), cell(function.meaning));
        let _ = writeln!(text, "| `{syntax}` | {read} | {set} | {meaning} | {} |", cell(function.arguments));
    }
    let _ = writeln!(text, "\n## Variables that the exchange sets\n\n| variable | value |\n|---|---|");
    for (name, meaning) in VARIABLES {
        let _ = writeln!(text, "| `{name}` | {} |", cell(meaning));
    }
    let _ = writeln!(
        text,
        "\n## Expressions\n\nFrom the weakest to the strongest.\n\n| operators | result |\n|---|---|"
    );
    for (operators, result) in expr::TABLE {
        let _ = writeln!(text, "| `{}` | {} |", cell(operators), cell(result));
    }
    let _ = writeln!(text, "\n## Refused\n");
    for (name, why) in app::REFUSED.iter().chain(function::REFUSED) {
        let _ = writeln!(text, "- `{name}`: {why}");
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = include_str!("help.md");

/// Variables that need no Set.
const VARIABLES: &[(&str, &str)] = &[
    ("EXTEN", "what was dialled"),
    ("CONTEXT", "the context that it was looked for in"),
    ("PRIORITY", "the step's priority"),
    ("CHANNEL", "the channel's name"),
    ("UNIQUEID", "the call's id"),
    ("EPOCH", "seconds since 1970"),
    ("DATETIME", "date and time: 22112026-20:30:00"),
    ("TIMESTAMP", "date and time: 20261122-203000"),
    ("CALLERID, CALLERIDNUM", "the same as CALLERID(num)"),
    ("CALLERIDNAME, DNID, RDNIS", "the same as CALLERID(name), (dnid), (rdnis)"),
    ("HINT", "the devices of the extension's hint, as Dial takes them"),
    ("ARG1, ARG2, ..., ARGC", "arguments of the subroutine, and how many"),
    ("GOSUB_RETVAL", "what Return gave"),
    ("INVALID_EXTEN", "what led to extension i"),
    ("DIALSTATUS", "ANSWER, BUSY, NOANSWER, CONGESTION, CHANUNAVAIL or CANCEL"),
    (
        "GOSUB_RESULT",
        "set by the subroutine of Dial's option U: BUSY, CONGESTION, CONTINUE, ABORT or GOTO:context^exten^priority; without it who answered is connected",
    ),
    (
        "LIMIT_PLAYAUDIO_CALLER, LIMIT_PLAYAUDIO_CALLEE",
        "yes or no: who is told how long a talk may go on (Dial's option L); the caller if nothing is set",
    ),
    (
        "LIMIT_WARNING_FILE, LIMIT_CONNECT_FILE, LIMIT_TIMEOUT_FILE",
        "what they are told before the end, when they begin and at the end: a prompt, or timeleft, which a warning says without any",
    ),
    ("EXITCONTEXT", "where Dial's option d looks for the key; without it in the context of the Dial"),
    (
        "RECORD_STATUS, RECORDED_FILE",
        "DTMF, SILENCE, TIMEOUT, OPERATOR, SKIP, ERROR or HANGUP, after Record; and its name",
    ),
    ("HANGUPCAUSE", "the cause by Q.850 of the last Dial, or of the hang-up in extension h"),
    ("ANSWEREDTIME", "seconds that the last Dial was connected; empty when nobody answered"),
    ("DIALEDTIME", "seconds from its beginning to its end, when somebody answered"),
    ("PLAYBACKSTATUS", "SUCCESS or FAILED"),
    ("READSTATUS", "OK, TIMEOUT, ERROR or SKIPPED"),
    ("TRYSTATUS", "SUCCESS or FAILED, after TryExec"),
    (
        "AVAILCHAN, AVAILSTATUS",
        "what ChanIsAvail found: a target, and a state as a number (1 not in use, 2 in use, 3 busy, 5 unavailable, 6 ringing)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_what_the_tables_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/DIALPLAN.md");
        let page = markdown();
        let update = std::env::var_os("TELEX_UPDATE").is_some();
        if update {
            std::fs::write(path, &page).expect("the page can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "DIALPLAN.md is out of date: run this test with TELEX_UPDATE=1");
    }

    #[test]
    fn one_name_is_told_with_what_it_takes() {
        insta::assert_snapshot!(about("hangup").expect("known"), @r"
        Hangup([cause])
          Ends the call, with a cause by Q.850: a number or a name.
        ");
        insta::assert_snapshot!(about("SHIFT").expect("known"), @r"
        ${SHIFT(variable[,delimiter])}
          Takes the first field off a variable.
          The variable's name without ${}; what is between the fields, a comma if not given.
        ");
        assert_eq!(
            about("Playbak"),
            Err("no application, function or variable is named Playbak: did you mean Playback?".into())
        );
        insta::assert_snapshot!(about("dialstatus").expect("known"), @r"
        ${DIALSTATUS}
          ANSWER, BUSY, NOANSWER, CONGESTION, CHANUNAVAIL or CANCEL
        ");
        assert!(about("AVAILSTATUS").is_ok_and(|text| text.starts_with("${AVAILCHAN}, ${AVAILSTATUS}\n")));
        assert!(about("system").is_ok_and(|text| text.contains("refused")));
    }
}
