//! Whether octets begin like a SIP message, on whatever port they are found.

use memchr::memchr;

/// Octets of the longest start line that is looked for.
const LINE_OCTETS: usize = 8192;
/// Octets of the longest method name.
const METHOD_OCTETS: usize = 64;

/// What octets begin like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// A SIP message.
    Sip,
    /// Something else.
    Other,
    /// Too short to tell.
    Unclear,
}

/// Tells by the first line. Line breaks before it are passed over (RFC 3261 §7.5).
pub(crate) fn begins(octets: &[u8]) -> Begins {
    let octets = without_breaks(octets);
    let Some(first) = octets.first() else { return Begins::Unclear };
    if !is_token(*first) {
        return Begins::Other;
    }
    let line = match memchr(b'\n', octets.get(..LINE_OCTETS).unwrap_or(octets)) {
        Some(end) => octets.get(..end).unwrap_or_default().trim_ascii_end(),
        None => return unfinished(octets),
    };
    if is_version(line.get(..8).unwrap_or_default()) || is_request(line) {
        Begins::Sip
    } else {
        Begins::Other
    }
}

/// As [`begins`], for octets to which nothing can be added: a start line without end will do if it cannot be anything
/// else.
pub(crate) fn is_sip(datagram: &[u8]) -> bool {
    match begins(datagram) {
        Begins::Sip => true,
        Begins::Other => false,
        Begins::Unclear => {
            let line = without_breaks(datagram);
            let method = line.iter().take_while(|&&b| is_token(b)).count();
            let uri = line.get(method..).unwrap_or_default();
            let schemes: [&[u8]; 3] = [b" sip:", b" sips:", b" tel:"];
            let request = method > 1 && schemes.iter().any(|scheme| uri.starts_with(scheme));
            request || line.len() >= 11 && is_version(line.get(..8).unwrap_or_default())
        }
    }
}

/// The octets without line breaks before them.
pub(crate) fn without_breaks(octets: &[u8]) -> &[u8] {
    let breaks = octets.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    octets.get(breaks..).unwrap_or_default()
}

/// `SIP/`, a version, and a blank.
fn is_version(octets: &[u8]) -> bool {
    let &[s, i, p, b'/', major, b'.', minor, after] = octets else { return false };
    let name = [s, i, p].eq_ignore_ascii_case(b"SIP");
    name && major.is_ascii_digit() && minor.is_ascii_digit() && matches!(after, b' ' | b'\t')
}

/// A method, a blank, anything, and a version of SIP.
fn is_request(line: &[u8]) -> bool {
    let method = line.iter().take_while(|&&b| is_token(b)).count();
    let Some(version) = line.len().checked_sub(8).and_then(|at| line.get(at..)) else { return false };
    let &[before, ref version @ ..] = version else { return false };
    let blank = |b| matches!(b, b' ' | b'\t');
    let between = line.get(method).copied().is_some_and(blank) && blank(before);
    let &[s, i, p, b'/', major, b'.', minor] = version else { return false };
    let named = [s, i, p].eq_ignore_ascii_case(b"SIP");
    (1..=METHOD_OCTETS).contains(&method)
        && between
        && named
        && major.is_ascii_digit()
        && minor.is_ascii_digit()
}

/// A first line that has no end yet.
fn unfinished(line: &[u8]) -> Begins {
    let method = line.iter().take_while(|&&b| is_token(b)).count();
    let status = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
    match line.get(method) {
        _ if line.len() >= LINE_OCTETS => Begins::Other,
        Some(b' ' | b'\t') if method <= METHOD_OCTETS => Begins::Unclear,
        Some(_) if !status => Begins::Other,
        _ if method <= METHOD_OCTETS => Begins::Unclear,
        _ => Begins::Other,
    }
}

/// Characters of a token (RFC 3261 §25.1).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sip_is_told_from_its_likes() {
        for sip in [
            "INVITE sip:bob@biloxi.com SIP/2.0\r\n",
            "\r\n\r\nSIP/2.0 200 OK\r\n",
            "sip/2.0 200 OK\n",
            "OPTIONS  sip:a   SIP/2.0  \r\n",
            "!odd%method` urn:x SIP/7.0\r\n",
            "INVITE <sip:user@example.com> SIP/2.0\n",
        ] {
            assert_eq!(begins(sip.as_bytes()), Begins::Sip, "{sip}");
        }
        for other in [
            "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n",
            "M-SEARCH * HTTP/1.1\r\n",
            "HTTP/1.1 200 OK\r\n",
            "GET /x SIP/2.0.html\r\n",
            "RTSP/1.0 200 OK\r\n",
            "SIP/2.0\r\n",
            "\u{80}\u{0}",
            "(hello",
            "hello\u{1}",
        ] {
            assert_eq!(begins(other.as_bytes()), Begins::Other, "{other}");
            assert!(!is_sip(other.as_bytes()));
        }
        for unclear in ["", "\r\n", "INVITE", "INVITE sip:bob@bi", "SIP/2.0 20"] {
            assert_eq!(begins(unclear.as_bytes()), Begins::Unclear, "{unclear}");
        }
    }

    #[test]
    fn a_datagram_cut_within_its_first_line_is_still_sip() {
        assert!(is_sip(b"INVITE sip:bob@bi") && is_sip(b"SIP/2.0 200 OK"));
        assert!(!is_sip(b"hello world") && !is_sip(b"\r\n\r\n") && !is_sip(b"a tel:1"));
    }
}
