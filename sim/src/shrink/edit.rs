//! A plan as a tree of tables, lists and values, and how to take something out of it.

use std::ops::Range;

use toml::{Table, Value};

/// A step into the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    At(usize),
}

/// The way to a value.
pub(super) type Path = Vec<Step>;

/// Lists whose entries are named by their place: the list, the key that holds such a place, wherever it
/// stands, and what goes with an entry that was named.
pub(super) const NAMED: &[(&str, &str, Then)] = &[
    ("phones", "caller", Then::Entry),
    ("phones", "phone", Then::Entry),
    ("nats", "nat", Then::Key),
    ("calls", "with", Then::Entry),
    ("calls", "takes", Then::Entry),
];

/// What goes when the entry goes that a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The whole entry with that key: a call of a phone that is not there.
    Entry,
    /// Only the key: the box that a phone was behind.
    Key,
}

/// What a plan cannot be without.
const NEEDED: &[&str] = &["seed", "calm", "empty", "end"];

/// All lists, those nearest to the root first.
pub(super) fn lists(root: &Table) -> Vec<Path> {
    let mut found = Vec::new();
    walk(root, &mut Vec::new(), &mut |path, value| {
        if value.is_array() {
            found.push(path.clone());
        }
    });
    found.sort_by_key(Vec::len);
    found
}

/// All keys that could go.
pub(super) fn keys(root: &Table) -> Vec<Path> {
    let mut found = Vec::new();
    walk(root, &mut Vec::new(), &mut |path, _| {
        let needed = matches!(&path[..], [Step::Key(key)] if NEEDED.contains(&key.as_str()));
        if matches!(path.last(), Some(Step::Key(_))) && !needed {
            found.push(path.clone());
        }
    });
    found
}

fn walk(table: &Table, path: &mut Path, visit: &mut dyn FnMut(&Path, &Value)) {
    for (key, value) in table {
        path.push(Step::Key(key.clone()));
        walk_value(value, path, visit);
        path.pop();
    }
}

/// As deep as a plan is: four levels.
fn walk_value(value: &Value, path: &mut Path, visit: &mut dyn FnMut(&Path, &Value)) {
    visit(path, value);
    match value {
        Value::Table(table) => walk(table, path, visit),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                path.push(Step::At(n));
                walk_value(item, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

pub(super) fn get<'a>(root: &'a Table, path: &[Step]) -> Option<&'a Value> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    rest.iter().try_fold(root.get(first)?, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::At(n) => value.get(*n),
    })
}

fn get_mut<'a>(root: &'a mut Table, path: &[Step]) -> Option<&'a mut Value> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    rest.iter().try_fold(root.get_mut(first)?, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::At(n) => value.get_mut(*n),
    })
}

/// How many entries the list at `path` has; none if it is gone.
pub(super) fn length(root: &Table, path: &[Step]) -> usize {
    get(root, path).and_then(Value::as_array).map_or(0, Vec::len)
}

/// Puts another value at `path`.
pub(super) fn put(root: &mut Table, path: &[Step], value: Value) {
    if let Some(place) = get_mut(root, path) {
        *place = value;
    }
}

/// Takes out the key at the end of `path`; false if it is not there.
pub(super) fn remove_key(root: &mut Table, path: &[Step]) -> bool {
    let Some((Step::Key(key), above)) = path.split_last() else { return false };
    let table =
        if above.is_empty() { Some(root) } else { get_mut(root, above).and_then(Value::as_table_mut) };
    table.is_some_and(|table| table.remove(key).is_some())
}

/// Takes entries out of the list at `path`, and with them whatever names them.
pub(super) fn remove_entries(root: &mut Table, path: &[Step], range: Range<usize>) {
    if let Some(list) = get_mut(root, path).and_then(Value::as_array_mut) {
        list.drain(range.start..range.end.min(list.len()));
    }
    let Some(Step::Key(name)) = path.last() else { return };
    for (_, key, then) in NAMED.iter().filter(|(list, ..)| list == name) {
        rename_in_table(root, key, *then, &range);
    }
    // The luck of a phone stays with it.
    if let [Step::Key(list)] = path
        && list == "phones"
    {
        keep_luck(root, &range);
    }
}

fn keep_luck(root: &mut Table, gone: &Range<usize>) {
    let Some(phones) = root.get_mut("phones").and_then(Value::as_array_mut) else { return };
    let moved =
        phones.iter_mut().enumerate().skip(gone.start).filter_map(|(n, p)| Some((n, p.as_table_mut()?)));
    for (n, phone) in moved {
        let was = i64::try_from(n + gone.len()).unwrap_or(i64::MAX);
        phone.entry("luck").or_insert(Value::Integer(was));
    }
}

/// What to do with a place in a list from which `gone` went.
enum Fate {
    Stays,
    Moves(i64),
    Goes,
}

fn fate(place: &Value, gone: &Range<usize>) -> Fate {
    match place.as_integer().and_then(|place| usize::try_from(place).ok()) {
        Some(place) if gone.contains(&place) => Fate::Goes,
        Some(place) if place >= gone.end => Fate::Moves(i64::try_from(place - gone.len()).unwrap_or(0)),
        _ => Fate::Stays,
    }
}

/// Renames places under `key`; false when `table` has to go with the entry that it names.
fn rename_in_table(table: &mut Table, key: &str, then: Then, gone: &Range<usize>) -> bool {
    match table.get_mut(key) {
        Some(Value::Array(places)) => {
            places.retain_mut(|place| match fate(place, gone) {
                Fate::Goes => false,
                Fate::Moves(to) => {
                    *place = Value::Integer(to);
                    true
                }
                Fate::Stays => true,
            });
        }
        Some(place) => match (fate(place, gone), then) {
            (Fate::Goes, Then::Entry) => return false,
            (Fate::Goes, Then::Key) => {
                table.remove(key);
            }
            (Fate::Moves(to), _) => *place = Value::Integer(to),
            (Fate::Stays, _) => {}
        },
        None => {}
    }
    for (_, value) in table.iter_mut() {
        match value {
            Value::Table(inner) => {
                rename_in_table(inner, key, then, gone);
            }
            Value::Array(items) => items
                .retain_mut(|item| item.as_table_mut().is_none_or(|t| rename_in_table(t, key, then, gone))),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_phone_goes_or_moves_with_it() {
        let mut plan: Table = r#"
            phones = [{ extension = "a" }, { extension = "b" }, { extension = "c" }]
            calls = [{ caller = 0 }, { caller = 1 }, { caller = 2, dial = "a" }]
            [faults]
            cuts = [{ phone = 2 }, { phone = 1 }]
        "#
        .parse()
        .unwrap();
        remove_entries(&mut plan, &[Step::Key("phones".to_owned())], 1..2);
        let wanted: Table = r#"
            phones = [{ extension = "a" }, { extension = "c", luck = 2 }]
            calls = [{ caller = 0 }, { caller = 1, dial = "a" }]
            [faults]
            cuts = [{ phone = 1 }]
        "#
        .parse()
        .unwrap();
        assert_eq!(plan, wanted);
    }

    #[test]
    fn a_phone_whose_box_goes_is_behind_none() {
        let mut plan: Table =
            "nats = [{ a = 1 }, { a = 2 }]\nphones = [{ nat = 0 }, { nat = 1 }, {}]".parse().unwrap();
        remove_entries(&mut plan, &[Step::Key("nats".to_owned())], 0..1);
        let wanted: Table = "nats = [{ a = 2 }]\nphones = [{}, { nat = 0 }, {}]".parse().unwrap();
        assert_eq!(plan, wanted);
    }

    #[test]
    fn every_value_but_the_needed_ones_can_go() {
        let plan: Table = "seed = 1\ncalm = \"1s\"\na = { b = [{ c = 1 }, { d = [2] }] }".parse().unwrap();
        let names = |paths: Vec<Path>| -> Vec<String> {
            let step = |step: &Step| match step {
                Step::Key(key) => key.clone(),
                Step::At(n) => n.to_string(),
            };
            paths.iter().map(|path| path.iter().map(step).collect::<Vec<_>>().join(".")).collect()
        };
        assert_eq!(names(keys(&plan)), ["a", "a.b", "a.b.0.c", "a.b.1.d"]);
        assert_eq!(names(lists(&plan)), ["a.b", "a.b.1.d"]);
    }
}
