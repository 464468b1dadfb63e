//! Hours and holidays as people write them, turned into times of a dialplan.

use telex_dialplan::When;

/// `mon-fri 9:00-17:00`, which ends when 17:00 begins: `9:00-16:59,mon-fri,*,*`. A week may not be gone round in it.
pub(super) fn week(text: &str) -> Option<String> {
    let (days, times) = text.trim().split_once(' ')?;
    let mut spans = Vec::new();
    for span in times.split(',') {
        let (from, to) = span.trim().split_once('-')?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        if from >= to {
            return None;
        }
        let last = to - 1;
        spans.push(format!("{}:{:02}-{}:{:02}", from / 60, from % 60, last / 60, last % 60));
    }
    understood(format!("{},{},*,*", spans.join("&"), days.replace(',', "&")))
}

/// `dec 24-26`: `*,*,24-26,dec`.
pub(super) fn year(text: &str) -> Option<String> {
    let (month, days) = text.trim().split_once(' ')?;
    understood(format!("*,*,{},{month}", days.replace(',', "&")))
}

/// Whether this is a day of one year: `2026-12-24`.
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// From midnight; 24:00 is its end.
fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, size: std::ops::RangeInclusive<usize>| {
        let digits = size.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

/// The same when a dialplan reads it as nothing but a time.
fn understood(time: String) -> Option<String> {
    let plain = time.bytes().all(|b| b.is_ascii_alphanumeric() || b":-&,*".contains(&b));
    (plain && time.split(',').count() == 4 && When::parse(&time).is_ok()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_when_their_last_minute_begins() {
        assert_eq!(week("mon-fri 9:00-17:00").as_deref(), Some("9:00-16:59,mon-fri,*,*"));
        assert_eq!(
            week("sat,sun 0:00-6:30,22:00-24:00").as_deref(),
            Some("0:00-6:29&22:00-23:59,sat&sun,*,*")
        );
        for wrong in [
            "",
            "mon",
            "9:00-17:00",
            "mon 17:00-9:00",
            "mon 9:00-9:00",
            "mon 9-17",
            "mon 9:00-24:01",
            "mon)?x,1: 9:00-10:00",
            "month 9:00-10:00",
            "mon,*,*,UTC 9:00-10:00",
        ] {
            assert_eq!(week(wrong), None, "{wrong}");
        }
        assert_eq!(year("dec 24-26").as_deref(), Some("*,*,24-26,dec"));
        assert_eq!(year("jan 1").as_deref(), Some("*,*,1,jan"));
        for wrong in ["", "dec", "24 dec", "dec 32", "dec 24,dec 25"] {
            assert_eq!(year(wrong), None, "{wrong}");
        }
        assert!(is_date("2026-12-24") && !is_date("2026-02-30") && !is_date("20261224"));
    }
}
