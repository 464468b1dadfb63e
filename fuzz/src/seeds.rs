//! Writes the seeds of all targets into `corpus/` from the messages in `../conformance/messages`.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use telex_engine::sip::{HeaderName, Message};

fn main() -> std::io::Result<()> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    let mut put = |target: &str, octets: &[u8]| -> std::io::Result<()> {
        let folder = home.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        count += 1;
        fs::write(folder.join(format!("seed-{count:04}")), octets)
    };
    for folder in fs::read_dir(home.join("../conformance/messages"))? {
        for file in fs::read_dir(folder?.path())? {
            let octets = fs::read(file?.path())?;
            put("message", &octets)?;
            put("framer", &[b"\x20", &octets[..]].concat())?;
            let Ok(message) = Message::parse(Bytes::from(octets)) else { continue };
            put("uri", message.request_uri().as_bytes())?;
            for name in [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Via] {
                for value in message.values(name) {
                    put("uri", value.as_bytes())?;
                }
            }
            if message.content_type().is_some_and(|t| t.is_ok_and(|t| t.is("application", "sdp"))) {
                put("sdp", message.body())?;
            }
        }
    }
    // A packet of speech, one of RTCP, one of STUN.
    put("rtp", &[&[0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4][..], &[0xff; 160]].concat())?;
    put("rtp", &[0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 202, 0, 2, 1, 2, 3, 4, 1, 1, b'a', 0])?;
    put("rtp", &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
}
