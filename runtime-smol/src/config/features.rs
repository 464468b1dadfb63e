//! The section `[features]`: what the parties of a talk press.

use smol_str::SmolStr;
use telex_engine::config::Features;
use toml::de::DeTable;

use super::reader::{Reader, Section};

/// Keys of one code.
const LONGEST: usize = 8;

pub(super) fn features(reader: &mut Reader, root: &DeTable<'_>) -> Features {
    let mut features = Features::default();
    let Some(section) = reader.section(root, "features") else { return features };
    let codes = [
        ("hangup", &mut features.hang_up),
        ("blind_transfer", &mut features.blind),
        ("attended_transfer", &mut features.attended),
        ("park", &mut features.park),
        ("record", &mut features.record),
    ];
    let mut known: Vec<(&str, SmolStr)> = Vec::new();
    for (name, place) in codes {
        code(reader, section, name, place);
        if let Some((other, _)) = known.iter().find(|(_, code)| !place.is_empty() && code == place)
            && let Some(text) = reader.text(section, name).or_else(|| reader.text(section, other))
        {
            let title = format!("`{place}` means `{other}` already");
            reader.wrong(
                &text.span,
                title,
                "twice the same",
                "give each a code of its own, or \"\" for none",
            );
        }
        known.push((name, place.clone()));
    }
    features
}

fn code(reader: &mut Reader, section: Section<'_>, name: &'static str, place: &mut SmolStr) {
    let Some(text) = reader.text(section, name) else { return };
    let key = |c: char| c.is_ascii_digit() || "*#ABCD".contains(c);
    if text.value.len() > LONGEST || !text.value.chars().all(key) {
        let title = format!("`{}` cannot be pressed", text.value);
        return reader.wrong(
            &text.span,
            title,
            "not keys",
            "write up to 8 of the keys 0-9 * #, or \"\" for none",
        );
    }
    *place = text.value.into();
}
