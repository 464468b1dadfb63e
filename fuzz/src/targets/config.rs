//! The text of a configuration file: read, or refused with something to read.

pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Err(shown) = telex::doors::config(text) {
        assert!(!shown.is_empty());
    }
}
