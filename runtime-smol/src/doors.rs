//! Doors for the fuzz targets: what octets of strangers reach in this crate. No part of any interface.

use std::path::Path;

use telex_engine::border::Control;

/// Reads the text of a configuration file: whether it can be used, or what is shown to whoever wrote it.
pub fn config(text: &str) -> Result<(), String> {
    let settings =
        crate::config::parse(Path::new("telex.toml"), text).map_err(|refused| refused.render(false))?;
    // What listening sockets and media ports are made of.
    debug_assert!(!settings.listen.is_empty(), "a configuration listens somewhere");
    debug_assert!(settings.media_ports.pairs().all(|port| port % 2 == 0));
    Ok(())
}

/// Reads a line of the control socket.
pub fn request(line: &str) -> Option<Control> {
    match serde_json::from_str::<crate::control::Request>(line).ok()?.split() {
        crate::control::Asked::Engine(control) => Some(control),
        _ => None,
    }
}
