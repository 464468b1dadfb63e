//! A telephone of a few lines: it registers, calls the echo, speaks and listens, and knows how long that took.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use telex_engine::auth::{Challenge, Login, answer};
use telex_engine::sip::{DigestChallenge, HeaderName, Message, Status, Writer};

use crate::exchange::PASSWORD;

/// Packets of audio in one call: half a second.
const PACKETS: u16 = 25;
/// Timer T1 and how often a request is sent in all (RFC 3261 §17.1.1.2).
const T1: Duration = Duration::from_millis(500);
const SENT: u32 = 6;

/// A telephone with a socket for SIP and one for audio.
#[derive(Debug)]
pub struct Phone {
    user: String,
    server: SocketAddr,
    sip: UdpSocket,
    rtp: UdpSocket,
    cseq: u32,
    calls: u32,
}

/// What came of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called {
    /// From the first INVITE to the 200, with the challenge.
    pub setup: Duration,
    /// Packets sent.
    pub sent: u16,
    /// Packets of them that came back.
    pub heard: u16,
}

impl Phone {
    /// A telephone of `user`, whose password is [`PASSWORD`], on an address of its own.
    ///
    /// # Panics
    /// When it finds no ports.
    pub fn new(user: &str, server: SocketAddr, address: std::net::Ipv4Addr) -> Self {
        let bind = || UdpSocket::bind((address, 0)).unwrap_or_else(|e| panic!("{address}: {e}"));
        Self { user: user.to_owned(), server, sip: bind(), rtp: bind(), cseq: 0, calls: 0 }
    }

    /// Where it is.
    ///
    /// # Panics
    /// Never.
    pub fn address(&self) -> SocketAddr {
        self.sip.local_addr().expect("it is bound")
    }

    /// Registers; the last REGISTER it sent, to be sent again by a thief.
    ///
    /// # Panics
    /// When it is refused.
    pub fn register(&mut self) -> Vec<u8> {
        let uri = "sip:telex".to_owned();
        let to = format!("sip:{}@telex", self.user);
        let (answer, sent) = self.authorised("REGISTER", &uri, &to, "Expires: 600\r\n", "");
        assert_eq!(answer.status().map(Status::code), Some(200), "REGISTER of {}", self.user);
        sent
    }

    /// Calls the echo, speaks for half a second and hangs up.
    ///
    /// # Errors
    /// With what went wrong.
    pub fn call(&mut self) -> Result<Called, String> {
        self.calls += 1;
        let local = self.rtp.local_addr().map_err(|e| e.to_string())?;
        let (ip, port) = (local.ip(), local.port());
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
        let began = Instant::now();
        let uri = "sip:*43@telex";
        let (answered, _) = self.authorised("INVITE", uri, uri, "", &sdp);
        let setup = began.elapsed();
        let code = answered.status().map(Status::code);
        if code != Some(200) {
            return Err(format!("INVITE of {} ended with {code:?} after {setup:?}", self.user));
        }
        let to = answered.to().map_err(|e| e.to_string())?;
        let to = format!("{uri}>;tag={}", to.tag().unwrap_or_default());
        self.send(&self.request("ACK", uri, &to, self.cseq, "", ""));
        let heard = self.speak(answered.body())?;
        self.cseq += 1;
        let bye = self.request("BYE", uri, &to, self.cseq, "", "");
        let ended = self.ask(&bye).and_then(|m| m.status()).map(Status::code);
        if ended != Some(200) {
            return Err(format!("BYE of {} ended with {ended:?}", self.user));
        }
        Ok(Called { setup, sent: PACKETS, heard })
    }

    /// Calls the echo and never acknowledges that it answered. The status of the answer.
    pub fn abandon_call(&mut self) -> Option<u16> {
        self.calls += 1;
        let ip = self.address().ip();
        let sdp =
            format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n");
        let uri = "sip:*43@telex";
        self.authorised("INVITE", uri, uri, "", &sdp).0.status().map(Status::code)
    }

    /// Registers with more header fields. The status of the answer.
    pub fn register_with(&mut self, more: &str) -> Option<u16> {
        let to = format!("sip:{}@telex", self.user);
        self.authorised("REGISTER", "sip:telex", &to, more, "").0.status().map(Status::code)
    }

    /// Subscribes to `package` of another. The status of the answer.
    pub fn subscribe(&mut self, whom: &str, package: &str) -> Option<u16> {
        self.calls += 1;
        let uri = format!("sip:{whom}@telex");
        let more = format!("Event: {package}\r\nExpires: 600\r\n");
        self.authorised("SUBSCRIBE", &uri, &uri, &more, "").0.status().map(Status::code)
    }

    /// Waits for a NOTIFY and answers it. Its body; `None` when none comes in that time.
    pub fn notified(&self, patience: Duration) -> Option<String> {
        let mut room = [0; 65_536];
        let until = Instant::now() + patience;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|t| !t.is_zero()) {
            self.sip.set_read_timeout(Some(left)).ok()?;
            let Ok((length, _)) = self.sip.recv_from(&mut room) else { continue };
            let Ok(message) = Message::parse(room[..length].to_vec().into()) else { continue };
            if message.method_name() != "NOTIFY" || !message.is_request() {
                continue;
            }
            let mut answer = Writer::response(Status::OK, "");
            for name in
                [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
            {
                answer.copy(&message, name);
            }
            self.send(&answer.finish());
            return Some(String::from_utf8_lossy(message.body()).into_owned());
        }
        None
    }

    /// Sends packets every 20 ms and counts those that come back.
    fn speak(&mut self, sdp: &[u8]) -> Result<u16, String> {
        let sdp = String::from_utf8_lossy(sdp);
        let line = |start: &str| sdp.lines().find_map(|l| l.strip_prefix(start)).map(str::trim);
        let ip = line("c=IN IP4 ").ok_or("no address in the answer")?;
        let port = line("m=audio ").and_then(|l| l.split(' ').next()).ok_or("no port in the answer")?;
        let there: SocketAddr = format!("{ip}:{port}").parse().map_err(|_| "a bad address in the answer")?;
        self.rtp.set_nonblocking(true).map_err(|e| e.to_string())?;
        let (mut heard, mut room) = (0, [0; 2048]);
        for n in 0..PACKETS + 25 {
            if n < PACKETS {
                let mut packet = vec![0x80, 0, (n >> 8) as u8, n as u8];
                packet.extend((u32::from(n) * 160).to_be_bytes());
                packet.extend(self.calls.to_be_bytes());
                packet.extend([0x55; 160]);
                let _ = self.rtp.send_to(&packet, there);
            } else if heard == PACKETS {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            while let Ok((length, _)) = self.rtp.recv_from(&mut room) {
                // Audio, not RTCP; of this call, or it would not be counted to it.
                heard += u16::from(length == 172);
            }
        }
        Ok(heard)
    }

    /// Asks, and asks again with credentials when it is challenged; the answer and what was sent last.
    fn authorised(&mut self, method: &str, uri: &str, to: &str, more: &str, sdp: &str) -> (Message, Vec<u8>) {
        self.cseq += 1;
        let to = format!("{to}>");
        let first = self.request(method, uri, &to, self.cseq, more, sdp);
        let nothing = || Message::parse("SIP/2.0 408 Nothing\r\n\r\n".into()).expect("it is a response");
        let Some(refusal) = self.ask(&first) else { return (nothing(), first) };
        if refusal.status() != Some(Challenge::Www.status()) {
            return (refusal, first);
        }
        if method == "INVITE" {
            self.send(&self.request("ACK", uri, &to, self.cseq, "", ""));
        }
        let value = refusal.header(Challenge::Www.header()).unwrap_or_default();
        let login = Login { user: (&self.user).into(), password: PASSWORD.into() };
        let credentials = DigestChallenge::parse(value)
            .ok()
            .and_then(|challenge| answer(&challenge, &login, method, uri, "c0ffee", 1));
        self.cseq += 1;
        let more = format!("Authorization: {}\r\n{more}", credentials.unwrap_or_default());
        let second = self.request(method, uri, &to, self.cseq, &more, sdp);
        (self.ask(&second).unwrap_or_else(nothing), second)
    }

    fn request(&self, method: &str, uri: &str, to: &str, cseq: u32, more: &str, sdp: &str) -> Vec<u8> {
        let (user, here, calls) = (&self.user, self.address(), self.calls);
        // The ACK of a 2xx is no part of the INVITE's transaction.
        let own = if method == "ACK" && to.contains(";tag=") { "a" } else { "" };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{user}{calls}.{cseq}{own};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@telex>;tag={user}{calls}\r\nTo: <{to}\r\n\
             Call-ID: {user}{calls}@{here}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{user}@{here}>\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
        .into_bytes()
    }

    fn send(&self, octets: &[u8]) {
        let _ = self.sip.send_to(octets, self.server);
    }

    /// Sends a request as often as a transaction would, and gives its final response.
    fn ask(&self, request: &[u8]) -> Option<Message> {
        let mut room = [0; 65_536];
        for n in 0..SENT {
            self.send(request);
            let until = Instant::now() + T1 * 2u32.pow(n);
            while let Some(left) = until.checked_duration_since(Instant::now()).filter(|t| !t.is_zero()) {
                self.sip.set_read_timeout(Some(left)).ok()?;
                let Ok((length, _)) = self.sip.recv_from(&mut room) else { break };
                let message = Message::parse(room[..length].to_vec().into()).ok()?;
                let ours = message.cseq().is_ok_and(|c| c.number == self.cseq);
                if ours && message.status().is_some_and(Status::is_final) {
                    return Some(message);
                }
            }
        }
        None
    }
}
