//! Where a dialled number leads.

use smol_str::SmolStr;

use crate::border::Transport;
use crate::config::{Config, Phone};

/// What a number stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Destination<'a> {
    /// A phone, by its extension.
    Phone(&'a SmolStr, &'a Phone),
    /// A conference, by its name.
    Conference(&'a SmolStr),
    /// `*43`: the caller hears itself.
    Echo,
    /// `*60`: the caller hears a tone.
    Tone,
}

/// What `user` stands for; `None` when nobody has that number.
pub(crate) fn route<'a>(config: &'a Config, user: &str) -> Option<Destination<'a>> {
    match user {
        "*43" => Some(Destination::Echo),
        "*60" => Some(Destination::Tone),
        _ => match config.phones.get_key_value(user) {
            Some((extension, phone)) => Some(Destination::Phone(extension, phone)),
            None => config.conferences.get(user).map(Destination::Conference),
        },
    }
}

/// A host name that a contact gave instead of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Named {
    /// The name.
    pub(crate) host: SmolStr,
    /// The port.
    pub(crate) port: u16,
    /// What to speak.
    pub(crate) transport: Transport,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_phones_conferences_and_services() {
        let mut config = Config::default();
        config.phones.insert(SmolStr::new("101"), Phone::default());
        config.conferences.insert(SmolStr::new("800"), SmolStr::new("team"));
        assert_eq!(route(&config, "800"), Some(Destination::Conference(&SmolStr::new("team"))));
        assert!(matches!(route(&config, "101"), Some(Destination::Phone(e, _)) if e == "101"));
        assert_eq!(route(&config, "*43"), Some(Destination::Echo));
        assert_eq!(route(&config, "*60"), Some(Destination::Tone));
        assert_eq!(route(&config, "999"), None);
    }
}
