//! House rules that the compiler does not know: layers, banned words, lengths.
//!
//! The files are found by walking the workspace, so that a checkout without git will do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers of the engine, base first. A module uses itself and earlier rows; in the base row modules use each other.
const LAYERS: &[&[&str]] = &[
    &[
        "time", "rng", "rate", "index", "slots", "timers", "limits", "planted", "event", "border", "cdr",
        "config", "mediactl", "cx", "view",
    ],
    &["sip", "sdp", "rtp"],
    &["auth", "offer"],
    &["transport"],
    &["transaction"],
    &["dialog", "registrar"],
    &["subscription"],
    &["call", "agent"],
    &["signalling"],
];

/// What media may use: it knows nothing of signalling.
const MEDIA_USES: &[&str] = &[
    "time", "rng", "rate", "index", "slots", "timers", "limits", "planted", "event", "border", "config",
    "mediactl", "rtp",
];

/// What must not stand in the engine, as sequences of words and signs, and why.
const BANNED: &[(&str, &str)] = &[
    ("HashMap", "its order is chance: use Index or BTreeMap"),
    ("HashSet", "its order is chance: use Index or BTreeSet"),
    ("RandomState", "randomness comes from the seed"),
    ("SystemTime", "time is handed in"),
    ("std : : time : : Instant", "time is handed in"),
    ("std : : thread", "the driver has the threads"),
    ("std : : fs", "the driver has the files"),
    ("std : : env", "configuration is handed in"),
    ("UdpSocket", "the driver has the sockets"),
    ("TcpStream", "the driver has the sockets"),
    ("TcpListener", "the driver has the sockets"),
    ("f32", "decisions and audio are integers"),
    ("f64", "decisions and audio are integers"),
    ("static mut", "state belongs to a machine"),
    ("thread_local", "state belongs to a machine"),
    ("LazyLock", "state belongs to a machine"),
    ("OnceLock", "state belongs to a machine"),
    ("todo !", "unfinished"),
    ("unimplemented !", "unfinished"),
    ("println !", "people are told by events"),
    ("eprintln !", "people are told by events"),
    (". unwrap ( )", "say with expect why it cannot fail, or handle it"),
];

/// Where a banned word may stand, each with its reason in the file itself.
const ALLOWED: &[(&str, &str)] =
    &[("engine/src/index.rs", "HashMap"), ("audio/src/codec/opus/decoder.rs", "f32")];

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 800;
/// Columns of code are the formatter's business (110); comments may be a little wider.
const LINE_COLUMNS: usize = 120;

/// A file of the workspace.
struct File {
    /// Path from the root, with `/` between its parts.
    path: String,
    text: String,
}

/// A Rust source file without comments and literals, split in lines as it was, with the lines of tests empty.
struct Source<'a> {
    path: &'a str,
    lines: Vec<String>,
}

#[test]
fn engine_modules_use_only_what_is_below_them() {
    let files = files();
    let (mut faults, mut seen) = (Vec::new(), 0);
    for source in sources(&files, "engine/src/") {
        let name = module(source.path);
        if name == "lib" {
            continue;
        }
        for (number, used) in uses(&source.lines) {
            seen += 1;
            if let Some(fault) = breach(&name, &used) {
                faults.push(format!("{}:{number}: {fault}", source.path));
            }
        }
    }
    assert!(seen > 100, "only {seen} uses were found");
    report(&faults);
}

#[test]
fn what_decides_keeps_away_from_chance_and_the_outside() {
    let files = files();
    let mut faults = Vec::new();
    for source in ["engine/src/", "audio/src/", "dialplan/src/"].iter().flat_map(|at| sources(&files, at)) {
        for (number, line) in source.lines.iter().enumerate() {
            for (banned, why) in BANNED {
                if has_words(line, banned) && !ALLOWED.contains(&(source.path, banned)) {
                    faults.push(format!("{}:{}: `{banned}`: {why}", source.path, number + 1));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn functions_fit_a_screen() {
    let files = files();
    let mut faults = Vec::new();
    for source in sources(&files, "") {
        for (name, first, count) in functions(&source.lines) {
            if count > FUNCTION_LINES {
                faults.push(format!("{}:{first}: {name} has {count} lines", source.path));
            }
        }
    }
    report(&faults);
}

#[test]
fn files_hold_one_idea() {
    let files = files();
    let mut faults = Vec::new();
    for source in sources(&files, "") {
        let Some(file) = files.iter().find(|file| file.path == source.path) else { continue };
        let before_tests = match file.text.find("\n#[cfg(test)]\nmod tests {") {
            Some(end) => &file.text[..end],
            None => &file.text,
        };
        let count = before_tests.lines().count();
        if count > FILE_LINES {
            faults.push(format!("{}: {count} lines before its tests", file.path));
        }
        for (number, line) in before_tests.lines().enumerate() {
            // Long literals cannot be helped.
            if line.chars().count() > LINE_COLUMNS && !line.contains('"') {
                faults.push(format!("{}:{}: longer than {LINE_COLUMNS} columns", file.path, number + 1));
            }
        }
    }
    report(&faults);
}

#[test]
fn nothing_is_left_to_do_and_no_path_of_a_workplace_is_told() {
    // Put together here so that this file does not accuse itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red")];
    let mut faults = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            let mut fault = |what: &str| faults.push(format!("{}:{}: {what}", file.path, number + 1));
            for mark in marks.iter().filter(|mark| has_words(&spread(line), mark)) {
                fault(mark);
            }
            let corpus = ["conformance/tests/", "audio/"].iter().any(|at| file.path.starts_with(at))
                && file.path.contains("test");
            for place in places.iter().filter(|place| line.contains(*place)) {
                if !(corpus && *place == places[2]) {
                    fault(place);
                }
            }
        }
    }
    report(&faults);
}

/// Fails with all faults at once.
fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Why `name` may not use `used`, if so.
fn breach(name: &str, used: &str) -> Option<String> {
    let layer = |module: &str| LAYERS.iter().position(|row| row.contains(&module));
    if name == used {
        return None;
    }
    if name == "media" {
        return (!MEDIA_USES.contains(&used)).then(|| format!("media must not use {used}"));
    }
    if used == "media" {
        return Some(format!("{name} must not use media"));
    }
    let (Some(own), Some(other)) = (layer(name), layer(used)) else {
        return Some(format!("{name} or {used} has no layer"));
    };
    let allowed = other < own || (own == 0 && other == 0);
    (!allowed).then(|| format!("{name} must not use {used}, which is not below it"))
}

/// The module of the engine that a file belongs to.
fn module(path: &str) -> String {
    let inside = path.trim_start_matches("engine/src/");
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs").to_owned()
}

/// Modules named behind `crate::`, alone or in braces, with their line numbers.
fn uses(lines: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut rest = line.as_str();
        while let Some(at) = rest.find("crate::") {
            let inner = at > 0 && rest[..at].ends_with(['_', '$']);
            rest = &rest[at + "crate::".len()..];
            if inner {
                continue;
            }
            if let Some(list) = rest.strip_prefix('{') {
                let joined = std::iter::once(list).chain(lines[number + 1..].iter().map(String::as_str));
                let joined = joined.collect::<Vec<_>>().join(" ");
                found.extend(top_names(&joined).into_iter().map(|name| (number + 1, name)));
            } else {
                found.push((number + 1, word(rest).to_owned()));
            }
        }
    }
    found
}

/// The first word of each item of a brace list, up to its closing brace.
fn top_names(list: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(word(&list[at..]).to_owned());
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// Whether `words`, separated by spaces, follow each other in the line.
fn has_words(line: &str, words: &str) -> bool {
    // Few lines come as far as being cut up.
    if !words.split(' ').all(|word| line.contains(word)) {
        return false;
    }
    let wanted = tokens(words);
    tokens(line).windows(wanted.len()).any(|window| window == wanted)
}

/// Words and single signs.
fn tokens(line: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = word(rest).len().max(first.len_utf8());
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// A line of any text, with underscores as spaces.
fn spread(line: &str) -> String {
    line.replace('_', " ")
}

/// Name, first line and number of lines of each function.
fn functions(lines: &[String]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let tokens = tokens(line);
        let Some(at) = tokens.iter().position(|token| *token == "fn") else { continue };
        let name = tokens.get(at + 1).copied().unwrap_or_default();
        if word(name).is_empty() {
            continue; // a type, not a function
        }
        if let Some(last) = body_end(&lines[first..]) {
            found.push((name.to_owned(), first + 1, last + 1));
        }
    }
    found
}

/// The line on which an item that starts on the first line ends: at the brace that closes its first one, or at the
/// semicolon before any.
fn body_end(lines: &[String]) -> Option<usize> {
    let (mut depth, mut braces) = (0i32, false);
    for (number, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' => {
                    depth += 1;
                    braces = true;
                }
                '}' => {
                    depth -= 1;
                    if depth == 0 && braces {
                        return Some(number);
                    }
                }
                ';' if depth == 0 => return Some(number),
                _ => {}
            }
        }
    }
    None
}

/// The product's Rust files under `prefix`: comments, literals and tests taken out.
fn sources<'a>(files: &'a [File], prefix: &str) -> Vec<Source<'a>> {
    let rust = |file: &&File| file.path.ends_with(".rs") && file.path.starts_with(prefix);
    let mut tests = BTreeSet::new();
    let mut sources = Vec::new();
    for file in files.iter().filter(rust) {
        let mut lines: Vec<String> = bare(&file.text).lines().map(str::to_owned).collect();
        for module in take_out_tests(&mut lines) {
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let stem = file.path.trim_end_matches(".rs");
            for place in [folder, stem] {
                tests.insert(format!("{place}/{module}.rs"));
                tests.insert(format!("{place}/{module}/"));
            }
        }
        sources.push(Source { path: &file.path, lines });
    }
    let is_test = |path: &str| {
        let in_folder = tests.iter().any(|test| test.ends_with('/') && path.starts_with(test.as_str()));
        tests.contains(path) || in_folder || path.contains("/tests/")
    };
    sources.retain(|source| !is_test(source.path));
    sources
}

/// Empties the items under `#[cfg(test)]`; gives the names of modules that are in files of their own.
fn take_out_tests(lines: &mut [String]) -> Vec<String> {
    let mut modules = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() != "#[cfg(test)]" {
            at += 1;
            continue;
        }
        let item = at + 1;
        let end = item + body_end(&lines[item.min(lines.len())..]).unwrap_or(lines.len() - item - 1);
        let declared = lines.get(item).map(|line| tokens(line)).unwrap_or_default();
        if let [.., "mod", name, ";"] = declared[..] {
            modules.push(name.to_owned());
        }
        let last = end.min(lines.len() - 1);
        lines[at..=last].fill(String::new());
        at = last + 1;
    }
    modules
}

/// Rust text without comments and without what is in its literals; line breaks stay.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(is_word)) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            character(rest)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..skip].chars().filter(|c| *c == '\n'));
        if !rest.starts_with('/') {
            out.push_str("\"\"");
        }
        rest = &rest[skip..];
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => return text.len(),
            }
        }
    }
}

/// Length of a raw string that starts here.
fn raw_string(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let body = inner[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// Length of a literal between two of `quote`, escapes minded.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal, or 1 for the tick of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 1,
    }
}

/// Every text file of the workspace, what was built and what runs left behind apart.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    assert!(
        found.iter().any(|file| file.path == "engine/src/lib.rs"),
        "this is no checkout of the workspace"
    );
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hidden = name.starts_with('.') && name != ".ci";
        // What fuzzing has made is no part of the tree.
        let fuzzed = folder.ends_with("fuzz") && ["corpus", "artifacts", "found", "seeds"].contains(&name);
        if hidden || fuzzed || name == "target" || name.starts_with("telex.db") || name == "telex.toml" {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
            continue;
        }
        let known = path.extension().is_some_and(|kind| {
            ["rs", "toml", "md", "xml", "sh", "csv", "json", "yml", "lock"].iter().any(|known| kind == *known)
        });
        if let Some(text) = fs::read_to_string(&path).ok().filter(|_| known || path.extension().is_none()) {
            let inside = path.strip_prefix(root).expect("the walk began at the root");
            found.push(File { path: inside.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

mod of_the_rules_themselves {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        bare(text).lines().map(str::to_owned).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "a // f64\nb /* f64 /* x */ f64 */ c \"f64 \\\" f64\" r#\"f64\" f64\"# 'f' '\\'' &'a str";
        let bare = bare(text);
        assert!(!bare.contains("f64"), "{bare}");
        assert!(bare.contains("str") && bare.contains('c'), "{bare}");
        assert_eq!(bare.lines().count(), text.lines().count());
    }

    #[test]
    fn banned_words_are_found_as_words() {
        assert!(has_words("let x: f64 = 1;", "f64"));
        assert!(!has_words("let xf64 = 1;", "f64"));
        assert!(has_words("x.unwrap().y", ". unwrap ( )"));
        assert!(!has_words("x.unwrap_or(1)", ". unwrap ( )"));
        assert!(has_words("use std::thread;", "std : : thread"));
    }

    #[test]
    fn breaches_of_the_layers_are_found() {
        assert_eq!(breach("call", "offer"), None);
        assert_eq!(breach("time", "rng"), None);
        assert_eq!(breach("media", "rtp"), None);
        for (name, used) in
            [("offer", "auth"), ("sip", "transport"), ("media", "sip"), ("call", "media"), ("call", "new")]
        {
            assert!(breach(name, used).is_some(), "{name} may use {used}?");
        }
        let text =
            lines("use crate::{\n    sip::{Message, Uri},\n    time,\n};\nlet x = crate::offer::read(b);");
        let names: Vec<_> = uses(&text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["sip", "time", "offer"]);
    }

    #[test]
    fn functions_are_measured_without_tests() {
        let mut text = lines(
            "fn a(x: [u8; 2]) -> u8 {\n    x\n}\n#[cfg(test)]\nmod t {\n    fn b() {\n    }\n}\nfn c();\n",
        );
        assert_eq!(take_out_tests(&mut text), Vec::<String>::new());
        assert_eq!(functions(&text), [("a".into(), 1, 3), ("c".into(), 9, 1)]);
        let mut text = lines("#[cfg(test)]\nmod tests;\nfn a() {}\n");
        assert_eq!(take_out_tests(&mut text), ["tests"]);
        assert_eq!(functions(&text).len(), 1);
    }
}
