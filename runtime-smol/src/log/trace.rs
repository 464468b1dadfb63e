//! SIP messages as `telex run --trace-sip` shows them.

use std::fmt::Write as _;
use std::net::SocketAddr;

use telex_engine::border::Transport;

use super::escape;

/// Where a traced message came from or goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading {
    /// Whether it was received, rather than sent.
    pub(crate) received: bool,
    /// What it went over.
    pub(crate) transport: Transport,
    /// The peer, if the stream is still known.
    pub(crate) remote: Option<SocketAddr>,
}

/// Appends a message: a heading, then its lines, each behind a bar and escaped, so that no line of a message can be
/// taken for a line of the log.
pub(crate) fn trace(heading: &Heading, message: &[u8], out: &mut String) {
    let way = if heading.received { "received from" } else { "sent to" };
    let transport = heading.transport.as_str();
    let _ = match heading.remote {
        Some(remote) => write!(out, "{way} {remote} over {transport}, {} octets", message.len()),
        None => write!(out, "{way} a stream over {transport}, {} octets", message.len()),
    };
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    for line in message.split(|&b| b == b'\n') {
        out.push_str("\n  |");
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            out.push(' ');
            write_line(line, out);
        }
    }
}

fn write_line(line: &[u8], out: &mut String) {
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            let _ = escape(c, out);
        }
        for octet in chunk.invalid() {
            let _ = write!(out, "\\x{octet:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_a_line_of_the_log() {
        let heading = Heading {
            received: true,
            transport: Transport::Udp,
            remote: Some("192.0.2.1:5060".parse().unwrap()),
        };
        let mut out = String::new();
        trace(&heading, b"OPTIONS sip:a SIP/2.0\r\nX: \x1b[2J\xff\r2026\r\n\r\n", &mut out);
        insta::assert_snapshot!(out, @r#"
        received from 192.0.2.1:5060 over UDP, 40 octets
          | OPTIONS sip:a SIP/2.0
          | X: \x1b[2J\xff\r2026
          |
        "#);
    }
}
