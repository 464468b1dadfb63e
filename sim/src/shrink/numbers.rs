//! Simpler values than a given one.

use telex_engine::time::Duration;
use toml::Value;

use crate::plan::words::{Word as _, read_share, write_share};

/// Texts that are longer are cut in half while that works.
const LONG: usize = 24;

/// Values to try in place of `value`, the simplest first.
pub(super) fn simpler(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => {
            simpler_text(text).into_iter().filter(|simple| simple != text).map(Value::String).collect()
        }
        Value::Array(items) => (0..items.len())
            .flat_map(|n| {
                simpler(&items[n]).into_iter().map(move |simple| {
                    let mut items = items.clone();
                    items[n] = simple;
                    Value::Array(items)
                })
            })
            .filter(|_| items.iter().all(Value::is_str))
            .collect(),
        _ => Vec::new(),
    }
}

fn simpler_text(text: &str) -> Vec<String> {
    if let Ok(time) = Duration::read(text) {
        return round_times(time).iter().map(Duration::write).collect();
    }
    if let Some(ppm) = text.ends_with('%').then(|| read_share(text).ok()).flatten() {
        let rounded = |unit: u32| ppm.div_ceil(unit) * unit;
        let all = [rounded(100_000), rounded(10_000), rounded(1_000)];
        return all
            .iter()
            .filter(|p| **p <= 1_000_000 && digits(&write_share(**p)) < digits(text))
            .map(|p| write_share(*p))
            .collect();
    }
    if text.len() > LONG {
        let half = text.chars().count() / 2;
        return vec![text.chars().take(half).collect()];
    }
    // `answers 1.234s` and the like: words with a time at the end.
    match text.rsplit_once(' ') {
        Some((words, last)) => simpler_text(last).iter().map(|simple| format!("{words} {simple}")).collect(),
        None => Vec::new(),
    }
}

/// Rounder times with fewer digits: to ten seconds, a second, a tenth and a millisecond, down and up.
fn round_times(time: Duration) -> Vec<Duration> {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let units: [u64; 5] = [10_000_000_000, 1_000_000_000, 100_000_000, 10_000_000, 1_000_000];
    let down = units.iter().map(|unit| nanos / unit * unit);
    let up = units.iter().map(|unit| nanos.div_ceil(*unit) * unit);
    let mut all: Vec<Duration> = down.zip(up).flat_map(|(a, b)| [a, b]).map(Duration::from_nanos).collect();
    // Another order of magnitude is another plan: a packet that takes ten seconds breaks rules of its own.
    all.retain(|other| {
        *other * 2 >= time && *other <= time * 2 && digits(&other.write()) < digits(&time.write())
    });
    all.dedup();
    all
}

/// Digits that are not zeros at the end: what makes a number hard to read.
fn digits(text: &str) -> usize {
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    number.trim_end_matches('0').bytes().filter(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simpler_is_shorter() {
        assert_eq!(simpler_text("12.345678s")[..4], ["10s", "20s", "12s", "13s"]);
        assert_eq!(simpler_text("refuses 486 1.2s"), ["refuses 486 1s", "refuses 486 2s"]);
        assert_eq!(simpler_text(&"é".repeat(20)), ["é".repeat(10)]);
        assert_eq!(simpler_text("1.37%"), ["10%", "2%", "1.4%"]);
        assert!(
            simpler_text("10s").is_empty()
                && simpler_text("101").is_empty()
                && simpler_text("tcp").is_empty()
        );
    }
}
