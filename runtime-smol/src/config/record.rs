//! The section `[record]`.

use telex_replay::MediaPolicy;
use toml::de::DeTable;

use super::reader::{At, Reader};

/// Octets of signalling kept when nobody says otherwise.
const DEFAULT: usize = 16 << 20;
const LEAST: usize = 1 << 20;
const MOST: usize = 4 << 30;

/// What the flight recorder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Octets of signalling; `None` for none.
    pub(crate) memory: Option<usize>,
    /// What of media, and how many octets of it over all media threads; `None` for none.
    pub(crate) media: Option<(MediaPolicy, usize)>,
}

/// What `[record]` says.
pub(super) fn record(reader: &mut Reader, root: &DeTable<'_>) -> Record {
    let usual = Record { memory: Some(DEFAULT), media: Some((MediaPolicy::default(), DEFAULT)) };
    let Some(section) = reader.section(root, "record") else { return usual };
    let memory = match reader.text(section, "memory") {
        None => usual.memory,
        Some(text) if text.value == "off" => None,
        Some(text) => size(reader, &text, "memory", "write a size as in \"16 MiB\", or \"off\""),
    };
    let most = match reader.text(section, "media_memory") {
        None => DEFAULT,
        Some(text) => {
            let remedy = "write a size as in \"16 MiB\"; media = \"off\" keeps none";
            size(reader, &text, "media_memory", remedy).unwrap_or(DEFAULT)
        }
    };
    let policy = match reader.text(section, "media") {
        None => Some(MediaPolicy::default()),
        Some(text) => match text.value {
            "off" => None,
            "headers" => Some(MediaPolicy::Headers),
            "all" => Some(MediaPolicy::All),
            _ => {
                let remedy = "write \"off\", \"headers\" (no sound, no keys pressed) or \"all\"";
                let title = "`media` in [record] says what is kept of media";
                reader.wrong(&text.span, title, "not one of the three", remedy);
                None
            }
        },
    };
    // Media alone could not be cut: which legs a call has is known to signalling.
    Record { memory, media: policy.filter(|_| memory.is_some()).map(|policy| (policy, most)) }
}

fn size(reader: &mut Reader, text: &At<&str>, key: &str, remedy: &str) -> Option<usize> {
    let octets = octets(text.value);
    match octets {
        None => {
            reader.wrong(&text.span, format!("`{key}` in [record] must be a size"), "not a size", remedy);
        }
        Some(LEAST..=MOST) => {}
        Some(other) => {
            let label = if other < LEAST { "too little" } else { "too much" };
            let title = format!("`{key}` in [record] must be from 1 MiB to 4 GiB");
            reader.wrong(&text.span, title, label, remedy);
        }
    }
    octets
}

/// Reads `512 KiB`, `16 MiB`, `10 GiB`.
pub(super) fn octets(text: &str) -> Option<usize> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let shift = match unit.trim_start() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::octets;

    #[test]
    fn sizes_have_units() {
        assert_eq!(octets("16 MiB"), Some(16 << 20));
        assert_eq!(octets("512KiB"), Some(512 << 10));
        for wrong in
            ["", "16", "MiB", "16 MB", "-1 MiB", "1.5 GiB", "99999999999999999999 GiB", "9999999999999 GiB"]
        {
            assert_eq!(octets(wrong), None, "{wrong}");
        }
    }
}
