//! Which entry of the configuration a step of the dialplan comes from, for those who ask why a call went so.

use std::collections::BTreeMap;
use std::path::Path;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::{Context, Extension};
use telex_engine::config::{CONFIGURED, Config, USUAL_LOT};
use toml::de::{DeTable, DeValue};

use super::Office;

/// Entries, and the keys that they are known by.
const ENTRIES: [(&str, &str); 6] = [
    ("phone", "extension"),
    ("group", "number"),
    ("hours", "number"),
    ("menu", "name"),
    ("conference", "number"),
    ("parking", "name"),
];

/// Where the entries of a configuration stand.
#[derive(Debug)]
pub(in crate::config) struct Origins {
    file: String,
    /// By kind and key.
    lines: BTreeMap<(&'static str, SmolStr), usize>,
}

impl Origins {
    /// Looks for all entries of the text that was read from `path`.
    pub(in crate::config) fn read(path: &Path, text: &str, root: &DeTable<'_>) -> Self {
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |at: usize| 1 + ends.partition_point(|end| *end < at);
        let mut lines = BTreeMap::new();
        for (kind, known_by) in ENTRIES {
            let Some(DeValue::Array(entries)) = root.get(kind).map(|value| value.get_ref()) else { continue };
            for entry in entries.iter() {
                let Some(table) = entry.get_ref().as_table() else { continue };
                let key = |name: &str| table.get(name).and_then(|value| value.get_ref().as_str());
                let key = key(known_by).or_else(|| key("number")).unwrap_or(USUAL_LOT);
                lines.entry((kind, SmolStr::new(key))).or_insert(line(entry.span().start));
            }
        }
        if let Some((key, _)) = root.get_key_value("codes") {
            lines.insert(("codes", SmolStr::default()), line(key.span().start));
        }
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { file, lines }
    }

    /// The name of the file.
    pub(in crate::config) fn file(&self) -> &str {
        &self.file
    }

    /// What is said of an extension: `telex.toml:14 (phone 101)`.
    pub(in crate::config) fn place(
        &self,
        office: &Office,
        config: &Config,
        context: &Context,
        extension: &Extension,
    ) -> SmolStr {
        let entry = office.entry_of(config, &context.name, extension.pattern.as_str());
        let Some((kind, key)) = entry else { return format_smolstr!("{} (built in)", self.file) };
        let line = self.lines.get(&(kind, key.clone())).map(|line| format!(":{line}")).unwrap_or_default();
        let space = if key.is_empty() { "" } else { " " };
        format_smolstr!("{}{line} ({kind}{space}{key})", self.file)
    }
}

impl Office {
    /// The entry by which an extension comes to be, and its key; `None` for what every site has.
    fn entry_of(&self, config: &Config, context: &str, extension: &str) -> Option<(&'static str, SmolStr)> {
        if let Some(menu) = context.strip_prefix("telex-menu-") {
            return Some(("menu", menu.into()));
        }
        if let Some(group) = context.strip_prefix("telex-group-") {
            return Some(("group", group.into()));
        }
        if context != CONFIGURED {
            return None;
        }
        let is_this = |number: &Option<SmolStr>| number.as_deref() == Some(extension);
        let hours = self.hours.iter().find(|(number, hours)| *number == extension || is_this(&hours.switch));
        let menu = self.menus.iter().find(|(_, menu)| is_this(&menu.number));
        if self.groups.contains_key(extension) {
            return Some(("group", extension.into()));
        }
        if let Some((number, _)) = hours {
            return Some(("hours", number.clone()));
        }
        if let Some((name, _)) = menu {
            return Some(("menu", name.clone()));
        }
        let built_in = ["*43", "*60"].contains(&extension) || self.codes.is_none();
        config.entry_of(extension).or_else(|| (!built_in).then(|| ("codes", SmolStr::default())))
    }
}
