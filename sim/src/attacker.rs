//! Strangers: they send datagrams from addresses of their own, and nothing may come of it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use telex_engine::border::{Flow, Input, Transport};

use crate::luck::Draw;
use crate::oracle::{Cause, Entry, Exit, Verdict};
use crate::plan::{Attack, AttackKind};
use crate::text::{Build, Msg, Start};
use crate::voice::{LegId, Speaker};
use crate::world::{EXCHANGE, World};

/// Where attacker `n` is.
fn address(n: usize) -> SocketAddr {
    let low = u8::try_from(n % 200).unwrap_or(0) + 10;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 66, 0, low)), 5060)
}

/// Whether an attacker is there.
pub(crate) fn is_one(remote: SocketAddr) -> bool {
    matches!(remote.ip(), IpAddr::V4(v4) if v4.octets()[..3] == [10, 66, 0])
}

/// What attackers remember.
#[derive(Debug, Default)]
pub(crate) struct Loot {
    /// The last nonce that one of them was given.
    nonce: Option<String>,
}

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 10.66.0.9\r\ns=-\r\nc=IN IP4 10.66.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";

impl World<'_> {
    /// Attacker `n` tries for the `k`th time.
    pub(crate) fn attack(&mut self, n: usize, k: u32) -> Verdict {
        let attack = self.plan.attacks[n];
        let mut d = Draw::new(self.plan.seed, "attacker", ((n as u64) << 32) | u64::from(k));
        if attack.kind == AttackKind::Media {
            return self.spray(n, &mut d);
        }
        let Some(bytes) = self.weapon(n, k, attack, &mut d) else { return Ok(()) };
        let remote = address(n);
        let msg = Msg::read(&bytes);
        self.digest.octets(&bytes);
        self.border.received(remote, bytes.len());
        if let Some(msg) = &msg {
            self.border.enter_from_stranger(&Entry { now: self.now, msg, source: remote, sound: true });
        }
        let input = Input::Datagram { listener: crate::exchange::UDP, local: EXCHANGE, remote, bytes };
        self.tell(input, msg.as_ref())
    }

    /// A message leaves for an attacker.
    pub(crate) fn transmit_to_attacker(&mut self, flow: Flow, bytes: &Bytes, cause: Cause<'_>) -> Verdict {
        let (Flow::Datagram { remote, .. }, Some(msg)) = (flow, Msg::read(bytes)) else { return Ok(()) };
        for challenge in msg.all("www-authenticate") {
            self.loot.nonce =
                challenge.split("nonce=\"").nth(1).and_then(|t| t.split('"').next()).map(str::to_owned);
        }
        let exit = Exit {
            now: self.now,
            msg: &msg,
            raw: bytes,
            transport: Transport::Udp,
            waits: false,
            stream: None,
            remote,
            cause,
        };
        self.border.exit_to_stranger(&exit)
    }

    fn extension(&self, k: u32) -> String {
        let phones = &self.plan.phones;
        let at = usize::try_from(k).unwrap_or(0) % phones.len().max(1);
        phones.get(at).map_or_else(|| "100".to_owned(), |phone| phone.extension.clone())
    }

    fn weapon(&self, n: usize, k: u32, attack: Attack, d: &mut Draw) -> Option<Bytes> {
        let known = self.extension(k);
        Some(match attack.kind {
            AttackKind::Probe => self.probe(n, k),
            AttackKind::Guess => self.guess(n, k, &known, d),
            AttackKind::Call => {
                let to = self.extension(k + 1);
                request(n, k, "INVITE", &format!("sip:{to}@10.0.0.1"), &known, &to).body(SDP)
            }
            AttackKind::Replay => replayed(n, k, self.border.overheard()?)?,
            AttackKind::Bye => {
                let (call_id, user) = self.border.call_to_guess(d.bits())?;
                let uri = format!("sip:{user}@10.0.0.1");
                let head = start(n, k, "BYE", &uri)
                    .header("From", &format!("<sip:{known}@10.0.0.1>;tag=guess{:x}", d.bits()))
                    .header("To", &format!("<{uri}>;tag=guess{:x}", d.bits()))
                    .header("Call-ID", &call_id)
                    .header("CSeq", &format!("{} BYE", 100 + k));
                head.body("")
            }
            AttackKind::Noise => noise(d),
            AttackKind::Headers => headers(n, k, &known, d),
            AttackKind::Odd => odd(n, k, &known),
            AttackKind::Media => return None,
        })
    }

    /// The same question about somebody who exists, and then about somebody who does not.
    fn probe(&self, n: usize, k: u32) -> Bytes {
        let pair = k / 2;
        let known = k.is_multiple_of(2);
        let user = if known { self.extension(pair) } else { "nobody".to_owned() };
        let method = ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"][(pair % 5) as usize];
        let uri =
            if method == "REGISTER" { "sip:10.0.0.1".to_owned() } else { format!("sip:{user}@10.0.0.1") };
        let half = if known { "known" } else { "nobody" };
        let mut build = start(n, k, method, &uri)
            .header("From", &format!("<sip:{user}@10.0.0.1>;tag=probe"))
            .header("To", &format!("<sip:{user}@10.0.0.1>"))
            .header("Call-ID", &format!("probe-{n}-{pair}-{half}"))
            .header("CSeq", &format!("1 {method}"))
            .header("Contact", &format!("<sip:{user}@{}>", address(n)));
        if pair % 3 == 1 {
            let nonce = self.loot.nonce.as_deref().unwrap_or("0123456789");
            build = build.header(
                "Authorization",
                &credentials(&user, nonce, &uri, "00000000000000000000000000000000"),
            );
        }
        build.body(if method == "INVITE" { SDP } else { "" })
    }

    fn guess(&self, n: usize, k: u32, user: &str, d: &mut Draw) -> Bytes {
        let uri = "sip:10.0.0.1";
        let mut build = request(n, k, "REGISTER", uri, user, user).header("Expires", "3600");
        if let Some(nonce) = &self.loot.nonce {
            let response = format!("{:016x}{:016x}", d.bits(), d.bits());
            build = build.header("Authorization", &credentials(user, nonce, uri, &response));
        }
        build.body("")
    }

    /// One packet to every port, in nobody's sequence.
    fn spray(&mut self, n: usize, d: &mut Draw) -> Verdict {
        for port in self.exchange.ports() {
            let mut speaker = Speaker::new(LegId(u64::MAX), d.bits());
            let bytes = speaker.packet(0, 1, true);
            self.media_in(address(n), port, &bytes)?;
        }
        Ok(())
    }
}

fn start(n: usize, k: u32, method: &str, uri: &str) -> Build {
    let from = address(n);
    Build::request(method, uri)
        .header("Via", &format!("SIP/2.0/UDP {from};branch=z9hG4bKattack{n}x{k};rport"))
        .header("Max-Forwards", "70")
}

fn request(n: usize, k: u32, method: &str, uri: &str, from: &str, to: &str) -> Build {
    start(n, k, method, uri)
        .header("From", &format!("<sip:{from}@10.0.0.1>;tag=attack{k}"))
        .header("To", &format!("<sip:{to}@10.0.0.1>"))
        .header("Call-ID", &format!("attack-{n}-{k}"))
        .header("CSeq", &format!("1 {method}"))
        .header("Contact", &format!("<sip:{from}@{}>", address(n)))
}

fn credentials(user: &str, nonce: &str, uri: &str, response: &str) -> String {
    format!(
        "Digest username=\"{user}\", realm=\"telex\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=MD5, \
         qop=auth, nc=00000001, cnonce=\"c\", response=\"{response}\""
    )
}

/// What a phone sent, as from here.
fn replayed(n: usize, k: u32, overheard: &Msg) -> Option<Bytes> {
    let Start::Request { method, uri } = &overheard.start else { return None };
    let mut build = start(n, k, method, uri);
    for (name, value) in &overheard.headers {
        match name.as_str() {
            "via" | "max-forwards" | "content-length" | "content-type" | "record-route" => {}
            // Credentials do not cover these; with the old ones it would be the same call or registration.
            "call-id" => build = build.header("Call-ID", &format!("replayed-{n}-{k}")),
            "from" => {
                let from = value.split(";tag=").next().unwrap_or(value);
                build = build.header("From", &format!("{from};tag=replayed"));
            }
            "contact" => build = build.header("Contact", &format!("<sip:thief@{}>", address(n))),
            name => build = build.header(name, value),
        }
    }
    Some(build.body(std::str::from_utf8(&overheard.body).ok()?))
}

fn noise(d: &mut Draw) -> Bytes {
    let length = usize::try_from(d.between(0, 1400)).unwrap_or(0);
    let start: &[u8] = match d.between(0, 5) {
        0 => b"INVITE sip:100@10.0.0.1 SIP/2.0\r\n",
        1 => b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK",
        2 => b"\r\n\r\n",
        3 => b"REGISTER sip:10.0.0.1 SIP/2.0\r\nVia: ",
        _ => b"",
    };
    let mut bytes = start.to_vec();
    while bytes.len() < length {
        bytes.extend_from_slice(&d.bits().to_be_bytes());
    }
    Bytes::from(bytes)
}

fn headers(n: usize, k: u32, user: &str, d: &mut Draw) -> Bytes {
    let mut build = request(n, k, "INVITE", &format!("sip:{user}@10.0.0.1"), user, user);
    match d.between(0, 3) {
        0 => {
            for at in 0..400 {
                build = build.header(&format!("X-{at}"), "y");
            }
        }
        1 => build = build.header("Subject", &"s".repeat(60_000)),
        2 => {
            for at in 0..100 {
                build = build.header("Via", &format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{at}"));
            }
        }
        _ => {
            let mut contacts = String::new();
            for at in 0..2000 {
                let _ = write!(contacts, "<sip:{at}@192.0.2.1>,");
            }
            build = build.header("Contact", &contacts);
        }
    }
    build.body(SDP)
}

fn odd(n: usize, k: u32, user: &str) -> Bytes {
    let uri = format!("sip:{user}@10.0.0.1");
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    let plain = |method: &str| request(n, k, method, &uri, user, user);
    let invite = || text(plain("INVITE").body(SDP));
    let spoilt = match k % 10 {
        0 => text(plain("FROB").body("")),
        1 => text(plain("INVITE").header("Require", "magic").body(SDP)),
        2 => invite().replace("Content-Length: ", "Content-Length: 9"),
        3 => invite().replace("Content-Length: ", "Content-Length: -"),
        4 => invite().replace("Max-Forwards: 70", "Max-Forwards: 0"),
        5 => invite().replace("CSeq: 1 INVITE", "CSeq: 1 BYE"),
        6 => invite().replace("CSeq: 1 INVITE", "CSeq: 99999999999 INVITE"),
        7 => invite().replace("sip:", "frob:"),
        8 => text(plain("CANCEL").body("")),
        _ => text(plain("ACK").body(SDP)),
    };
    Bytes::from(spoilt)
}
