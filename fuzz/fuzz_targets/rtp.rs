//! One datagram on a media port.
#![cfg_attr(fuzzing, no_main)]

use telex_engine::rtp::{Compound, Packet, TelephoneEvent, classify};

fn check(octets: &[u8]) {
    let _ = classify(octets);
    if let Ok(packet) = Packet::parse(octets) {
        assert!(packet.payload.len() + packet.csrcs.len() + 12 <= octets.len());
        if let Some(event) = TelephoneEvent::parse(packet.payload) {
            let _ = event.key();
            assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
        }
    }
    if let Ok(compound) = Compound::parse(octets) {
        assert!(compound.packets().count() > 0);
    }
}

telex_fuzz::target!(check);
