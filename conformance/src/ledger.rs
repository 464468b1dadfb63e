//! The ledger of clauses (`ledger.tsv`): what the standards demand, and the tests that show it.
//!
//! A row is: RFC, section, level of demand, the clause in short, and what shows it: tests as `file::name`, `open` or
//! `open: ` with the reason at the end when something is not shown yet, or `not applicable: ` with the reason.
//! `LEDGER.md` is made from it for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The table, as it was when this was built.
pub const LEDGER: &str = include_str!("../ledger.tsv");
/// Its first line.
pub const HEADING: &str = "rfc\tsection\tlevel\tclause\tshown by";
/// Levels of demand (RFC 2119).
pub const LEVELS: [&str; 5] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];
/// Documents that Telex claims to follow, with their titles, in the order of `LEDGER.md`.
pub const DOCUMENTS: [(&str, &str); 31] = [
    ("3261", "SIP"),
    ("3262", "Reliable provisional responses (100rel)"),
    ("3264", "Offer/answer"),
    ("3311", "UPDATE"),
    ("3323", "Privacy"),
    ("3325", "Asserted identity"),
    ("3326", "Reason"),
    ("3327", "Path"),
    ("3420", "Fragments of messages"),
    ("3428", "MESSAGE"),
    ("3515", "REFER"),
    ("3550", "RTP and RTCP"),
    ("3551", "Audio and video profile of RTP"),
    ("3581", "rport"),
    ("3842", "Message waiting"),
    ("3856", "Presence"),
    ("3863", "Presence documents (PIDF)"),
    ("3891", "Replaces"),
    ("3892", "Referred-By"),
    ("4028", "Session timers"),
    ("4235", "Dialog events (busy lamps)"),
    ("4488", "REFER without subscription"),
    ("4733", "Telephone events"),
    ("5589", "Transfer"),
    ("5626", "Client-initiated connections"),
    ("5806", "Diversion (historic)"),
    ("6026", "2xx to INVITE"),
    ("6665", "Events: SUBSCRIBE and NOTIFY"),
    ("7616", "Digest authentication"),
    ("8760", "Digest algorithms of SIP"),
    ("8866", "SDP"),
];

/// What shows a clause.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Tests, as file and name; `whole` is false when something is open.
    By {
        /// The tests.
        tests: Vec<(&'a str, &'a str)>,
        /// Whether they show all of it.
        whole: bool,
        /// Why not, when there is a reason.
        because: Option<&'a str>,
    },
    /// Nothing has to be shown, for this reason.
    NotApplicable(&'a str),
}

/// Reads the last column.
///
/// # Errors
/// What is wrong with it.
pub fn shown(text: &str) -> Result<Shown<'_>, String> {
    if let Some(reason) = text.strip_prefix("not applicable: ") {
        return if reason.len() > 10 { Ok(Shown::NotApplicable(reason)) } else { Err("no reason".into()) };
    }
    let (named, whole, because) = match text.split_once("open: ") {
        Some((tests, reason)) if reason.len() > 10 => (tests, false, Some(reason)),
        Some(_) => return Err("no reason".into()),
        None if text == "open" => ("", false, None),
        None => match text.strip_suffix(" open") {
            Some(tests) => (tests, false, None),
            None => (text, true, None),
        },
    };
    let mut tests = Vec::new();
    for word in named.split_ascii_whitespace() {
        tests.push(word.split_once("::").ok_or(format!("{word:?} is not file::name"))?);
    }
    if whole && tests.is_empty() {
        return Err("no test".into());
    }
    Ok(Shown::By { tests, whole, because })
}

/// One clause.
#[derive(Debug)]
pub struct Clause<'a> {
    /// Its line in the table, from 1.
    pub line: usize,
    /// The document, as a number.
    pub rfc: &'a str,
    /// The section.
    pub section: &'a str,
    /// One of [`LEVELS`].
    pub level: &'a str,
    /// What is demanded, in short.
    pub text: &'a str,
    /// What shows it, as written.
    pub by: &'a str,
}

/// All clauses of a table.
///
/// # Errors
/// The line that is no clause.
pub fn clauses(table: &str) -> Result<Vec<Clause<'_>>, String> {
    let read = |(n, line): (usize, &'_ str)| Err(format!("line {}: {line:?} has not five columns", n + 1));
    let mut all = Vec::new();
    for (n, line) in table.lines().enumerate().skip(1) {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [rfc, section, level, text, by] => {
                all.push(Clause { line: n + 1, rfc, section, level, text, by });
            }
            _ => return read((n, line)),
        }
    }
    Ok(all)
}

/// Clauses by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Shown by tests.
    pub shown: usize,
    /// Not shown, or not wholly.
    pub open: usize,
    /// Without object here.
    pub not_applicable: usize,
    /// Those of `open` that are a MUST or MUST NOT.
    pub open_musts: usize,
}

impl Counts {
    fn add(&mut self, clause: &Clause<'_>) {
        match shown(clause.by) {
            Ok(Shown::By { whole: true, .. }) => self.shown += 1,
            Ok(Shown::NotApplicable(_)) => self.not_applicable += 1,
            _ => {
                self.open += 1;
                self.open_musts += usize::from(clause.level.starts_with("MUST"));
            }
        }
    }
}

/// Counts per document, in the order of their numbers.
pub fn counts<'a>(clauses: &[Clause<'a>]) -> BTreeMap<&'a str, Counts> {
    let mut all: BTreeMap<&str, Counts> = BTreeMap::new();
    for clause in clauses {
        all.entry(clause.rfc).or_default().add(clause);
    }
    all
}

/// `LEDGER.md`.
///
/// # Errors
/// What is wrong with the table.
pub fn markdown(table: &str) -> Result<String, String> {
    let clauses = clauses(table)?;
    let counts = counts(&clauses);
    let mut out = String::from(
        "# Clauses of the RFCs and what shows them\n\n\
         Made from `ledger.tsv` by `cargo run -p telex-conformance -- ledger`; a test fails when it is stale. The\n\
         clauses are in words of our own. That a test shows its clause is for people to judge; that it exists is\n\
         checked.\n\n\
         | RFC | about | shown | open | of these MUST | not applicable |\n| --- | --- | --: | --: | --: | --: |\n",
    );
    let mut sum = Counts::default();
    for (rfc, title) in DOCUMENTS {
        let c = counts.get(rfc).copied().unwrap_or_default();
        line(
            &mut out,
            format_args!(
                "| [{rfc}](#rfc-{rfc}) | {title} | {} | {} | {} | {} |",
                c.shown, c.open, c.open_musts, c.not_applicable
            ),
        );
        sum.shown += c.shown;
        sum.open += c.open;
        sum.open_musts += c.open_musts;
        sum.not_applicable += c.not_applicable;
    }
    line(
        &mut out,
        format_args!(
            "| all | | {} | {} | {} | {} |\n",
            sum.shown, sum.open, sum.open_musts, sum.not_applicable
        ),
    );
    open_ones(&mut out, &clauses);
    for (rfc, title) in DOCUMENTS {
        line(
            &mut out,
            format_args!(
                "\n## RFC {rfc}\n\n{title}\n\n| section | level | clause | shown by |\n| --- | --- | --- | --- |"
            ),
        );
        for clause in clauses.iter().filter(|clause| clause.rfc == rfc) {
            let by = by(clause.by);
            line(
                &mut out,
                format_args!("| {} | {} | {} | {by} |", clause.section, clause.level, cell(clause.text)),
            );
        }
    }
    Ok(out)
}

fn open_ones(out: &mut String, clauses: &[Clause<'_>]) {
    line(out, format_args!("## Open\n"));
    let open = |clause: &&Clause<'_>| {
        !matches!(shown(clause.by), Ok(Shown::By { whole: true, .. } | Shown::NotApplicable(_)))
    };
    let mut any = false;
    for clause in clauses.iter().filter(open) {
        any = true;
        let because = match shown(clause.by) {
            Ok(Shown::By { because: Some(reason), .. }) => format!(" ({reason})"),
            _ => String::new(),
        };
        let Clause { rfc, section, level, text, .. } = clause;
        line(out, format_args!("- RFC {rfc} §{section}, {level}: {text}{because}"));
    }
    if !any {
        line(out, format_args!("Nothing."));
    }
}

/// The last column for people: names of tests, each with its file.
fn by(text: &str) -> String {
    match shown(text) {
        Ok(Shown::NotApplicable(reason)) => format!("*not applicable:* {}", cell(reason)),
        Ok(Shown::By { tests, whole, because }) => {
            let named = tests.iter().map(|(file, name)| format!("`{name}` in `{file}`"));
            let open = because.map_or("**open**".to_owned(), |reason| format!("**open:** {}", cell(reason)));
            named.chain((!whole).then_some(open)).collect::<Vec<_>>().join("<br>")
        }
        Err(error) => error,
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
