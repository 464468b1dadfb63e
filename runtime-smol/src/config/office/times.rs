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

/// `dec 24-26`: `*,*,24-26,dec`. `dec 24 to jan 2`: a time for each month.
pub(super) fn year(text: &str) -> Option<Vec<String>> {
    let Some((first, last)) = text.split_once(" to ") else {
        let (month, days) = text.trim().split_once(' ')?;
        for day in days.split([',', '-']) {
            day_of_year(&format!("{month} {}", day.trim()))?;
        }
        return Some(vec![understood(format!("*,*,{},{month}", days.replace(',', "&")))?]);
    };
    let ((first, from), (last, to)) = (day_of_year(first)?, day_of_year(last)?);
    let name = |month: usize| MONTHS[month % 12];
    if first == last {
        return (from <= to).then(|| vec![format!("*,*,{from}-{to},{}", name(first))]);
    }
    let last = if last < first { last + 12 } else { last };
    let whole = (first + 1..last).map(|month| format!("*,*,*,{}", name(month)));
    let begin = std::iter::once(format!("*,*,{from}-31,{}", name(first)));
    Some(begin.chain(whole).chain([format!("*,*,1-{to},{}", name(last))]).collect())
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `dec 24`: 11 and 24.
fn day_of_year(text: &str) -> Option<(usize, u8)> {
    let (month, day) = text.trim().split_once(' ')?;
    let month = MONTHS.iter().position(|known| month.eq_ignore_ascii_case(known))?;
    let day: i8 = day.parse().ok()?;
    // A leap year has all days that there may be.
    jiff::civil::Date::new(2028, i8::try_from(month).ok()? + 1, day).ok()?;
    Some((month, day.unsigned_abs()))
}

/// Days of certain years, as the condition that holds on them: `2026-12-24`, `2026-07-27 to 2026-08-14`.
pub(super) fn days(text: &str) -> Option<String> {
    let today = "\"${STRFTIME(${EPOCH},,%Y-%m-%d)}\"";
    let Some((first, last)) = text.split_once(" to ") else {
        return is_date(text).then(|| format!("{today} = \"{text}\""));
    };
    let (first, last) = (first.trim(), last.trim());
    // Written so, dates are in the order of their letters.
    let in_order = is_date(first) && is_date(last) && first <= last;
    in_order.then(|| format!("{today} >= \"{first}\" & {today} <= \"{last}\""))
}

/// Whether this is a day of one year: `2026-12-24`.
fn is_date(text: &str) -> bool {
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
        let year = |text: &str| year(text).map(|times| times.join(" "));
        assert_eq!(year("dec 24-26").as_deref(), Some("*,*,24-26,dec"));
        assert_eq!(year("jan 1").as_deref(), Some("*,*,1,jan"));
        assert_eq!(year("dec 24 to jan 2").as_deref(), Some("*,*,24-31,dec *,*,1-2,jan"));
        assert_eq!(year("jul 20 to sep 1").as_deref(), Some("*,*,20-31,jul *,*,*,aug *,*,1-1,sep"));
        assert_eq!(year("aug 3 to aug 14").as_deref(), Some("*,*,3-14,aug"));
        for wrong in [
            "",
            "dec",
            "24 dec",
            "dec 32",
            "dec 24,dec 25",
            "dec 24 to",
            "dec 9 to dec 1",
            "dec 0 to jan 1",
            "feb 30",
        ] {
            assert_eq!(year(wrong), None, "{wrong}");
        }
        assert!(is_date("2026-12-24") && !is_date("2026-02-30") && !is_date("20261224"));
        assert!(days("2026-12-24 to 2027-01-02").is_some() && days("2027-01-02 to 2026-12-24").is_none());
    }
}
