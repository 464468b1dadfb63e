//! The `[[parking]]` entries: where calls wait until somebody takes them up.

use std::collections::BTreeMap;

use smol_str::SmolStr;
use telex_engine::config::{Config, ParkingLot, USUAL_LOT, is_plain};
use telex_engine::limits;
use toml::de::DeTable;

use super::reader::{At, Reader, Section};
use super::{HOUR, SECOND, phones, sounds};
use crate::sounds::Own;

/// The lots by their names. `config` has the phones and the conferences; `own` has the site's own music.
pub(super) fn parking(
    reader: &mut Reader,
    root: &DeTable<'_>,
    config: &Config,
    own: &Own,
) -> BTreeMap<SmolStr, ParkingLot> {
    let mut lots = BTreeMap::new();
    for entry in reader.list(root, "parking") {
        let Some((name, lot)) = lot(reader, &entry, config, &lots, own) else { continue };
        lots.insert(name, lot);
    }
    lots
}

fn lot(
    reader: &mut Reader,
    entry: &At<Section<'_>>,
    config: &Config,
    lots: &BTreeMap<SmolStr, ParkingLot>,
    own: &Own,
) -> Option<(SmolStr, ParkingLot)> {
    let section = entry.value;
    let usual = ParkingLot::default();
    let name = name(reader, section, entry, lots)?;
    let slots = match reader.text(section, "slots") {
        None => usual.slots,
        Some(text) => slots(reader, &text)?,
    };
    let extension = match reader.key(section, "number") {
        None => usual.extension.clone(),
        Some(_) => phones::number(reader, section, "number", "parking lot")?.value,
    };
    let mut target = |key: &'static str| match reader.key(section, key) {
        None => Some(SmolStr::default()),
        Some(_) => phones::number(reader, section, key, "target of a parking lot").map(|at| at.value),
    };
    let (back, fallback) = (target("back")?, target("fallback")?);
    if !back.is_empty() && !config.phones.contains_key(&back) {
        let span = reader.key(section, "back").unwrap_or_default();
        let remedy = "name a phone, or leave the key out: who parked a call gets it back";
        reader.wrong(&span, format!("no phone is `{back}`"), "not a phone", remedy);
    }
    let lot = ParkingLot {
        extension,
        slots,
        time: reader.time(section, "time", SECOND, 24 * HOUR).map_or(usual.time, |time| time.value),
        back,
        ring: reader.time(section, "ring", SECOND, HOUR).map_or(usual.ring, |time| time.value),
        fallback,
        music: match reader.text(section, "music") {
            None => usual.music,
            Some(text) => {
                sounds::class(reader, &text, own);
                text.value.into()
            }
        },
    };
    if let Some(number) = taken(config, lots, &lot) {
        let span = reader.key(section, "slots").or_else(|| reader.key(section, "number"));
        let remedy = "choose a number and slots = \"FIRST-LAST\" that nothing else has";
        let title = format!("`{number}` cannot be a number of this parking lot");
        reader.wrong(&span.unwrap_or_else(|| entry.span.clone()), title, "already taken", remedy);
        return None;
    }
    Some((name, lot))
}

fn name(
    reader: &mut Reader,
    section: Section<'_>,
    entry: &At<Section<'_>>,
    lots: &BTreeMap<SmolStr, ParkingLot>,
) -> Option<SmolStr> {
    let text = reader.text(section, "name");
    let (name, span) = text.map_or((USUAL_LOT, entry.span.clone()), |text| (text.value, text.span));
    if lots.contains_key(name) {
        let remedy = "give each parking lot a name of its own; the one without is `default`";
        reader.wrong(&span, format!("second parking lot `{name}`"), "named before", remedy);
        return None;
    }
    let digits = name.bytes().all(|b| b.is_ascii_digit());
    if digits || !is_plain(name) || name.len() > 64 {
        let remedy = "use letters, as in \"sales\": a number would be a slot";
        reader.wrong(&span, "this cannot be the name of a parking lot", "not usable", remedy);
        return None;
    }
    Some(name.into())
}

/// `FIRST-LAST`.
fn slots(reader: &mut Reader, text: &At<&str>) -> Option<(u32, u32)> {
    let number = |text: &str| -> Option<u32> {
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|number| digits && *number < 1_000_000_000)
    };
    let most = u32::try_from(limits::SLOTS).unwrap_or(u32::MAX);
    let read = text.value.split_once('-').and_then(|(first, last)| {
        let (first, last) = (number(first.trim())?, number(last.trim())?);
        (first <= last && last - first < most).then_some((first, last))
    });
    if read.is_none() {
        let remedy = format!("write the first and the last, as in \"701-720\", {most} at most");
        reader.wrong(&text.span, "these are not slots", "not FIRST-LAST", remedy);
    }
    read
}

/// A number of the lot that is something else already.
fn taken(config: &Config, lots: &BTreeMap<SmolStr, ParkingLot>, lot: &ParkingLot) -> Option<SmolStr> {
    let own = std::iter::once(&lot.extension);
    let others =
        config.phones.keys().chain(config.conferences.keys()).chain(lots.values().map(|l| &l.extension));
    let is_other = |number: &SmolStr| {
        let there = config.phones.contains_key(number) || config.conferences.contains_key(number);
        there || lots.values().any(|other| other.extension == *number || other.slot(number).is_some())
    };
    let slots_meet = |other: &ParkingLot| {
        let first = lot.slots.0.max(other.slots.0);
        (first <= lot.slots.1.min(other.slots.1)).then(|| SmolStr::from(first.to_string()))
    };
    let in_slots = others.chain(own.clone()).find(|number| lot.slot(number).is_some()).cloned();
    in_slots
        .or_else(|| own.clone().find(|n| is_other(n)).cloned())
        .or_else(|| lots.values().find_map(slots_meet))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use insta::assert_snapshot;

    use super::super::parse;

    const PHONES: &str = "[[phone]]\nextension = \"101\"\npassword = \"a\"\n";

    fn refused(text: &str) -> String {
        parse(Path::new("telex.toml"), text).map(drop).unwrap_err().render(false)
    }

    #[test]
    fn a_lot_becomes_dialplan() {
        let text = format!(
            "{PHONES}[[parking]]\nslots = \"701-702\"\nfallback = \"101\"\n\
             [[parking]]\nname = \"sales\"\nnumber = \"750\"\nslots = \"751-751\"\ntime = \"2m\"\nback = \"101\"\n"
        );
        let settings = parse(Path::new("telex.toml"), &text).unwrap();
        let own = settings.engine.own_dialplan();
        let lots = own.split_once("Dial(PJSIP/101)\n").unwrap().1;
        assert_snapshot!(lots, @r"
        exten => 700,1,Park()
         same => n,Goto(101,1)
        exten => 701,1,ParkedCall(701)
        exten => 701,hint,park:701
        exten => 702,1,ParkedCall(702)
        exten => 702,hint,park:702
        exten => 750,1,Park(sales)
        exten => 751,1,ParkedCall(sales,751)
        exten => 751,hint,park:751@sales
        ");
        let lot = &settings.engine.parking["sales"];
        assert_eq!((lot.time.as_secs(), lot.ring.as_secs(), lot.back.as_str()), (120, 30, "101"));
    }

    #[test]
    fn what_cannot_be_a_lot_is_refused() {
        let text = format!(
            "{PHONES}[[parking]]\nslots = \"720-701\"\n[[parking]]\nnumber = \"101\"\n[[parking]]\nslots = \"700-710\"\n\
             [[parking]]\nback = \"102\"\n[[parking]]\nname = \"x\"\nnumber = \"600\"\nslots = \"710-730\"\n\
             [[parking]]\nname = \"7\"\n[[parking]]\n"
        );
        assert_snapshot!(refused(&text), @r#"
        error: these are not slots
         --> telex.toml:5:9
          |
        5 | slots = "720-701"
          |         ^^^^^^^^^ not FIRST-LAST
          |
          = help: write the first and the last, as in "701-720", 1000 at most

        error: `101` cannot be a number of this parking lot
         --> telex.toml:7:1
          |
        7 | number = "101"
          | ^^^^^^ already taken
          |
          = help: choose a number and slots = "FIRST-LAST" that nothing else has

        error: `700` cannot be a number of this parking lot
         --> telex.toml:9:1
          |
        9 | slots = "700-710"
          | ^^^^^ already taken
          |
          = help: choose a number and slots = "FIRST-LAST" that nothing else has

        error: no phone is `102`
          --> telex.toml:11:1
           |
        11 | back = "102"
           | ^^^^ not a phone
           |
           = help: name a phone, or leave the key out: who parked a call gets it back

        error: `710` cannot be a number of this parking lot
          --> telex.toml:15:1
           |
        15 | slots = "710-730"
           | ^^^^^ already taken
           |
           = help: choose a number and slots = "FIRST-LAST" that nothing else has

        error: this cannot be the name of a parking lot
          --> telex.toml:17:8
           |
        17 | name = "7"
           |        ^^^ not usable
           |
           = help: use letters, as in "sales": a number would be a slot

        error: second parking lot `default`
          --> telex.toml:18:1
           |
        18 | [[parking]]
           | ^^^^^^^^^^^ named before
           |
           = help: give each parking lot a name of its own; the one without is `default`
        "#);
    }
}
