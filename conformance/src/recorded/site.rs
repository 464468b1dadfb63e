//! What a site decides of its own: the realm and the times of a Telex configuration file.

use std::path::Path;
use std::time::Duration;

use telex_engine::config::Config;

/// Reads the tables `sip`, `registrar` and `call` of a configuration file. Everything else in it is about a host and
/// phones that are not those of a record.
///
/// # Errors
/// What cannot be read.
pub fn read(file: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    from_text(&text).map_err(|why| format!("{}: {why}", file.display()))
}

fn from_text(text: &str) -> Result<Config, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut config = Config::default();
    let value = |section: &str, key: &str| table.get(section)?.as_table()?.get(key)?.as_str();
    if let Some(realm) = value("sip", "realm") {
        config.realm = realm.into();
    }
    let times = [
        ("sip", "t1", &mut config.sip.t1),
        ("sip", "t2", &mut config.sip.t2),
        ("sip", "t4", &mut config.sip.t4),
        ("sip", "timer_c", &mut config.sip.timer_c),
        ("registrar", "min_expires", &mut config.registrar.min_expires),
        ("registrar", "max_expires", &mut config.registrar.max_expires),
        ("registrar", "default_expires", &mut config.registrar.default_expires),
        ("call", "ring", &mut config.ring),
        ("call", "session", &mut config.session.expires),
        ("call", "min_session", &mut config.session.min_se),
    ];
    for (section, key, time) in times {
        if let Some(text) = value(section, key) {
            *time = duration(text).ok_or(format!("{section}.{key} = {text:?} is no time such as 30s"))?;
        }
    }
    Ok(config)
}

/// Reads `500ms`, `30s`, `5m` or `2h`.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u32 = digits.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(u64::from(number) * millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realm_and_times_are_read_and_the_rest_is_not() {
        let text = "[listen]\nudp = [\"0.0.0.0:5060\"]\n[sip]\nrealm = \"here\"\nt1 = \"200ms\"\n[call]\nring = \"2m\"\n";
        let config = from_text(text).unwrap();
        assert_eq!(
            (config.realm.as_str(), config.sip.t1.as_millis(), config.ring.as_secs()),
            ("here", 200, 120)
        );
        let wrong = from_text("[call]\nring = \"soon\"\n").unwrap_err();
        assert_eq!(wrong, "call.ring = \"soon\" is no time such as 30s");
    }
}
