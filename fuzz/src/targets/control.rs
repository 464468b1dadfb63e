//! A line on the control socket.

pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let _ = telex::doors::request(text);
}
