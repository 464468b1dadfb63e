//! Reads values out of a TOML document, remembering where each stood, and collects what is wrong with it.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, nearest};

/// A value and the octets of the file it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stood.
    pub(crate) span: Range<usize>,
}

impl<T> At<T> {
    fn with<U>(&self, value: U) -> At<U> {
        At { value, span: self.span.clone() }
    }
}

/// Collects problems while values are taken out.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    problems: Vec<Problem>,
}

/// One table of the document, under the name a person knows it by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    name: &'static str,
    table: &'a DeTable<'a>,
}

impl Reader {
    /// What was wrong, in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|p| p.span.start);
        self.problems
    }

    /// Whether nothing was wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The text under `key`, if it is one; nothing is reported.
    pub(crate) fn peek_text<'a>(&self, section: Section<'a>, key: &'static str) -> Option<&'a str> {
        section.table.get(key)?.get_ref().as_str()
    }

    /// Whether `section` has `key`, and where the key stands.
    pub(crate) fn key(&self, section: Section<'_>, key: &'static str) -> Option<Range<usize>> {
        section.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Notes a problem.
    pub(crate) fn wrong(
        &mut self,
        span: &Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into()).filter(|r| !r.is_empty());
        self.problems.push(Problem { span: span.clone(), title: title.into(), label: label.into(), remedy });
    }

    /// The sections of the document; reports those that are not in `schema` and keys that their section does not have.
    pub(crate) fn schema(&mut self, root: &DeTable<'_>, schema: &[(&'static str, &[&'static str])]) {
        for (key, value) in root {
            let name = key.get_ref().as_ref();
            let Some((_, keys)) = schema.iter().find(|(section, _)| *section == name) else {
                let remedy = elsewhere(name, schema)
                    .or_else(|| {
                        nearest(name, schema.iter().map(|s| s.0)).map(|n| format!("did you mean `{n}`?"))
                    })
                    .unwrap_or_else(|| {
                        let all: Vec<_> = schema.iter().map(|s| format!("[{}]", s.0)).collect();
                        format!("the sections are {}", all.join(", "))
                    });
                self.wrong(&key.span(), format!("unknown section or key `{name}`"), "not known", remedy);
                continue;
            };
            match value.get_ref() {
                DeValue::Table(table) => self.keys(name, table, keys, schema),
                DeValue::Array(tables) => {
                    for table in tables.iter().filter_map(|t| t.get_ref().as_table()) {
                        self.keys(name, table, keys, schema);
                    }
                }
                _ => {}
            }
        }
    }

    fn keys(
        &mut self,
        section: &str,
        table: &DeTable<'_>,
        known: &[&'static str],
        schema: &[(&'static str, &[&'static str])],
    ) {
        for key in table.keys().filter(|k| !known.contains(&k.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let remedy = nearest(name, known.iter().copied())
                .map(|n| format!("did you mean `{n}`?"))
                .or_else(|| elsewhere(name, schema))
                .unwrap_or_else(|| format!("[{section}] takes {}", known.join(", ")));
            self.wrong(&key.span(), format!("unknown key `{name}` in [{section}]"), "not known here", remedy);
        }
    }

    /// The section `name`, if it is there.
    pub(crate) fn section<'a>(&mut self, root: &'a DeTable<'a>, name: &'static str) -> Option<Section<'a>> {
        let value = root.get(name)?;
        let Some(table) = value.get_ref().as_table() else {
            let label = format!("this is {}", kind(value.get_ref()));
            self.wrong(
                &value.span(),
                format!("`{name}` must be a section"),
                label,
                format!("write it as [{name}]"),
            );
            return None;
        };
        Some(Section { name, table })
    }

    /// All tables of the list `name`, each with the place of its heading.
    pub(crate) fn list<'a>(&mut self, root: &'a DeTable<'a>, name: &'static str) -> Vec<At<Section<'a>>> {
        let Some(value) = root.get(name) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let label = format!("this is {}", kind(value.get_ref()));
            let remedy = format!("write each one under a heading of its own: [[{name}]]");
            self.wrong(&value.span(), format!("`{name}` must be a list"), label, remedy);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => found.push(At { value: Section { name, table }, span: item.span() }),
                None => {
                    let label = format!("this is {}", kind(item.get_ref()));
                    self.wrong(&item.span(), format!("`{name}` must be a list of tables"), label, "");
                }
            }
        }
        found
    }

    fn refuse(
        &mut self,
        section: Section<'_>,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        remedy: &str,
    ) {
        let title = format!("`{key}` in [{}] must be {wanted}", section.name);
        self.wrong(&value.span(), title, format!("this is {}", kind(value.get_ref())), remedy);
    }

    /// A text.
    pub(crate) fn text<'a>(&mut self, section: Section<'a>, key: &'static str) -> Option<At<&'a str>> {
        let value = section.table.get(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.refuse(section, key, value, "a text", "put it in quotes");
            return None;
        };
        Some(At { value: text, span: value.span() })
    }

    /// A list of texts.
    pub(crate) fn texts<'a>(
        &mut self,
        section: Section<'a>,
        key: &'static str,
    ) -> Option<At<Vec<At<&'a str>>>> {
        let value = section.table.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.refuse(section, key, value, "a list of texts", "put it in brackets: [\"…\"]");
            return None;
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(At { value: text, span: item.span() }),
                None => self.refuse(section, key, item, "a list of texts", "put it in quotes"),
            }
        }
        Some(At { value: texts, span: value.span() })
    }

    /// Texts under names of the reader's own, in the order of the names.
    pub(crate) fn named_texts<'a>(
        &mut self,
        section: Section<'a>,
        key: &'static str,
    ) -> Vec<(At<&'a str>, At<&'a str>)> {
        let Some(value) = section.table.get(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.refuse(section, key, value, "texts with names", "write it as in { name = \"text\" }");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, text) in table {
            match text.get_ref().as_str() {
                Some(words) => {
                    let name = At { value: name.get_ref().as_ref(), span: name.span() };
                    texts.push((name, At { value: words, span: text.span() }));
                }
                None => self.refuse(section, key, text, "texts with names", "put it in quotes"),
            }
        }
        texts
    }

    /// Tables under names of the reader's own, in the order of the names; each has these keys.
    pub(crate) fn named_tables<'a>(
        &mut self,
        section: Section<'a>,
        key: &'static str,
        keys: &[&'static str],
    ) -> Vec<(At<&'a str>, Section<'a>)> {
        let Some(value) = section.table.get(key) else { return Vec::new() };
        let Some(named) = value.get_ref().as_table() else {
            self.refuse(section, key, value, "tables with names", "write it as in { name = { … } }");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (name, table) in named {
            let Some(table) = table.get_ref().as_table() else {
                self.refuse(section, key, table, "tables with names", "write it as in { name = { … } }");
                continue;
            };
            self.keys(&format!("{}.{key}.{}", section.name, name.get_ref()), table, keys, &[]);
            let name = At { value: name.get_ref().as_ref(), span: name.span() };
            tables.push((name, Section { name: section.name, table }));
        }
        tables
    }

    /// Whether what stands there is yes or no.
    pub(crate) fn is_flag(&self, section: Section<'_>, key: &'static str) -> bool {
        section.table.get(key).is_some_and(|value| value.get_ref().as_bool().is_some())
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, section: Section<'_>, key: &'static str) -> Option<bool> {
        let value = section.table.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.refuse(section, key, value, "true or false", "write it without quotes");
        }
        flag
    }

    /// A whole number from `range`.
    pub(crate) fn number(
        &mut self,
        section: Section<'_>,
        key: &'static str,
        range: Range<u32>,
    ) -> Option<u32> {
        let value = section.table.get(key)?;
        let number =
            value.get_ref().as_integer().and_then(|i| i.as_str().replace('_', "").parse::<u32>().ok());
        match number {
            Some(n) if range.contains(&n) => Some(n),
            _ => {
                let wanted = format!("a whole number from {} to {}", range.start, range.end - 1);
                self.refuse(section, key, value, &wanted, "");
                None
            }
        }
    }

    /// A length of time from `least` to `most`: a number with a unit, as in `"500ms"`, `"30s"`, `"5m"`, `"2h"`.
    pub(crate) fn time(
        &mut self,
        section: Section<'_>,
        key: &'static str,
        least: Duration,
        most: Duration,
    ) -> Option<At<Duration>> {
        let value = section.table.get(key)?;
        if let Some(n) = value.get_ref().as_integer() {
            let remedy = format!("say the unit: \"{}s\" or \"{}ms\"", n.as_str(), n.as_str());
            self.refuse(section, key, value, "a time", &remedy);
            return None;
        }
        let text = self.text(section, key)?;
        let Some(time) = duration(text.value) else {
            let label = "not a time";
            self.wrong(&text.span, format!("`{key}` in [{}] must be a time", section.name), label, EXAMPLES);
            return None;
        };
        if time < least || time > most {
            let title =
                format!("`{key}` in [{}] must be from {} to {}", section.name, show(least), show(most));
            self.wrong(&text.span, title, if time < least { "too short" } else { "too long" }, "");
            return None;
        }
        Some(text.with(time))
    }

    /// An address with a port.
    pub(crate) fn socket_address(&mut self, text: &At<&str>) -> Option<SocketAddr> {
        match text.value.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let remedy = match text.value.parse::<IpAddr>() {
                    Ok(IpAddr::V4(a)) => format!("add the port: \"{a}:5060\""),
                    Ok(IpAddr::V6(a)) => format!("add the port: \"[{a}]:5060\""),
                    Err(_) => {
                        "write an IP address and a port, as in \"192.0.2.1:5060\" or \"[2001:db8::1]:5060\"; \
                               0.0.0.0 stands for all addresses of this host"
                            .to_owned()
                    }
                };
                self.wrong(&text.span, "this is not an address to listen on", "no address and port", remedy);
                None
            }
        }
    }

    /// An address without a port.
    pub(crate) fn ip_address(&mut self, text: &At<&str>) -> Option<IpAddr> {
        let parsed = text.value.parse().ok();
        if parsed.is_none() {
            let remedy = "write it as in \"192.0.2.1\" or \"2001:db8::1\", without a port and not as a name";
            self.wrong(&text.span, "this is not an IP address", "no address", remedy);
        }
        parsed
    }
}

const EXAMPLES: &str = "write a number and its unit: \"500ms\", \"30s\", \"5m\", \"2h\"";

/// Tells where a key belongs that stands in the wrong place.
fn elsewhere(key: &str, schema: &[(&'static str, &[&'static str])]) -> Option<String> {
    let homes: Vec<_> =
        schema.iter().filter(|(_, keys)| keys.contains(&key)).map(|s| format!("[{}]", s.0)).collect();
    (!homes.is_empty()).then(|| format!("`{key}` belongs in {}", homes.join(" or ")))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a yes or no",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Reads `500ms`, `30s`, `5m`, `2h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// Writes a time as it would be configured.
fn show(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1000 != 0 => format!("{ms}ms"),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms => format!("{}s", ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("30"), None);
        assert_eq!(duration("s"), None);
        assert_eq!(duration("99999999999999999999s"), None);
        assert_eq!(duration("18446744073709551615h"), None);
    }
}
