//! An application layer gateway: a box that knows a little SIP, and rewrites what passes. What it gets wrong is
//! what such boxes are known to get wrong.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::plan::Alg;
use crate::text::head_length;

/// Which parts of a message a gateway touches.
struct Habits {
    via: bool,
    contact: bool,
    sdp: bool,
    ports: bool,
    length: bool,
    rport: bool,
}

impl Habits {
    fn of(alg: Alg) -> Self {
        let all = Self { via: true, contact: true, sdp: true, ports: true, length: true, rport: false };
        match alg {
            Alg::Good => all,
            Alg::ForgetsLength => Self { length: false, ..all },
            Alg::ContactOnly => Self { via: false, sdp: false, ..all },
            Alg::BreaksPort => Self { ports: false, ..all },
            Alg::StripsRport => Self { via: false, contact: false, sdp: false, rport: true, ..all },
        }
    }
}

/// Rewrites a message of the phone at `private`. `outside` is its SIP socket as the world sees it, `pinhole` opens
/// a way in for one of its media ports and says which port the world has to use.
pub(crate) fn rewrite(
    alg: Alg,
    bytes: &Bytes,
    private: SocketAddr,
    outside: SocketAddr,
    pinhole: &mut dyn FnMut(u16) -> u16,
) -> Bytes {
    let Some(end) = head_length(bytes) else { return bytes.clone() };
    let (Ok(head), Ok(body)) = (std::str::from_utf8(&bytes[..end - 4]), std::str::from_utf8(&bytes[end..]))
    else {
        return bytes.clone();
    };
    let habits = Habits::of(alg);
    let body =
        if habits.sdp { description(body, private, outside, habits.ports, pinhole) } else { body.into() };
    let mut text = String::with_capacity(bytes.len() + 32);
    for line in head.split("\r\n") {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "via" | "v" if habits.via => text.push_str(&address(line, private, outside, habits.ports)),
            "via" | "v" if habits.rport => text.push_str(&line.replace(";rport", "")),
            "contact" | "m" if habits.contact => {
                text.push_str(&address(line, private, outside, habits.ports));
            }
            "content-length" | "l" if habits.length => {
                text.push_str(&format!("Content-Length: {}", body.len()));
            }
            _ => text.push_str(line),
        }
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(&body);
    Bytes::from(text)
}

/// A header line with the public address in place of the private one.
fn address(line: &str, private: SocketAddr, outside: SocketAddr, ports: bool) -> String {
    let whole =
        if ports { line.replace(&private.to_string(), &outside.to_string()) } else { line.to_owned() };
    whole.replace(&private.ip().to_string(), &outside.ip().to_string())
}

/// A session description with the public address and, if `ports`, a port that leads in.
fn description(
    body: &str,
    private: SocketAddr,
    outside: SocketAddr,
    ports: bool,
    pinhole: &mut dyn FnMut(u16) -> u16,
) -> String {
    let mut text = String::with_capacity(body.len() + 16);
    for line in body.split_inclusive('\n') {
        match line.strip_prefix("m=audio ").and_then(|rest| rest.split_once(' ')) {
            Some((port, rest)) if ports => {
                let inside = port.parse().unwrap_or(0);
                let port = if inside == 0 { 0 } else { pinhole(inside) };
                text.push_str(&format!("m=audio {port} {rest}"));
            }
            _ if line.starts_with("c=") || line.starts_with("o=") => {
                text.push_str(&address(line, private, outside, false));
            }
            _ => text.push_str(line),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Msg;

    const BODY: &str = "v=0\r\no=- 1 1 IN IP4 192.168.1.10\r\ns=-\r\nc=IN IP4 192.168.1.10\r\nt=0 0\r\n\
        m=audio 20000 RTP/AVP 0\r\na=sendrecv\r\n";

    fn through(alg: Alg) -> Msg {
        let text = format!(
            "INVITE sip:101@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bKa;rport\r\n\
             From: <sip:100@10.0.0.1>;tag=a\r\nContact: <sip:100@192.168.1.10:5060>\r\n\
             Content-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let private = "192.168.1.10:5060".parse().unwrap();
        let outside = "203.0.113.1:40007".parse().unwrap();
        let bytes = rewrite(alg, &Bytes::from(text), private, outside, &mut |port| {
            assert_eq!(port, 20_000);
            40_008
        });
        Msg::read(&bytes).unwrap()
    }

    fn places(alg: Alg) -> [String; 5] {
        let msg = through(alg);
        let body = String::from_utf8_lossy(&msg.body).into_owned();
        let line = |start: &str| body.lines().find(|l| l.starts_with(start)).unwrap().to_owned();
        let length =
            if msg.get("content-length") == Some(&msg.body.len().to_string()) { "right" } else { "wrong" };
        let via = msg.get("via").unwrap().split_once("UDP ").unwrap().1.replace(";branch=z9hG4bKa", "");
        [via, msg.uri("contact").unwrap().to_owned(), line("c="), line("m="), length.to_owned()]
    }

    #[test]
    fn each_gateway_has_its_habits() {
        let (pub_via, priv_via) = ("203.0.113.1:40007;rport", "192.168.1.10:5060;rport");
        let (pub_contact, priv_contact) = ("sip:100@203.0.113.1:40007", "sip:100@192.168.1.10:5060");
        let (pub_c, priv_c) = ("c=IN IP4 203.0.113.1", "c=IN IP4 192.168.1.10");
        let (pub_m, priv_m) = ("m=audio 40008 RTP/AVP 0", "m=audio 20000 RTP/AVP 0");
        assert_eq!(places(Alg::Good), [pub_via, pub_contact, pub_c, pub_m, "right"]);
        assert_eq!(places(Alg::ForgetsLength), [pub_via, pub_contact, pub_c, pub_m, "wrong"]);
        assert_eq!(places(Alg::ContactOnly), [priv_via, pub_contact, priv_c, priv_m, "right"]);
        let half = ["203.0.113.1:5060;rport", "sip:100@203.0.113.1:5060", pub_c, priv_m, "right"];
        assert_eq!(places(Alg::BreaksPort), half);
        assert_eq!(places(Alg::StripsRport), ["192.168.1.10:5060", priv_contact, priv_c, priv_m, "right"]);
    }

    #[test]
    fn what_is_no_message_passes_untouched() {
        let address = "192.168.1.10:5060".parse().unwrap();
        let keep_alive = Bytes::from_static(b"\r\n\r\n");
        let passed = rewrite(Alg::Good, &keep_alive, address, address, &mut |port| port);
        assert_eq!(passed, keep_alive);
    }
}
