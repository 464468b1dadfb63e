//! The configuration file: read whole, checked whole, every problem told at once with its place and its remedy.

mod conferences;
mod dialplan;
mod features;
mod glob;
mod hosts;
mod office;
mod parking;
mod phones;
mod problem;
mod reader;
mod record;
mod recordings;
mod records;
mod sample;
mod sound;
mod sounds;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use telex_dialplan::Dialplan;
use telex_engine::border::Transport;
use telex_engine::config::{Config, DigestOffer, RegistrarConfig, SessionConfig, SipTimers};
use telex_engine::limits;
use toml::de::DeTable;

use crate::sounds::Own;

pub(crate) use dialplan::{Folder, Loaded};
pub(crate) use problem::Refused;
pub(crate) use reader::duration;
pub(crate) use record::Record;
pub(crate) use recordings::Recordings;
pub(crate) use records::Records;
pub(crate) use sample::sample;

use office::{Office, Offices, Origins};
use problem::Problem;
use reader::{At, Reader, Section};

/// Keys of `[sip]`.
const SIP: &[&str] = &[
    "realm",
    "digest",
    "connected_line",
    "connected_line_invite",
    "refer_hosts",
    "t1",
    "t2",
    "t4",
    "timer_c",
];

/// Every section and its keys.
const SCHEMA: &[(&str, &[&str])] = &[
    ("listen", &["udp", "tcp"]),
    ("media", &["ports", "address", "bind", "timeout", "codecs", "transcode", "silence"]),
    ("store", &["path"]),
    ("control", &["path"]),
    ("sip", SIP),
    ("registrar", &["min_expires", "max_expires", "default_expires", "contacts", "nonce"]),
    ("call", &["most", "ring", "session", "min_session", "grace", "take_over"]),
    ("prompts", &["folder", "speak"]),
    ("music", &["folder", "stream", "rate", "classes", "hold"]),
    ("features", &["hangup", "blind_transfer", "attended_transfer", "park", "record"]),
    ("recordings", &["folder", "format", "trim", "pause", "keep", "most"]),
    ("records", &["keep", "most"]),
    ("record", &["memory", "media", "media_memory"]),
    ("site", &["zone", "country", "operator"]),
    ("dialplan", &["file"]),
    (
        "phone",
        &[
            "extension",
            "name",
            "password",
            "ha1",
            "ha1_sha256",
            "contact",
            "codecs",
            "digits",
            "context",
            "forward",
            "do_not_disturb",
            "pickup_group",
            "call_waiting",
            "trusted",
        ],
    ),
    ("conference", &["number", "name"]),
    ("parking", &["name", "number", "slots", "time", "ring", "back", "fallback", "music"]),
    (
        "menu",
        &[
            "number",
            "name",
            "prompt",
            "text",
            "language",
            "choices",
            "dial_by_extension",
            "timeout",
            "digit_timeout",
            "retries",
            "invalid",
            "barge_in",
            "fallback",
        ],
    ),
    ("group", &["number", "name", "members", "strategy", "ring", "total", "skip_busy", "fallback", "prefix"]),
    ("hours", &["number", "name", "times", "holidays", "open", "closed", "holiday", "switch"]),
    ("codes", &office::CODE_KEYS),
];

/// The path that means: keep nothing on disk.
pub(crate) const NO_STORE: &str = ":memory:";

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Everything a configuration file says: what the engine knows, and what only the driver needs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file it was read from.
    pub(crate) path: PathBuf,
    /// What the engine knows.
    pub(crate) engine: Arc<Config>,
    /// Where to listen, UDP first, in the order of the file.
    pub(crate) listen: Vec<Listen>,
    /// UDP ports for media.
    pub(crate) media_ports: PortRange,
    /// Where media ports are bound.
    pub(crate) media_bind: IpAddr,
    /// The database, or [`NO_STORE`].
    pub(crate) store: PathBuf,
    /// The control socket.
    pub(crate) control: PathBuf,
    /// How long calls may go on after the order to stop.
    pub(crate) grace: Duration,
    /// How recordings of calls are written.
    pub(crate) recordings: Recordings,
    /// Which call records are kept.
    pub(crate) records: Records,
    /// What the flight recorder keeps.
    pub(crate) record: Record,
    /// The site's own sounds.
    pub(crate) own: Own,
    /// What could not be had of them, once they have been read.
    pub(crate) told: Vec<String>,
    /// The dialplan, when a file holds one.
    pub(crate) dialplan: Option<Loaded>,
}

impl Settings {
    /// What becomes of calls: all of it, as it is understood.
    pub(crate) fn plan(&self) -> Dialplan {
        self.engine.dialplan.clone().unwrap_or_default()
    }
}

/// A socket to listen on, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// What is spoken there.
    pub(crate) transport: Transport,
    /// Where; port 0 takes any free port.
    pub(crate) address: SocketAddr,
}

/// UDP ports for media, both ends included. RTP takes even ports, RTCP the odd ones above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortRange {
    /// The first.
    pub(crate) first: u16,
    /// The last.
    pub(crate) last: u16,
}

impl PortRange {
    /// The even port of every pair that lies wholly inside.
    pub(crate) fn pairs(self) -> impl Iterator<Item = u16> {
        let first = self.first.saturating_add(self.first % 2);
        (first..self.last).step_by(2)
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Reads and checks a configuration file.
pub(crate) fn load(path: &Path) -> Result<Settings, Refused> {
    let text = std::fs::read_to_string(path).map_err(|e| Refused::unreadable(path, &e))?;
    parse(path, &text)
}

/// Reads and checks a configuration file, and reads the sounds it names. What is wrong with a sound is told, and the
/// sound left out.
pub(crate) fn load_whole(path: &Path) -> Result<Settings, Refused> {
    let mut settings = load(path)?;
    let (sounds, told) = crate::sounds::load(&settings.own);
    let engine = Arc::make_mut(&mut settings.engine);
    engine.sounds = sounds;
    // The site's own prompts are known only now.
    if let (Some(loaded), Some(plan)) = (&mut settings.dialplan, &engine.dialplan) {
        loaded.warnings = dialplan::warnings(plan, &loaded.made, engine, Some(&settings.own));
    }
    settings.told = told;
    Ok(settings)
}

/// Checks the text of a configuration file that lies, or would lie, at `path`.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Settings, Refused> {
    let refused =
        |problems, plan| Refused::Wrong { path: path.to_owned(), text: text.to_owned(), problems, plan };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(refused(errors.iter().map(syntax).collect(), Vec::new()));
    }
    let mut reader = Reader::default();
    let origins = Origins::read(path, text, root.get_ref());
    reader.schema(root.get_ref(), SCHEMA);
    let settings = build(&mut reader, path, root.get_ref(), &origins);
    match reader.finish() {
        none if none.is_empty() => settings.map_err(Refused::Dialplan),
        problems => Err(refused(problems, settings.err().unwrap_or_default())),
    }
}

fn syntax(error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or_default();
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let remedy = message.contains("duplicate key").then(|| "say it once".to_owned());
    Problem { span, title: message, label: "here".to_owned(), remedy }
}

/// Everything that is configured; `Err` with what is wrong with the dialplan.
fn build(
    reader: &mut Reader,
    path: &Path,
    root: &DeTable<'_>,
    origins: &Origins,
) -> Result<Settings, Vec<String>> {
    let listen = listen(reader, root);
    let media = reader.section(root, "media");
    let media_ports = media_ports(reader, media);
    let media_address = media.and_then(|s| reader.text(s, "address")).and_then(|t| reader.ip_address(&t));
    let bind = media.and_then(|s| reader.text(s, "bind")).and_then(|t| reader.ip_address(&t));
    let sip = reader.section(root, "sip");
    let realm = sip.and_then(|s| realm(reader, s)).unwrap_or_else(|| Config::default().realm);
    let digest = sip.and_then(|s| digest(reader, s)).unwrap_or_default();
    let call = reader.section(root, "call");
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut own, music) = sounds::sounds(reader, root, folder);
    let (recordings, format) = recordings::recordings(reader, root);
    let (phones, contexts) = phones::phones(reader, root, &realm, digest);
    let (zone, country) = dialplan::site(reader, root);
    let mut engine = Config {
        recordings: format,
        conferences: conferences::conferences(reader, root, &phones),
        phones,
        refer_hosts: sip.map(|s| hosts::refer_hosts(reader, s, &realm)).unwrap_or_default(),
        realm,
        digest,
        media_address,
        media_timeout: media_timeout(reader, media),
        sip: timers(reader, sip),
        connected_line: sip.and_then(|s| reader.flag(s, "connected_line")).unwrap_or(true),
        connected_line_invite: sip.and_then(|s| reader.flag(s, "connected_line_invite")).unwrap_or(true),
        take_over: call.is_some_and(|s| reader.flag(s, "take_over") == Some(true)),
        max_calls: max_calls(reader, call),
        ring: ring(reader, call),
        registrar: registrar(reader, root),
        session: session(reader, call),
        codecs: media.and_then(|s| sound::codecs(reader, s)).unwrap_or(Config::default().codecs),
        suppress_silence: media.is_some_and(|s| sound::suppresses_silence(reader, s)),
        transcode: media.and_then(|s| reader.flag(s, "transcode")).unwrap_or(Config::default().transcode),
        sounds: crate::sounds::builtin(),
        music,
        zone: zone.unwrap_or(Config::default().zone),
        country: country.unwrap_or(Config::default().country),
        features: features::features(reader, root),
        ..Config::default()
    };
    engine.parking = parking::parking(reader, root, &engine, &own);
    let Offices { office, leads, speak } = office::office(reader, root, &engine, &own);
    own.speak.extend(speak);
    let (loaded, wrong) = plan(reader, root, folder, &mut engine, (&office, origins), (&contexts, &leads));
    let settings = Settings {
        path: path.to_owned(),
        media_bind: bind.unwrap_or_else(|| common_address(&listen)),
        listen,
        media_ports,
        store: file(reader, root, "store", folder).unwrap_or_else(|| folder.join("telex.db")),
        control: file(reader, root, "control", folder).unwrap_or_else(|| path.with_extension("sock")),
        grace: grace(reader, call),
        recordings: Recordings { folder: folder.join(recordings.folder), ..recordings },
        records: records::records(reader, root),
        record: record::record(reader, root),
        own,
        told: Vec::new(),
        dialplan: loaded,
        engine: Arc::new(engine),
    };
    // What is wrong with the dialplan hides nothing else.
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

/// How long calls may go on after the order to stop.
fn grace(reader: &mut Reader, call: Option<Section<'_>>) -> Duration {
    let grace = call.and_then(|s| reader.time(s, "grace", Duration::ZERO, HOUR));
    grace.map_or(Duration::from_secs(10), |t| t.value)
}

/// How long phones ring.
fn ring(reader: &mut Reader, call: Option<Section<'_>>) -> Duration {
    call.and_then(|s| reader.time(s, "ring", SECOND, HOUR)).map_or(Config::default().ring, |t| t.value)
}

/// Reads what becomes of calls, and gives what is told of its file, and what is wrong with it; then nothing is looked
/// for in it.
fn plan(
    reader: &mut Reader,
    root: &DeTable<'_>,
    folder: &Path,
    engine: &mut Config,
    (office, origins): (&Office, &Origins),
    (contexts, leads): (&[At<smol_str::SmolStr>], &[office::Destination]),
) -> (Option<Loaded>, Vec<String>) {
    let text = office.dialplan(engine);
    let place = |context: &_, extension: &_| origins.place(office, engine, context, extension);
    let own = dialplan::Made { name: origins.file(), text: &text, place: &place };
    let (plan, loaded) = match dialplan::dialplan(reader, root, folder, engine, &own) {
        dialplan::Read::Nothing => match dialplan::alone(&own) {
            Ok(plan) => (plan, None),
            Err(lines) => return (None, lines),
        },
        dialplan::Read::Plan(plan, loaded) => (plan, Some(loaded)),
        dialplan::Read::Wrong(lines) => return (None, lines),
    };
    dialplan::check_contexts(reader, contexts, Some(&plan));
    office::check(reader, leads, Some(&plan));
    engine.dialplan = Some(plan);
    (loaded, Vec::new())
}

fn max_calls(reader: &mut Reader, call: Option<Section<'_>>) -> usize {
    let most = u32::try_from(limits::CALLS).unwrap_or(u32::MAX);
    call.and_then(|s| reader.number(s, "most", 1..most + 1)).map_or(limits::CALLS, |n| n as usize)
}

fn beside(folder: &Path, file: &str) -> PathBuf {
    if file == NO_STORE { PathBuf::from(file) } else { folder.join(file) }
}

fn file(reader: &mut Reader, root: &DeTable<'_>, section: &'static str, folder: &Path) -> Option<PathBuf> {
    let section = reader.section(root, section)?;
    let path = reader.text(section, "path")?;
    if path.value.is_empty() {
        reader.wrong(&path.span, "`path` is empty", "no file", "name a file, or leave the key out");
    }
    Some(beside(folder, path.value))
}

fn listen(reader: &mut Reader, root: &DeTable<'_>) -> Vec<Listen> {
    let all = |transport| Listen { transport, address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060)) };
    let Some(section) = reader.section(root, "listen") else {
        return vec![all(Transport::Udp), all(Transport::Tcp)];
    };
    let mut found: Vec<Listen> = Vec::new();
    let mut named = None;
    for (transport, key) in [(Transport::Udp, "udp"), (Transport::Tcp, "tcp")] {
        let Some(texts) = reader.texts(section, key) else { continue };
        named = Some(texts.span.clone());
        for text in texts.value {
            let Some(address) = reader.socket_address(&text) else { continue };
            let listen = Listen { transport, address };
            if address.port() != 0 && found.contains(&listen) {
                reader.wrong(&text.span, "this address is listed twice", "again here", "keep one of them");
            } else {
                found.push(listen);
            }
        }
    }
    if let (true, Some(span)) = (found.is_empty() && reader.is_clean(), named) {
        let remedy = "name an address, as in udp = [\"0.0.0.0:5060\"]";
        reader.wrong(&span, "there is no address to listen on", "empty", remedy);
    }
    found
}

/// The address that all listeners share, or all addresses of the host.
fn common_address(listen: &[Listen]) -> IpAddr {
    match listen.split_first() {
        Some((first, rest)) if rest.iter().all(|l| l.address.ip() == first.address.ip()) => {
            first.address.ip()
        }
        _ if listen.iter().all(|l| l.address.is_ipv4()) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn media_ports(reader: &mut Reader, media: Option<Section<'_>>) -> PortRange {
    let default = PortRange { first: 10_000, last: 19_999 };
    let Some(text) = media.and_then(|s| reader.text(s, "ports")) else { return default };
    let remedy = "write the first and the last port, as in \"10000-19999\"";
    let ends =
        text.value.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    let Some((first, last)) = ends else {
        reader.wrong(&text.span, "`ports` in [media] must be a range of ports", "not a range", remedy);
        return default;
    };
    let range = PortRange { first, last };
    if first < 1024 {
        let label = "reaches below 1024";
        reader.wrong(&text.span, "media ports start at 1024, lower ones belong to the system", label, remedy);
    } else if first % 2 != 0 {
        let remedy = format!("start at {} or {}", first - 1, u32::from(first) + 1);
        reader.wrong(&text.span, "`ports` must start at an even port", "odd start", remedy);
    } else if range.pairs().next().is_none() {
        reader.wrong(&text.span, "`ports` holds no pair of ports", "too small", remedy);
    }
    range
}

fn media_timeout(reader: &mut Reader, media: Option<Section<'_>>) -> Option<Duration> {
    let default = Config::default().media_timeout;
    let Some(media) = media else { return default };
    if reader.peek_text(media, "timeout") == Some("never") {
        return None;
    }
    reader.time(media, "timeout", SECOND, 24 * HOUR).map_or(default, |t| Some(t.value))
}

fn realm(reader: &mut Reader, sip: Section<'_>) -> Option<smol_str::SmolStr> {
    let text = reader.text(sip, "realm")?;
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ';
    if text.value.is_empty() || text.value.len() > 128 || !text.value.chars().all(plain) {
        let remedy = "use 1 to 128 printable ASCII characters without quotes and backslashes";
        reader.wrong(&text.span, "this is not a realm", "not usable", remedy);
        return None;
    }
    Some(text.value.into())
}

fn digest(reader: &mut Reader, sip: Section<'_>) -> Option<DigestOffer> {
    let texts = reader.texts(sip, "digest")?;
    let names: Vec<&str> = texts.value.iter().map(|t| t.value).collect();
    match names.as_slice() {
        ["md5"] => Some(DigestOffer::Md5),
        ["sha-256"] => Some(DigestOffer::Sha256),
        ["md5", "sha-256"] => Some(DigestOffer::Md5Sha256),
        ["sha-256", "md5"] => Some(DigestOffer::Sha256Md5),
        _ => {
            let remedy = "write [\"md5\"], [\"sha-256\"] or both, the one that is offered first in front";
            reader.wrong(
                &texts.span,
                "`digest` in [sip] names algorithms that Telex does not have",
                "not these",
                remedy,
            );
            None
        }
    }
}

fn timers(reader: &mut Reader, sip: Option<Section<'_>>) -> SipTimers {
    let default = SipTimers::default();
    let Some(sip) = sip else { return default };
    let mut time =
        |key, least, most, default| reader.time(sip, key, least, most).map_or(default, |t| t.value);
    SipTimers {
        t1: time("t1", 50 * MS, 10 * SECOND, default.t1),
        t2: time("t2", 100 * MS, 60 * SECOND, default.t2),
        t4: time("t4", 100 * MS, 60 * SECOND, default.t4),
        timer_c: time("timer_c", 60 * SECOND, HOUR, default.timer_c),
    }
}

fn registrar(reader: &mut Reader, root: &DeTable<'_>) -> RegistrarConfig {
    let default = RegistrarConfig::default();
    let Some(section) = reader.section(root, "registrar") else { return default };
    let day = 24 * HOUR;
    let min = reader.time(section, "min_expires", SECOND, HOUR);
    let max = reader.time(section, "max_expires", SECOND, 30 * day);
    let given = reader.time(section, "default_expires", SECOND, 30 * day);
    let min_expires = min.as_ref().map_or(default.min_expires, |t| t.value);
    let max_expires = max.as_ref().map_or(default.max_expires.max(min_expires), |t| t.value);
    let default_expires = given
        .as_ref()
        .map_or(default.default_expires.clamp(min_expires.min(max_expires), max_expires), |t| t.value);
    ordered(reader, &[&min, &given, &max], [min_expires, default_expires, max_expires]);
    let most = u32::try_from(limits::BINDINGS_PER_AOR).unwrap_or(u32::MAX);
    RegistrarConfig {
        min_expires,
        max_expires,
        default_expires,
        max_contacts: reader
            .number(section, "contacts", 1..most + 1)
            .map_or(default.max_contacts, |n| n as usize),
        nonce_life: reader.time(section, "nonce", 5 * SECOND, day).map_or(default.nonce_life, |t| t.value),
    }
}

fn ordered(reader: &mut Reader, given: &[&Option<At<Duration>>; 3], values: [Duration; 3]) {
    let [min, default, max] = values;
    let place: Option<Range<usize>> = given.iter().rev().find_map(|g| g.as_ref().map(|t| t.span.clone()));
    if let (false, Some(span)) = (min <= default && default <= max, place) {
        let title = "min_expires, default_expires and max_expires contradict each other";
        let label =
            format!("min {} s, default {} s, max {} s", min.as_secs(), default.as_secs(), max.as_secs());
        reader.wrong(
            &span,
            title,
            label,
            "choose them so that min_expires <= default_expires <= max_expires",
        );
    }
}

fn session(reader: &mut Reader, call: Option<Section<'_>>) -> SessionConfig {
    let default = SessionConfig::default();
    let Some(call) = call else { return default };
    // RFC 4028 section 5: no session interval may be shorter than 90 seconds.
    let least = 90 * SECOND;
    let min = reader.time(call, "min_session", least, 24 * HOUR).map_or(default.min_se, |t| t.value);
    let given = reader.time(call, "session", least, 24 * HOUR);
    let expires = given.as_ref().map_or(default.expires.max(min), |t| t.value);
    if let (true, Some(given)) = (expires < min, given) {
        let label = format!("shorter than min_session, {} s", min.as_secs());
        reader.wrong(
            &given.span,
            "`session` is shorter than `min_session`",
            label,
            "make it at least as long",
        );
    }
    SessionConfig { expires, min_se: min }
}

#[cfg(test)]
mod tests;
