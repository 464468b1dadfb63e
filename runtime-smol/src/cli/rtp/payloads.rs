//! What payload types stand for: by RFC 3551, by a session description, by the command line.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use telex_audio::codec::Encoding;
use telex_engine::sdp::{Rtpmap, Session, Writer};

/// First payload type without a fixed meaning (RFC 3551 §3).
pub(super) const DYNAMIC: u8 = 96;

/// What a payload type stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Sound.
    Sound(Encoding),
    /// What silence sounds like (RFC 3389), with the clock rate.
    Noise(u32),
    /// Keys pressed (RFC 4733), with the clock rate.
    Keys(u32),
    /// Something known by name only.
    Other(String),
}

/// One `--payload`: a number and what it stands for.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Given {
    number: u8,
    meaning: Meaning,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, name) =
            text.split_once('=').ok_or("write it as NUMBER=NAME/CLOCK, for example 96=opus/48000")?;
        let number = number.parse().ok().filter(|n| *n < 128).ok_or("payload types are 0 to 127")?;
        let meaning = match Encoding::from_name(name) {
            Some(encoding) => Meaning::Sound(encoding),
            None => special(name).ok_or_else(|| {
                format!("{name:?} is not known; known are {}, cn, telephone-event", names())
            })?,
        };
        Ok(Self { number, meaning })
    }
}

/// What is neither sound nor unknown: `telephone-event/8000`, `CN`.
fn special(text: &str) -> Option<Meaning> {
    let (name, clock) = text.split_once('/').unwrap_or((text, "8000"));
    let clock = clock.parse().ok().filter(|clock| *clock > 0)?;
    match name.to_ascii_lowercase().as_str() {
        "telephone-event" => Some(Meaning::Keys(clock)),
        "cn" => Some(Meaning::Noise(clock)),
        _ => None,
    }
}

/// All encodings as people write them: `pcmu, pcma, L16/16000`.
pub(crate) fn names() -> String {
    let mut names: Vec<String> = Vec::new();
    for encoding in Encoding::all() {
        let properties = encoding.properties();
        let several = Encoding::all().filter(|e| e.properties().name == properties.name).count() > 1;
        let name = properties.name.to_ascii_lowercase();
        names.push(if several { format!("{name}/{}", properties.clock) } else { name });
    }
    names.join(", ")
}

/// What every payload type stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Payloads(BTreeMap<u8, Meaning>);

impl Payloads {
    /// Those of RFC 3551.
    pub(super) fn fixed() -> Self {
        let fixed = Encoding::all().filter_map(|e| Some((e.properties().payload_type?, Meaning::Sound(e))));
        Self(fixed.chain([(13, Meaning::Noise(8000))]).collect())
    }

    /// Adds what a session description says of its first audio; and where it expects packets.
    pub(super) fn describe(&mut self, text: &[u8]) -> Result<Option<SocketAddr>, String> {
        let session = Session::parse(text).map_err(|e| e.to_string())?;
        let media = session.media().find(|m| m.line.kind == "audio").ok_or("it describes no audio")?;
        for map in
            media.section.attributes().filter(|a| a.name == "rtpmap").filter_map(|a| Rtpmap::parse(a.value))
        {
            let meaning = match Encoding::from_rtpmap(map.name, map.clock, map.channels.into()) {
                Some(encoding) => Meaning::Sound(encoding),
                None => {
                    let name = format!("{}/{}", map.name, map.clock);
                    special(&name).unwrap_or(Meaning::Other(name))
                }
            };
            self.0.insert(map.number, meaning);
        }
        let connection = media.section.connection().or(session.connection());
        let host = connection.and_then(|c| c.address.ip());
        Ok(host.filter(|_| media.line.port > 0).map(|host| SocketAddr::new(host, media.line.port)))
    }

    /// [`Payloads::describe`] from a file.
    pub(super) fn read(&mut self, path: &Path) -> Result<Option<SocketAddr>, String> {
        let text = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        self.describe(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Adds what the command line says.
    pub(super) fn give(&mut self, given: &[Given]) {
        self.0.extend(given.iter().map(|g| (g.number, g.meaning.clone())));
    }

    /// What it stands for.
    pub(super) fn of(&self, number: u8) -> Option<&Meaning> {
        self.0.get(&number)
    }
}

/// A session description for whoever shall receive such a stream.
pub(super) fn description(
    to: SocketAddr,
    from: IpAddr,
    (number, encoding): (u8, Encoding),
    ptime: u32,
) -> Vec<u8> {
    let family = |ip: IpAddr| if ip.is_ipv4() { "IP4" } else { "IP6" };
    let properties = encoding.properties();
    let channels = properties.channels;
    let map = Rtpmap { number, name: properties.name, clock: properties.clock, channels };
    Writer::default()
        .line('v', 0)
        .line('o', format_args!("telex 0 0 IN {} {from}", family(from)))
        .line('s', "telex rtp send")
        .line('c', format_args!("IN {} {}", family(to.ip()), to.ip()))
        .line('t', "0 0")
        .line('m', format_args!("audio {} RTP/AVP {number}", to.port()))
        .attribute("rtpmap", map)
        .attribute("ptime", ptime)
        .property("sendonly")
        .finish()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_what_numbers_mean() {
        let mut payloads = Payloads::fixed();
        let text = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 4 RTP/AVP 96\n\
            m=audio 5004 RTP/AVP 0 97 98 99\na=rtpmap:97 L16/16000\na=rtpmap:98 telephone-event/8000\n\
            a=rtpmap:99 MPA/90000\n";
        let at = payloads.describe(text.as_bytes()).unwrap();
        assert_eq!(at, Some("127.0.0.1:5004".parse().unwrap()));
        assert_eq!(payloads.of(0), Some(&Meaning::Sound(Encoding::Pcmu)));
        assert_eq!(payloads.of(97), Some(&Meaning::Sound(Encoding::L16 { rate: 16_000 })));
        assert_eq!(payloads.of(98), Some(&Meaning::Keys(8000)));
        assert_eq!(payloads.of(99), Some(&Meaning::Other("MPA/90000".to_owned())));
        assert_eq!(payloads.of(96), None);
        payloads.give(&["96=pcma".parse().unwrap(), "0=telephone-event/16000".parse().unwrap()]);
        assert_eq!(payloads.of(96), Some(&Meaning::Sound(Encoding::Pcma)));
        assert_eq!(payloads.of(0), Some(&Meaning::Keys(16_000)));
        assert!(payloads.describe(b"hello").unwrap_err().contains("line 1"));
    }

    #[test]
    fn what_is_written_is_read() {
        for encoding in Encoding::all() {
            let to = "[::1]:4000".parse().unwrap();
            let mut payloads = Payloads::default();
            let text = description(to, "127.0.0.1".parse().unwrap(), (100, encoding), 20);
            assert_eq!(payloads.describe(&text).unwrap(), Some(to));
            assert_eq!(payloads.of(100), Some(&Meaning::Sound(encoding)));
        }
    }

    #[test]
    fn wrong_payloads_are_told_why() {
        for (text, why) in [
            ("96", "NUMBER=NAME/CLOCK"),
            ("128=pcmu", "0 to 127"),
            ("x=pcmu", "0 to 127"),
            ("96=tetra", "known are pcmu, pcma"),
        ] {
            let told = text.parse::<Given>().unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
