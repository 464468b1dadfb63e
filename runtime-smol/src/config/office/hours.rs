//! `[[hours]]`: a number that leads elsewhere when the office is closed.

use smol_str::SmolStr;
use telex_engine::config::INTERNAL;

use super::{Place, Plan, times};
use crate::config::phones;
use crate::config::reader::{At, Section};

/// The family of lasting values that say an office is closed, whatever the clock says, by number.
const CLOSED: &str = "closed";

/// A number that leads elsewhere when the office is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    /// As `GotoIfTime` writes them.
    times: Vec<String>,
    holidays: Vec<String>,
    /// Conditions that hold on days of certain years.
    days: Vec<String>,
    open: Place,
    closed: Place,
    holiday: Place,
    /// The code that closes the office, and opens it again.
    pub(super) switch: Option<SmolStr>,
}

impl Plan<'_> {
    pub(super) fn hours(&mut self, entry: &At<Section<'_>>) -> Option<Hours> {
        let section = entry.value;
        let (open, closed) = (self.led(entry, "open"), self.led(entry, "closed"));
        let holiday = self.reader.text(section, "holiday");
        let holiday = holiday.map(|text| self.lead(&text, INTERNAL));
        let switch = self.switch(section);
        let reader = &mut *self.reader;
        let mut times = Vec::new();
        let named = reader.texts(section, "times");
        if named.as_ref().is_none_or(|named| named.value.is_empty()) {
            let remedy = "add times = [\"mon-fri 9:00-17:00\"]";
            reader.wrong(
                &entry.span,
                "these hours never open: there are no `times`",
                "in this entry",
                remedy,
            );
        }
        for text in named.iter().flat_map(|texts| &texts.value) {
            match times::week(text.value) {
                Some(time) => times.push(time),
                None => {
                    let remedy = "write days and times, as in \"mon-fri 9:00-17:00\" or \"sat,sun 10:00-24:00\"; \
                                  what goes over midnight is two of them";
                    reader.wrong(&text.span, "these are no hours of a week", "not understood", remedy);
                }
            }
        }
        let (mut holidays, mut days) = (Vec::new(), Vec::new());
        for text in reader.texts(section, "holidays").iter().flat_map(|texts| &texts.value) {
            if let Some(condition) = times::days(text.value) {
                days.push(condition);
            } else if let Some(each) = times::year(text.value) {
                holidays.extend(each);
            } else {
                let remedy = "write \"jan 1\", \"dec 24-26\" or \"dec 24 to jan 2\" for every year, \"2026-04-03\" or \
                              \"2026-07-27 to 2026-08-14\" for one";
                reader.wrong(&text.span, "these are no holidays", "not understood", remedy);
            }
        }
        let closed = closed?;
        let holiday = holiday.unwrap_or_else(|| Some(closed.clone()))?;
        Some(Hours { times, holidays, days, open: open?, closed, holiday, switch })
    }

    fn led(&mut self, entry: &At<Section<'_>>, key: &'static str) -> Option<Place> {
        if let Some(text) = self.reader.text(entry.value, key) {
            return self.lead(&text, INTERNAL);
        }
        let remedy = format!("add {key} = \"…\": the number that its callers get then");
        let title = format!("these hours do not say where calls go: `{key}`");
        self.reader.wrong(&entry.span, title, "here", remedy);
        None
    }

    /// A code beside those of `[codes]`, for these hours alone.
    fn switch(&mut self, section: Section<'_>) -> Option<SmolStr> {
        let code = phones::number(self.reader, section, "switch", "switch")?;
        if self.reader.peek_text(section, "number") == Some(code.value.as_str()) {
            let title = format!("`{}` is the number of these hours", code.value);
            self.reader.wrong(&code.span, title, "not free", "choose a code that nothing else has");
            return None;
        }
        self.free(&code.value, &code.span).then_some(code.value)
    }
}

impl Hours {
    /// All places that its calls may go to.
    pub(super) fn places(&self) -> [&Place; 3] {
        [&self.open, &self.closed, &self.holiday]
    }

    pub(super) fn steps(&self, number: &str) -> Vec<String> {
        let Self { open, closed, holiday, .. } = self;
        let mut steps = Vec::new();
        if self.switch.is_some() {
            steps.push(format!("GotoIf($[\"${{DB({CLOSED}/{number})}}\" = \"yes\"]?{closed})"));
        }
        steps.extend(self.days.iter().map(|condition| format!("GotoIf($[{condition}]?{holiday})")));
        steps.extend(self.holidays.iter().map(|time| format!("GotoIfTime({time}?{holiday})")));
        steps.extend(self.times.iter().map(|time| format!("GotoIfTime({time}?{open})")));
        steps.push(closed.goto());
        steps
    }

    /// Closes by hand, and opens again by the clock.
    pub(super) fn switch(&self, number: &str) -> Vec<String> {
        let set = |to: &str| format!("Set(DB({CLOSED}/{number})={to})");
        vec![
            format!("GotoIf($[\"${{DB({CLOSED}/{number})}}\" = \"yes\"]?open)"),
            set("yes"),
            "Playback(office-closed&activated)".to_owned(),
            "Hangup()".to_owned(),
            format!("(open){}", set("no")),
            "Playback(office-closed&de-activated)".to_owned(),
        ]
    }
}
