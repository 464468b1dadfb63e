//! The office as text of a dialplan.

use std::fmt::Write as _;

use telex_engine::config::Config;

use super::phones::{Answering, CHOSEN, FORWARD};
use super::{END, Office, groups, menus};

impl Office {
    /// The whole of what is configured beside a dialplan.
    pub(in crate::config) fn dialplan(&self, config: &Config) -> String {
        let mut text = config.own_dialplan_with(|extension| self.answering(extension, config));
        for (number, group) in &self.groups {
            text += &extension(number, group.steps(number, self));
        }
        for (number, hours) in &self.hours {
            text += &extension(number, hours.steps(number));
            if let Some(code) = &hours.switch {
                text += &extension(code, hours.switch(number));
            }
        }
        for (name, menu) in &self.menus {
            text.extend(menu.number.iter().map(|number| extension(number, menu.entry(name))));
        }
        if let Some(codes) = &self.codes {
            codes.write(&mut text, self);
        }
        if self.codes.is_some() || self.phones.values().any(Answering::forwards) {
            text += FORWARD;
            text += if self.codes.is_some() { CHOSEN } else { "" };
        }
        groups::contexts(&mut text, self);
        menus::contexts(&mut text, self, config);
        if text.contains(END) {
            let _ = write!(text, "\n[{END}]\n{}", extension("s", vec!["Hangup()".to_owned()]));
        }
        text
    }
}

/// Steps of an extension; `(label)` before a step names it.
pub(super) fn extension(name: &str, steps: Vec<String>) -> String {
    let mut text = String::new();
    for (at, step) in steps.into_iter().enumerate() {
        let (label, step) = match step.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((label, step)) => (format!("({label})"), step),
            None => (String::new(), step.as_str()),
        };
        let _ = match at {
            0 => writeln!(text, "exten => {name},1{label},{step}"),
            _ => writeln!(text, " same => n{label},{step}"),
        };
    }
    text
}
