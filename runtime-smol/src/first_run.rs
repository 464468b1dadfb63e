//! The first start in a folder: a configuration with two phones, ready to be typed into them.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use telex_engine::rng::{Purpose, Rng, Seed};

use crate::config::sample;
use crate::driver::interfaces;

/// Writes a configuration to `path`, readable for this user only; gives what to tell that user.
///
/// Errors when the file exists or cannot be written.
pub(crate) fn write(path: &Path) -> io::Result<String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut rng = Rng::new(Seed::from_bytes(seed), Purpose::Tag);
    let passwords = [password(&mut rng), password(&mut rng)];
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(sample(&passwords[0], &passwords[1]).as_bytes())?;
    let server = interfaces().first().map_or(IpAddr::from([127, 0, 0, 1]), |i| i.address);
    Ok(welcome(path, &passwords, server))
}

/// Sixty random bits that are easily read out and typed.
fn password(rng: &mut Rng) -> String {
    [rng.token::<4>(), rng.token::<4>(), rng.token::<4>()].join("-")
}

fn welcome(path: &Path, passwords: &[String; 2], server: IpAddr) -> String {
    let server = std::net::SocketAddr::new(server, 5060);
    let [first, second] = passwords;
    format!(
        "telex {} — no configuration found, wrote {} with two phones\n  \
           phone   password          server\n  \
           100     {first}    {server} (UDP or TCP)\n  \
           101     {second}\n  \
           try: *43 echo test · *60 tone · call 101 from 100\n",
        env!("CARGO_PKG_VERSION"),
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_right_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.toml");
        let told = write(&path).unwrap();
        let settings = crate::config::load(&path).unwrap();
        assert_eq!(settings.engine.phones.keys().collect::<Vec<_>>(), ["100", "101"]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let password = told.lines().nth(2).unwrap().split_whitespace().nth(1).unwrap();
        assert_eq!(password.len(), 14);
        assert!(text.contains(&format!("password = \"{password}\"")), "{told}");
        assert_eq!(write(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn the_welcome_lines_up() {
        let passwords = ["k7f2-aaaa-bbbb".to_owned(), "p9dm-cccc-dddd".to_owned()];
        insta::assert_snapshot!(welcome(Path::new("telex.toml"), &passwords, IpAddr::from([192, 168, 1, 50])), @r#"
        telex 0.1.0 — no configuration found, wrote telex.toml with two phones
          phone   password          server
          100     k7f2-aaaa-bbbb    192.168.1.50:5060 (UDP or TCP)
          101     p9dm-cccc-dddd
          try: *43 echo test · *60 tone · call 101 from 100
        "#);
    }
}
