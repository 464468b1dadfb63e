//! The section `[record]`.

use toml::de::DeTable;

use super::reader::Reader;

/// Octets kept when nobody says otherwise.
const DEFAULT: usize = 16 << 20;
const LEAST: usize = 1 << 20;
const MOST: usize = 4 << 30;

/// What `[record]` says: octets of memory for the flight recorder, or `None` for none.
pub(super) fn memory(reader: &mut Reader, root: &DeTable<'_>) -> Option<usize> {
    let Some(section) = reader.section(root, "record") else { return Some(DEFAULT) };
    let Some(text) = reader.text(section, "memory") else { return Some(DEFAULT) };
    if text.value == "off" {
        return None;
    }
    let remedy = "write a size as in \"16 MiB\", or \"off\"";
    match octets(text.value) {
        None => reader.wrong(&text.span, "`memory` in [record] must be a size", "not a size", remedy),
        Some(LEAST..=MOST) => {}
        Some(other) => {
            let label = if other < LEAST { "too little" } else { "too much" };
            reader.wrong(&text.span, "`memory` in [record] must be from 1 MiB to 4 GiB", label, remedy);
        }
    }
    octets(text.value)
}

fn octets(text: &str) -> Option<usize> {
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
