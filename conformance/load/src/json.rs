//! Just enough JSON to write a report.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// An object that grows member by member.
#[derive(Default)]
pub struct Object(String);

impl Object {
    /// Adds a member whose value is written as it is.
    pub fn put(mut self, name: &str, value: impl Display) -> Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}\"{name}\":{value}");
        self
    }

    /// Adds a string.
    pub fn text(self, name: &str, value: &str) -> Self {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        self.put(name, format_args!("\"{value}\""))
    }

    /// The object's text.
    pub fn end(self) -> String {
        format!("{{{}}}", self.0)
    }
}

/// Counts by reason.
pub fn counts(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().fold(Object::default(), |object, (reason, count)| object.put(reason, count)).end()
}

/// A number with so many decimals, or null.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "null".into(), |value| format!("{value:.decimals$}"))
}
