//! A plan as text: TOML, one line for each phone, call and fault, and nothing that is as it would be anyway.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::Serialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::check::{Step, check};
use super::{CallPlan, ExchangePlan, Faults, HostPlan, Nat, PhonePlan, Plan, StorePlan};

/// The longest text that is read, in octets.
pub const LONGEST_TEXT: usize = 16 << 20;

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct PlanError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there and what can be written instead.
    pub what: String,
}

impl PlanError {
    fn new(text: &str, span: Option<Range<usize>>, what: String) -> Self {
        let at = span.map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, what }
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: no TOML, a name or value that does not exist, a phone that is not there,
    /// a size that no plan has.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        if text.len() > LONGEST_TEXT {
            let what = format!("a plan has at most {LONGEST_TEXT} octets, this has {}", text.len());
            return Err(PlanError::new(text, None, what));
        }
        let plan: Self = toml::from_str(text)
            .map_err(|e| PlanError::new(text, e.span(), e.message().trim().replace('\n', ", ")))?;
        match check(&plan) {
            Ok(()) => Ok(plan),
            Err((path, what)) => Err(PlanError::new(text, find(text, &path), what)),
        }
    }

    /// Writes it so that [`Plan::parse`] reads the same.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        write_table(&mut text, &self.to_table(), "");
        text
    }

    /// The plan of a tree; `None` if it is none.
    pub(crate) fn from_table(table: Table) -> Option<Self> {
        table.try_into().ok().filter(|plan| check(plan).is_ok())
    }

    /// The tree that its text shows: without what is as usual.
    pub(crate) fn to_table(&self) -> Table {
        let mut plan = table(self);
        prune_all(&mut plan, "phones", &table(&PhonePlan::default()));
        // Who calls is always said, even when it is phone 0.
        let mut usual = table(&CallPlan::default());
        usual.remove("caller");
        prune_all(&mut plan, "calls", &usual);
        prune_all(&mut plan, "exchange", &table(&ExchangePlan::default()));
        prune_all(&mut plan, "faults", &table(&Faults::default()));
        prune_all(&mut plan, "nats", &table(&Nat::default()));
        if let Some(Value::Table(host)) = plan.get_mut("host") {
            prune_all(host, "store", &table(&StorePlan::default()));
        }
        prune_all(&mut plan, "host", &table(&HostPlan::default()));
        plan
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_toml())
    }
}

fn table(value: &impl Serialize) -> Table {
    Table::try_from(value).expect("a plan is made of strings, flags and integers that TOML has")
}

/// Where in the text the value of a path stands.
fn find(text: &str, path: &[Step]) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut span = root.span();
    let mut place: Option<&DeValue<'_>> = None;
    for step in path {
        let next = match (step, place) {
            (Step::Key(key), None) => root.get_ref().get(*key),
            (Step::Key(key), Some(DeValue::Table(table))) => table.get(*key),
            (Step::At(n), Some(DeValue::Array(array))) => array.get(*n),
            _ => None,
        };
        // What is missing is missed in the table around it.
        let Some(next) = next else { break };
        (span, place) = (next.span(), Some(next.get_ref()));
    }
    Some(span)
}

/// Takes out of the table, or the tables, under `key` what is as in `usual`, and all of it if nothing is left.
fn prune_all(plan: &mut Table, key: &str, usual: &Table) {
    match plan.get_mut(key) {
        Some(Value::Table(table)) => {
            prune(table, usual);
            if table.is_empty() {
                plan.remove(key);
            }
        }
        Some(Value::Array(array)) => {
            array.iter_mut().filter_map(Value::as_table_mut).for_each(|table| prune(table, usual));
            if array.is_empty() {
                plan.remove(key);
            }
        }
        _ => {}
    }
}

fn prune(table: &mut Table, usual: &Table) {
    table.retain(|key, value| usual.get(key) != Some(value));
}

/// A table whose lines would be longer gets a section of its own.
const WIDEST: usize = 108;

fn write_table(text: &mut String, table: &Table, name: &str) {
    let is_section = |value: &Value| value.as_table().is_some_and(|t| !t.is_empty() && !fits(t));
    for (key, value) in table.iter().filter(|(_, value)| !is_section(value)) {
        match value {
            Value::Array(items) if items.iter().any(Value::is_table) => {
                let _ = writeln!(text, "{key} = [");
                for (n, item) in items.iter().enumerate() {
                    // The places of phones and calls are their names elsewhere.
                    let place = if name.is_empty() { format!(" # {n}") } else { String::new() };
                    let _ = writeln!(text, "  {},{place}", inline(item));
                }
                text.push_str("]\n");
            }
            _ => {
                let _ = writeln!(text, "{key} = {}", inline(value));
            }
        }
    }
    for (key, value) in table.iter().filter(|(_, value)| is_section(value)) {
        let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        let _ = writeln!(text, "\n[{path}]");
        if let Value::Table(section) = value {
            write_table(text, section, &path);
        }
    }
}

/// Whether a table reads well on one line.
fn fits(table: &Table) -> bool {
    let lists = table.values().any(|v| v.as_array().is_some_and(|items| items.iter().any(Value::is_table)));
    !lists && inline(&Value::Table(table.clone())).len() <= WIDEST - 12
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let fields: Vec<String> = table.iter().map(|(k, v)| format!("{k} = {}", inline(v))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::draw::{Settings, draw};

    const WHOLE: &str = r#"
seed = 7
calm = "40s"
empty = "160s"
end = "280s"
phones = [
  { extension = "100" },
  { extension = "101", transport = "tcp" }, # a comment
]
calls = [
  { at = "10s", caller = 0, dial = "101", reactions = ["answers 1s"], talk = "20s" },
]

[faults]
loss = "5%"
cuts = [{ phone = 1, at = "15s" }]
exact = [{ phone = 0, way = "out", message = 3, kind = "delay 1.5s" }]
"#;

    #[test]
    fn a_plan_reads_like_a_list() {
        let plan = Plan::parse(WHOLE).unwrap();
        insta::assert_snapshot!(plan.to_toml(), @r#"
        seed = 7
        calm = "40s"
        empty = "160s"
        end = "280s"
        phones = [
          { extension = "100" }, # 0
          { extension = "101", transport = "tcp" }, # 1
        ]
        calls = [
          { at = "10s", caller = 0, dial = "101", reactions = ["answers 1s"], talk = "20s" }, # 0
        ]

        [faults]
        loss = "5%"
        cuts = [
          { phone = 1, at = "15s" },
        ]
        exact = [
          { phone = 0, way = "out", message = 3, kind = "delay 1.5s" },
        ]
        "#);
    }

    fn refusal(from: &str, to: &str) -> String {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, WHOLE);
        Plan::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let all = [
            refusal("caller = 0", "caller = 2"),
            refusal("phone = 1", "phone = 9"),
            refusal("caller = 0", "calller = 0"),
            refusal("\"tcp\"", "\"sctp\""),
            refusal("\"5%\"", "\"105%\""),
            refusal("\"20s\"", "\"20\""),
            refusal("\"answers 1s\"", "\"answers\""),
            refusal("dial = \"101\", ", ""),
            refusal("\"160s\"", "\"30s\""),
            refusal("message = 3", "message = 0"),
            refusal("seed = 7", "seed = -7"),
            refusal("calls = [", "calls = ]"),
        ];
        // The list of all fields of a call grows.
        let short = |line: &String| line.split(", expected one of").next().unwrap_or_default().to_owned();
        let all: Vec<String> = all.iter().map(short).collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        line 11, column 26: there is no phone 2; the phones are 0 to 1
        line 16, column 19: there is no phone 9; the phones are 0 to 1
        line 11, column 17: unknown field `calller`
        line 8, column 36: `sctp` is not known here; write udp or tcp
        line 15, column 8: `105%` is no percentage; write it like 5% or 0.25%, up to 100%
        line 11, column 78: `20` is no time; write it like 250ms, 1.5s or 2min
        line 11, column 55: `answers` is no reaction; write `answers 2s`, `refuses 486 1s`, `sends 102 1s` or `rings`
        line 11, column 3: call 0 dials ``; write up to 32 letters, digits and +*#._-
        line 4, column 9: empty comes at least 120s after calm
        line 17, column 46: messages count from 1
        line 2, column 8: invalid value: integer `-7`, expected a number from 0 to 18446744073709551615, in quotes if it has more than 18 digits
        line 10, column 9: missing array opening, expected `[`
        "#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_is_printed_is_read_again(seed: u64, calls in 0_usize..40, storms: bool) {
            let plan = draw(seed, &Settings { calls, storms, ..Settings::default() });
            let text = plan.to_toml();
            let again = Plan::parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert_eq!(again, plan);
        }
    }

    #[test]
    fn a_plan_that_was_printed_runs_to_the_same_hash() {
        for seed in 0..4 {
            let plan = draw(seed, &Settings { calls: 5, ..Settings::default() });
            let again = Plan::parse(&plan.to_string()).unwrap();
            assert_eq!(crate::run(&plan).state_hash, crate::run(&again).state_hash);
        }
    }
}
