//! The files that fit a name with `*`, `?`, `[...]` and `{a,b}` in it, as a shell finds them.

use std::path::Path;

/// Names that braces make of one.
const MOST: usize = 256;

/// The files of a folder, or of folders within it, that fit: in order, each once.
pub(super) fn list(folder: &Path, pattern: &str) -> Vec<String> {
    let mut found = Vec::new();
    for pattern in braces(pattern) {
        let (root, parts) = match pattern.strip_prefix('/') {
            Some(parts) => ("/".to_owned(), parts),
            None => (String::new(), pattern.as_str()),
        };
        let parts: Vec<&str> = parts.split('/').filter(|part| !part.is_empty()).collect();
        walk(folder, root, &parts, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn walk(folder: &Path, at: String, parts: &[&str], found: &mut Vec<String>) {
    let Some((part, rest)) = parts.split_first() else {
        if folder.join(&at).is_file() {
            found.push(at);
        }
        return;
    };
    if !part.contains(['*', '?', '[']) {
        return walk(folder, join(&at, part), rest, found);
    }
    let Ok(entries) = std::fs::read_dir(folder.join(&at)) else { return };
    for entry in entries.flatten() {
        // A name that is not UTF-8 cannot be told of.
        if let Some(name) = entry.file_name().to_str()
            && (part.starts_with('.') || !name.starts_with('.'))
            && fits(part, name)
        {
            walk(folder, join(&at, name), rest, found);
        }
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() || at.ends_with('/') { format!("{at}{name}") } else { format!("{at}/{name}") }
}

/// Each name that `{a,b}` stands for; of braces within braces the inner ones first.
fn braces(pattern: &str) -> Vec<String> {
    let mut made = vec![pattern.to_owned()];
    let mut at = 0;
    while let Some(one) = made.get(at).filter(|_| made.len() < MOST) {
        let inner = one.find('}').and_then(|close| Some((one[..close].rfind('{')?, close)));
        let Some((open, close)) = inner else {
            at += 1;
            continue;
        };
        let (before, behind) = (one[..open].to_owned(), one[close + 1..].to_owned());
        let choices: Vec<String> =
            one[open + 1..close].split(',').map(|choice| format!("{before}{choice}{behind}")).collect();
        made.splice(at..=at, choices);
    }
    made
}

/// Whether a name fits one part of a pattern, in time proportional to both.
fn fits(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Behind the last `*`: what to try again with a character less.
    let mut again: Option<(&str, &str)> = None;
    loop {
        if let Some(behind) = pattern.strip_prefix('*') {
            (pattern, again) = (behind, Some((behind, name)));
            continue;
        }
        let mut rest = name.chars();
        match (one(pattern), rest.next()) {
            (None, None) => return true,
            (Some((fits, behind)), Some(sign)) if fits(sign) => {
                (pattern, name) = (behind, rest.as_str());
                continue;
            }
            _ => {}
        }
        let Some((behind, tried)) = again else { return false };
        let mut rest = tried.chars();
        if rest.next().is_none() {
            return false;
        }
        (pattern, name, again) = (behind, rest.as_str(), Some((behind, rest.as_str())));
    }
}

type Fits<'a> = Box<dyn Fn(char) -> bool + 'a>;

/// What one character must be, and the pattern behind it; none at its end.
fn one(pattern: &str) -> Option<(Fits<'_>, &str)> {
    let mut rest = pattern.chars();
    match rest.next()? {
        '?' => Some((Box::new(|_| true), rest.as_str())),
        '\\' => {
            let wanted = rest.next()?;
            Some((Box::new(move |sign| sign == wanted), rest.as_str()))
        }
        '[' => match set(rest.as_str()) {
            Some(found) => Some(found),
            None => Some((Box::new(|sign| sign == '['), rest.as_str())),
        },
        wanted => Some((Box::new(move |sign| sign == wanted), rest.as_str())),
    }
}

/// `a-z]`, `!a-z]`: what follows `[`. A `]` that comes first is one of them.
fn set(text: &str) -> Option<(Fits<'_>, &str)> {
    let inside = text.strip_prefix(['!', '^']);
    let (not, inside) = (inside.is_some(), inside.unwrap_or(text));
    let close = inside.char_indices().skip(1).find(|(_, sign)| *sign == ']')?.0;
    let (set, behind) = (&inside[..close], &inside[close + 1..]);
    let fits = move |sign: char| {
        let signs: Vec<char> = set.chars().collect();
        let (mut at, mut found) = (0, false);
        while let Some(low) = signs.get(at) {
            match (signs.get(at + 1), signs.get(at + 2)) {
                (Some('-'), Some(high)) => {
                    found |= (*low..=*high).contains(&sign);
                    at += 3;
                }
                _ => {
                    found |= *low == sign;
                    at += 1;
                }
            }
        }
        found != not
    };
    Some((Box::new(fits), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell() {
        for (pattern, yes, no) in [
            ("*.conf", "a.conf", "a.conf~"),
            ("*", "x", "\u{0}/"),
            ("a*b*c", "aXbbYc", "aXbY"),
            ("?.c", "\u{fc}.c", "ab.c"),
            ("[0-9]*", "10-sales", "sales"),
            ("[!0-9]*", "sales", "10-sales"),
            ("[]a]x", "]x", "bx"),
            ("a[", "a[", "a"),
            ("\\*x", "*x", "ax"),
        ] {
            assert!(fits(pattern, yes), "{pattern} {yes}");
            assert!(pattern == "*" || !fits(pattern, no), "{pattern} {no}");
        }
        assert_eq!(braces("{a,b{1,2}}.c"), ["a.c", "b1.c", "a.c", "b2.c"]);
        assert_eq!(braces("{a,b").len(), 1);
        assert!(braces(&"{a,b}".repeat(30)).len() <= 2 * MOST);
        assert!(!fits(&"*a".repeat(2_000), &"a".repeat(1_000)));
    }

    #[test]
    fn files_are_listed_in_order() {
        let folder = std::env::temp_dir().join(format!("telex-glob-{}", std::process::id()));
        for name in ["d/20.conf", "d/10.conf", "d/.hidden.conf", "d/x.conf~", "e/1/y.conf", "e/2/y.conf"] {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir_all(folder.join("d/30.conf")).unwrap();
        let list = |pattern: &str| list(&folder, pattern);
        assert_eq!(list("d/*.conf"), ["d/10.conf", "d/20.conf"]);
        assert_eq!(list("{e,d}/{?,10}*/y.conf"), ["e/1/y.conf", "e/2/y.conf"]);
        assert_eq!(list("d/.*"), ["d/.hidden.conf"]);
        assert!(list("nowhere/*").is_empty());
        let whole = format!("{}/d/1*", folder.display());
        assert_eq!(list(&whole), [format!("{}/d/10.conf", folder.display())]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
