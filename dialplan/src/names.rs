//! The known name that somebody may have meant.

/// Names longer than this are not compared.
const LONGEST: usize = 64;

/// The name of `known` that is nearest to `word`, if one is near enough to be meant: one slip in three letters.
/// Upper and lower case are the same; of equals one that begins with the word is taken, else the first.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    let most = (length / 3).max(1);
    let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut best: Option<((usize, bool), &str)> = None;
    for name in known {
        let away = distance(word, name);
        let rank = (away, !begins(name));
        if away <= most && away < name.chars().count() && best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, name));
        }
    }
    best.map(|(_, name)| name)
}

/// `: did you mean NAME?`, or nothing.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|name| format!(": did you mean {name}?")).unwrap_or_default()
}

/// Letters to put in, take out, change or swap with their neighbour to come from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().flat_map(char::to_lowercase).collect();
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    if one.len().abs_diff(other.len()) > LONGEST || other.len() > LONGEST {
        return usize::MAX;
    }
    let mut before = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i; other.len() + 1];
        for j in 1..=other.len() {
            let change = usize::from(one[i - 1] != other[j - 1]);
            row[j] = (last[j - 1] + change).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["Playback", "Background", "Dial", "Hangup", "Set"];

    #[test]
    fn a_slip_finds_the_name_and_nonsense_finds_none() {
        assert_eq!(nearest("Playbak", KNOWN), Some("Playback"));
        assert_eq!(nearest("playbakc", KNOWN), Some("Playback"));
        assert_eq!(nearest("Hnagup", KNOWN), Some("Hangup"));
        assert_eq!(nearest("Dail", KNOWN), Some("Dial"));
        assert_eq!(nearest("Sat", KNOWN), Some("Set"));
        assert_eq!(nearest("nam", ["num", "number", "name"]), Some("name"));
        assert_eq!(nearest("xyz", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
        assert_eq!(nearest(&"x".repeat(1000), KNOWN), None);
        assert_eq!(hint("Hangupp", KNOWN), ": did you mean Hangup?");
    }
}
