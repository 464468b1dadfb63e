//! The `[[conference]]` entries: numbers at which people come together.

use std::collections::BTreeMap;

use smol_str::SmolStr;
use telex_engine::config::Phone;
use toml::de::DeTable;

use super::phones;
use super::reader::{At, Reader, Section};

/// The name of each number's conference.
pub(super) fn conferences(
    reader: &mut Reader,
    root: &DeTable<'_>,
    phones: &BTreeMap<SmolStr, Phone>,
) -> BTreeMap<SmolStr, SmolStr> {
    let mut conferences = BTreeMap::new();
    for entry in reader.list(root, "conference") {
        if reader.key(entry.value, "number").is_none() {
            let remedy = "add number = \"…\": what is dialled to join it";
            reader.wrong(&entry.span, "this conference has no number", "in this entry", remedy);
        }
        let Some(number) = phones::number(reader, entry.value, "number", "conference") else { continue };
        let name = name(reader, &entry).unwrap_or_else(|| number.value.clone());
        let taken = if phones.contains_key(&number.value) {
            Some("a phone has this extension")
        } else {
            conferences.contains_key(&number.value).then_some("second conference of this number")
        };
        if let Some(label) = taken {
            let title = format!("number `{}` is already taken", number.value);
            let remedy = "give each conference a number of its own; those of the same name are one";
            reader.wrong(&number.span, title, label, remedy);
            continue;
        }
        conferences.insert(number.value, name);
    }
    conferences
}

fn name(reader: &mut Reader, entry: &At<Section<'_>>) -> Option<SmolStr> {
    let text = reader.text(entry.value, "name")?;
    if text.value.is_empty() || text.value.len() > 64 || text.value.chars().any(char::is_control) {
        let remedy = "use 1 to 64 characters, or leave it out: the number is its name then";
        reader.wrong(&text.span, "this is not a name", "empty, too long, or with control characters", remedy);
        return None;
    }
    Some(text.value.into())
}
