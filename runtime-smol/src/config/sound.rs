//! Which codecs are used, and how digits reach a phone.

use telex_audio::codec::Encoding;
use telex_engine::config::DigitsBy;

use super::reader::{Reader, Section};

/// The list under `codecs`, most wanted first.
pub(super) fn codecs(reader: &mut Reader, section: Section<'_>) -> Option<Vec<Encoding>> {
    let texts = reader.texts(section, "codecs")?;
    let mut codecs: Vec<Encoding> = Vec::new();
    for text in &texts.value {
        match Encoding::from_name(text.value) {
            Some(known) if codecs.contains(&known) => {
                reader.wrong(&text.span, "this codec is named twice", "again", "name it once");
            }
            Some(known) => codecs.push(known),
            None => {
                let title = format!("`{}` is no codec that Telex has", text.value);
                reader.wrong(&text.span, title, "not known", format!("use some of {}", names()));
            }
        }
    }
    if texts.value.is_empty() {
        let remedy = "name at least one, or leave the key out";
        reader.wrong(&texts.span, "without a codec nobody can be heard", "nothing in it", remedy);
    }
    Some(codecs)
}

/// Every codec by the name that the configuration has for it, once.
fn names() -> String {
    let mut names: Vec<String> = Encoding::all().map(|e| e.properties().name.to_ascii_lowercase()).collect();
    names.dedup();
    names.join(", ")
}

/// What `silence` says: whether noise is described instead of sent.
pub(super) fn suppresses_silence(reader: &mut Reader, section: Section<'_>) -> bool {
    let Some(text) = reader.text(section, "silence") else { return false };
    if !matches!(text.value, "send" | "suppress") {
        let title = "`silence` says what is sent to a phone while nobody speaks";
        let remedy =
            "write \"send\" (sound all the time) or \"suppress\" (comfort noise, to phones that take it)";
        reader.wrong(&text.span, title, "not this way", remedy);
    }
    text.value == "suppress"
}

/// What `digits` says.
pub(super) fn digits(reader: &mut Reader, section: Section<'_>) -> DigitsBy {
    let Some(text) = reader.text(section, "digits") else { return DigitsBy::Auto };
    match text.value {
        "auto" => DigitsBy::Auto,
        "tones" => DigitsBy::Tones,
        "info" => DigitsBy::Info,
        _ => {
            let remedy = "write \"auto\" (telephone events, else tones), \"tones\" or \"info\"";
            reader.wrong(&text.span, "`digits` says how key presses reach the phone", "not this way", remedy);
            DigitsBy::Auto
        }
    }
}
