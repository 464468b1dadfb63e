//! The validated configuration: what a value here says is possible. Text is read at the edge.

mod hosts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use telex_audio::codec::Encoding;
use telex_audio::tone::Signal;

use telex_dialplan::Dialplan;

use crate::mediactl::{Library, RecordingFormat};

pub use self::hosts::{NotAHost, ReferHost};

/// Tones that a dialplan plays by name.
pub const TONES: [(&str, Signal); 9] = [
    ("dial", Signal::Dial),
    ("ring", Signal::Ringback),
    ("ringing", Signal::Ringback),
    ("ringback", Signal::Ringback),
    ("busy", Signal::Busy),
    ("congestion", Signal::Congestion),
    ("reorder", Signal::Congestion),
    ("info", Signal::Information),
    ("callwaiting", Signal::Waiting),
];

/// Everything a site decides. Replaced whole; a call keeps the values it started with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// Digest realm.
    pub realm: SmolStr,
    /// Phones by extension.
    pub phones: BTreeMap<SmolStr, Phone>,
    /// The conference that a number leads to, by its name. Numbers may share one.
    pub conferences: BTreeMap<SmolStr, SmolStr>,
    /// Where calls are parked, by the names of the lots; the usual one is `default`.
    pub parking: BTreeMap<SmolStr, ParkingLot>,
    /// What SDP says instead of the local address the phone reached us at.
    pub media_address: Option<IpAddr>,
    /// A call is ended when a party that should send media has been silent for this long; `None` never.
    pub media_timeout: Option<Duration>,
    /// Timers of the transaction layer.
    pub sip: SipTimers,
    /// Calls at one time, at most [`crate::limits::CALLS`]: a new one over it is answered 503.
    pub max_calls: usize,
    /// How long a phone rings before the caller is told that nobody answers.
    pub ring: Duration,
    /// Bounds of registrations.
    pub registrar: RegistrarConfig,
    /// Session timers (RFC 4028).
    pub session: SessionConfig,
    /// Which digest algorithms are offered, and in which order.
    pub digest: DigestOffer,
    /// Encodings of speech that the exchange offers of its own, most wanted first.
    pub codecs: Vec<Encoding>,
    /// Whether one encoding is turned into another for parties that share none.
    pub transcode: bool,
    /// What happens to calls; `None` is [`Config::own_dialplan`].
    pub dialplan: Option<Dialplan>,
    /// Name of the time zone of the site: `Europe/Berlin`.
    pub zone: SmolStr,
    /// The two letters of the country whose tones callers hear (ISO 3166).
    pub country: SmolStr,
    /// Whether noise is described, instead of sent, to parties that take descriptions of it (RFC 3389), while nobody
    /// speaks and what they hear is encoded here.
    pub suppress_silence: bool,
    /// What recordings become when it is not said with the order.
    pub recordings: RecordingFormat,
    /// The sounds that can be played by name. Whoever drives the media machines gives them the same.
    pub sounds: Arc<Library>,
    /// Whether parties are told whom they talk with, and of changes of that (RFC 3325, RFC 4916).
    pub connected_line: bool,
    /// Whether phones that do not take UPDATE are told of changes by an INVITE that offers what is agreed already.
    pub connected_line_invite: bool,
    /// Whether phones of a pick-up group may take talks of each other over, and not only calls that ring (RFC 3891).
    pub take_over: bool,
    /// The class of music that a party hears while the other one holds the call; `None` for silence.
    pub music: Option<SmolStr>,
    /// What parties of a talk press where their Dial allows it.
    pub features: Features,
    /// Hosts beside the exchange to which a party may send a call on, by REFER or 302. Nobody else's are dialled so.
    pub refer_hosts: Vec<ReferHost>,
}

/// Codes that a party of a talk presses, where the options of its Dial allow it. An empty one is never pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Features {
    /// Ends the talk (`h`, `H`).
    pub hang_up: SmolStr,
    /// Sends the other party to the number that is dialled after it (`t`, `T`).
    pub blind: SmolStr,
    /// The same, after a talk there (`t`, `T`).
    pub attended: SmolStr,
    /// Parks the other party in the usual lot (`k`, `K`).
    pub park: SmolStr,
    /// Begins a recording of the talk, and ends it (`w`, `W`, `x`, `X`).
    pub record: SmolStr,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            hang_up: SmolStr::new_static("*"),
            blind: SmolStr::new_static("##"),
            attended: SmolStr::new_static("*2"),
            park: SmolStr::new_static("#72"),
            record: SmolStr::new_static("*1"),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: SmolStr::new_static("telex"),
            phones: BTreeMap::new(),
            conferences: BTreeMap::new(),
            parking: BTreeMap::new(),
            media_address: None,
            media_timeout: Some(Duration::from_secs(60)),
            sip: SipTimers::default(),
            max_calls: crate::limits::CALLS,
            ring: Duration::from_secs(60),
            registrar: RegistrarConfig::default(),
            session: SessionConfig::default(),
            digest: DigestOffer::default(),
            codecs: vec![
                Encoding::Opus,
                Encoding::G722,
                Encoding::Pcmu,
                Encoding::Pcma,
                Encoding::G729,
                Encoding::Gsm,
            ],
            transcode: true,
            dialplan: None,
            zone: SmolStr::new_static("UTC"),
            country: SmolStr::new_static("us"),
            suppress_silence: false,
            recordings: RecordingFormat::default(),
            sounds: Arc::default(),
            connected_line: true,
            connected_line_invite: true,
            take_over: false,
            music: None,
            features: Features::default(),
            refer_hosts: Vec::new(),
        }
    }
}

/// The context of the dialplan where calls of phones begin.
pub const INTERNAL: &str = "internal";
/// The context that holds what the configuration says beside the dialplan; [`INTERNAL`] includes it.
pub const CONFIGURED: &str = "telex";

impl Config {
    /// Where in the dialplan the calls of an extension begin.
    pub fn context_of(&self, extension: &str) -> &str {
        let context = self.phones.get(extension).map_or("", |phone| &phone.context);
        if context.is_empty() { INTERNAL } else { context }
    }

    /// Whether a phone may take the calls of an extension that rings: it is its own, or of its pick-up group.
    pub fn may_pick_up(&self, phone: &str, extension: &str) -> bool {
        let group = |of: &str| self.phones.get(of).map(|phone| phone.pickup_group.as_str());
        let same = || group(phone).is_some_and(|own| !own.is_empty() && group(extension) == Some(own));
        phone == extension || same()
    }

    /// Whether a phone may take the place of an extension that talks: it is its own, or of its pick-up group where that
    /// is allowed.
    pub fn may_take_over(&self, phone: &str, extension: &str) -> bool {
        phone == extension || self.take_over && self.may_pick_up(phone, extension)
    }

    /// Whether a prompt can be played.
    pub fn has_prompt(&self, name: &str) -> bool {
        self.sounds.get(name).is_some()
    }

    /// What is configured beside the dialplan, as text of a dialplan: phones, conferences and services, in a context of
    /// their own that the context of phones includes, so that what a site writes there comes first.
    pub fn own_dialplan(&self) -> String {
        self.own_dialplan_with(|_| None)
    }

    /// The same, where what `steps` gives for a phone becomes of calls to it: whole lines of the dialplan that begin
    /// with its extension, in place of the one that rings it. The last context is [`CONFIGURED`], so more lines of it
    /// may follow.
    pub fn own_dialplan_with(&self, steps: impl Fn(&str) -> Option<String>) -> String {
        let mut text = format!("[{INTERNAL}]\ninclude => {CONFIGURED}\n\n[{CONFIGURED}]\n");
        text.push_str("exten => *43,1,Echo()\n");
        text.push_str("exten => *60,1,Answer()\n same => n,Playtones(440)\n same => n(on),Wait(3600)\n");
        text.push_str(" same => n,Goto(on)\n");
        for extension in self.phones.keys().filter(|name| is_plain(name)) {
            match steps(extension) {
                Some(lines) => text.push_str(&lines),
                None => {
                    let _ = writeln!(text, "exten => {extension},1,Dial(PJSIP/{extension})");
                }
            }
        }
        for (number, name) in self.conferences.iter().filter(|(number, _)| is_plain(number)) {
            // A name that means something else there goes by the first of its numbers.
            let first =
                self.conferences.iter().find(|(_, other)| *other == name).map_or(number, |(first, _)| first);
            let name = if is_plain(name) { name } else { first };
            let _ = writeln!(text, "exten => {number},1,ConfBridge({name})");
        }
        for (name, lot) in self.parking.iter().filter(|(name, _)| is_plain(name)) {
            lot.write(name, &mut text);
        }
        text
    }

    /// The entry by which an extension of [`CONFIGURED`] comes to be, and its key: `phone` and its extension, `conference`
    /// and its number, `parking` and its name.
    pub fn entry_of(&self, extension: &str) -> Option<(&'static str, SmolStr)> {
        if let Some((phone, _)) = self.phones.get_key_value(extension) {
            return Some(("phone", phone.clone()));
        }
        if let Some((number, _)) = self.conferences.get_key_value(extension) {
            return Some(("conference", number.clone()));
        }
        let parks = |lot: &ParkingLot| lot.extension == extension || lot.slot(extension).is_some();
        let lot = self.parking.iter().find(|(_, lot)| parks(lot));
        lot.map(|(name, _)| ("parking", name.clone()))
    }

    /// Whether an extension is a slot in which calls are parked.
    pub fn is_slot(&self, extension: &str) -> bool {
        self.parking.values().any(|lot| lot.slot(extension).is_some())
    }
}

/// The name of the usual parking lot.
pub const USUAL_LOT: &str = "default";

/// Slots in which calls wait until somebody takes them up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ParkingLot {
    /// What is dialled to park; empty for nothing.
    pub extension: SmolStr,
    /// The first and the last slot. Each is the extension that takes the call up.
    pub slots: (u32, u32),
    /// How long a call stays before it goes back.
    pub time: Duration,
    /// The phone that it goes back to; empty for the one that parked it.
    pub back: SmolStr,
    /// How long that rings.
    pub ring: Duration,
    /// The extension to which it goes when nobody takes it back; empty ends it.
    pub fallback: SmolStr,
    /// The class of music; empty for the usual one.
    pub music: SmolStr,
}

impl Default for ParkingLot {
    fn default() -> Self {
        Self {
            extension: SmolStr::new_static("700"),
            slots: (701, 720),
            time: Duration::from_secs(45),
            back: SmolStr::default(),
            ring: Duration::from_secs(30),
            fallback: SmolStr::default(),
            music: SmolStr::default(),
        }
    }
}

impl ParkingLot {
    /// The slot that an extension is.
    pub fn slot(&self, extension: &str) -> Option<u32> {
        let slot = extension.parse().ok().filter(|slot| self.all().contains(slot))?;
        // Not `+701` and not `0701`.
        (extension.len() == slot.to_string().len() && !extension.starts_with('+')).then_some(slot)
    }

    /// All slots.
    pub fn all(&self) -> std::ops::RangeInclusive<u32> {
        let most = u32::try_from(crate::limits::SLOTS).unwrap_or(u32::MAX);
        self.slots.0..=self.slots.1.min(self.slots.0.saturating_add(most - 1))
    }

    fn write(&self, name: &str, text: &mut String) {
        let lot = if name == USUAL_LOT { "" } else { name };
        // Writing to a String does not fail.
        if is_plain(&self.extension) && !self.extension.is_empty() {
            let _ = writeln!(text, "exten => {},1,Park({lot})", self.extension);
            if is_plain(&self.fallback) && !self.fallback.is_empty() {
                let _ = writeln!(text, " same => n,Goto({},1)", self.fallback);
            }
        }
        let comma = if lot.is_empty() { "" } else { "," };
        for slot in self.all() {
            let at = if lot.is_empty() { "" } else { "@" };
            let _ = writeln!(text, "exten => {slot},1,ParkedCall({lot}{comma}{slot})");
            let _ = writeln!(text, "exten => {slot},hint,park:{slot}{at}{lot}");
        }
    }
}

/// Whether a name means itself in a dialplan.
pub fn is_plain(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'+#".contains(&b);
    let special = ["s", "i", "t", "h", "o", "a", "e", "T", "fax"];
    name.bytes().all(allowed) && !name.starts_with('_') && !special.contains(&name)
}

/// The digest algorithms of a challenge, one header field each, most wanted first (RFC 8760 §2.4). It is one choice for
/// the whole site, because a choice per phone would tell who exists.
///
/// MD5 alone is the default: a phone should answer the first challenge it understands, but phones of before 2020 read
/// only the first one, or give up on sight of an algorithm they do not know (SIPp 3.6 does the former, baresip 1.0 the
/// latter). Offering SHA-256 beside MD5 keeps out phones and no attacker who can change packets, who removes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DigestOffer {
    /// MD5 only.
    #[default]
    Md5,
    /// SHA-256 only. A phone of which only the MD5 form of the secret is known cannot get in.
    Sha256,
    /// MD5, then SHA-256.
    Md5Sha256,
    /// SHA-256, then MD5.
    Sha256Md5,
}

/// One telephone, or one person's several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Phone {
    /// How it proves who it is; `None` for a fixed contact that is known by its address.
    pub credentials: Option<Credentials>,
    /// Where it always is, instead of registering.
    pub contact: Option<FixedContact>,
    /// The only encodings of speech it is to use, most wanted first; `None` leaves it to the phone and the site.
    pub codecs: Option<Vec<Encoding>>,
    /// How digits reach it.
    pub digits: DigitsBy,
    /// Where in the dialplan its calls begin; empty is [`INTERNAL`].
    pub context: SmolStr,
    /// Who it shows itself as to those it calls, in place of what it says itself; empty leaves that to it. It stands
    /// in quotes of SIP, so it has no quote and no backslash.
    pub name: SmolStr,
    /// Phones of one group may take each other's calls that ring: the group's name. Empty is none.
    pub pickup_group: SmolStr,
    /// How many calls it may be in when one more is put through to it; `None` for any number. It is busy otherwise,
    /// and does not ring.
    pub call_waiting: Option<u8>,
    /// It is told who calls, even if the caller does not want to be shown (RFC 3325): another exchange, not a person.
    pub trusted: bool,
}

/// How digits reach a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DigitsBy {
    /// As telephone events when it takes them, else as tones in the sound.
    #[default]
    Auto,
    /// As tones in the sound.
    Tones,
    /// In INFO requests.
    Info,
}

/// Digest secrets, already bound to user name and realm (RFC 7616 §3.4.2).
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Credentials {
    /// MD5(user:realm:password).
    pub ha1_md5: [u8; 16],
    /// SHA-256(user:realm:password); `None` when only the MD5 form was given, and then nobody is offered SHA-256
    /// beside MD5.
    pub ha1_sha256: Option<[u8; 32]>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A contact that does not register.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FixedContact {
    /// A SIP URI that parses.
    pub uri: SmolStr,
    /// Its address when the URI gives one instead of a name.
    pub address: Option<SocketAddr>,
}

/// Base timers of RFC 3261 §17 (table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SipTimers {
    /// Round-trip estimate.
    pub t1: Duration,
    /// Longest gap between retransmissions.
    pub t2: Duration,
    /// How long a message stays in the network.
    pub t4: Duration,
    /// Timer C of an INVITE that only ever rings (RFC 3261 §16.6).
    pub timer_c: Duration,
}

impl Default for SipTimers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_c: Duration::from_secs(185),
        }
    }
}

/// Bounds of registrations (RFC 3261 §10.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RegistrarConfig {
    /// Shorter expiries are refused with 423.
    pub min_expires: Duration,
    /// Longer ones are cut to this.
    pub max_expires: Duration,
    /// Used when the phone asks for none.
    pub default_expires: Duration,
    /// Contacts per extension.
    pub max_contacts: usize,
    /// How long a nonce is good (RFC 7616 §3.3).
    pub nonce_life: Duration,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(7200),
            default_expires: Duration::from_secs(3600),
            max_contacts: crate::limits::BINDINGS_PER_AOR,
            nonce_life: Duration::from_secs(300),
        }
    }
}

/// Session timers (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionConfig {
    /// Session interval we ask for.
    pub expires: Duration,
    /// The shortest we accept.
    pub min_se: Duration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { expires: Duration::from_secs(1800), min_se: Duration::from_secs(90) }
    }
}
