//! Room for one test: a scratch directory, loopback addresses and ports that no other test uses.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::{env, fs, process, thread};

/// Ports of phones that only work on 127.0.0.1: under the range from which the kernel gives out its own.
const PHONE_PORTS: std::ops::Range<u16> = 30_000..32_700;

/// Room for one test. The directory goes when the test succeeds and stays, named in the output, when it fails.
#[derive(Debug)]
pub struct Ground {
    dir: PathBuf,
}

impl Ground {
    /// A new one for the test `name`.
    ///
    /// # Panics
    /// When the directory cannot be made.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("telex-{name}-{}-{count}", process::id()));
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        Self { dir }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file in its directory.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// A loopback address of its own, all of whose ports are free: 127.X.Y.Z with X and Y from the process number.
    pub fn address(&self) -> Ipv4Addr {
        static LAST: AtomicU16 = AtomicU16::new(1);
        let last = LAST.fetch_add(1, Ordering::Relaxed) % 250 + 2;
        let [.., high, low] = process::id().to_be_bytes();
        Ipv4Addr::new(127, 100 + high % 100, low, last as u8)
    }

    /// The first of `count` ports in a row on 127.0.0.1, free over UDP and TCP and given to nobody else here.
    ///
    /// # Panics
    /// When there are none.
    pub fn ports(&self, count: u16) -> u16 {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let span = PHONE_PORTS.len() as u16 - count;
        let first = (process::id() % u32::from(span)) as u16;
        for _ in 0..span / count {
            let turn = NEXT.fetch_add(count, Ordering::Relaxed) % span;
            let base = PHONE_PORTS.start + (first + turn) % span;
            if (base..base + count).all(is_free) {
                return base;
            }
        }
        panic!("no {count} free ports in a row within {PHONE_PORTS:?}");
    }
}

/// Whether nobody is bound to this port on 127.0.0.1.
fn is_free(port: u16) -> bool {
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
}

impl Drop for Ground {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- everything about this test is in {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tests_share_anything() {
        let (a, b) = (Ground::new("a"), Ground::new("a"));
        assert_ne!(a.dir(), b.dir());
        assert_ne!(a.address(), b.address());
        assert!(a.address().is_loopback());
        let (p, q) = (a.ports(3), b.ports(3));
        assert!(p + 3 <= q || q + 3 <= p, "{p} {q}");
    }

    #[test]
    fn a_directory_goes_with_its_test() {
        let ground = Ground::new("gone");
        let file = ground.write("f", "x");
        assert!(file.exists());
        drop(ground);
        assert!(!file.exists());
    }
}
