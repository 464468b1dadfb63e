//! How playout sounds on networks that are not clean, beside the simplest buffer there is.

mod fixed;
mod measure;
mod network;
mod speech;

use telex_audio::codec::Encoding;

use measure::Material;
use network::{CLEAN, MS, Trace};

const TRACES: &[Trace] = &[
    CLEAN,
    Trace { name: "jitter 20 ms", jitter: 20 * MS, ..CLEAN },
    Trace { name: "jitter 60 ms", jitter: 60 * MS, ..CLEAN },
    Trace { name: "jitter 100 ms", jitter: 100 * MS, ..CLEAN },
    Trace { name: "reordering 50 ms", jitter: 50 * MS, ordered: false, ..CLEAN },
    Trace { name: "loss 1 %", loss: 10, ..CLEAN },
    Trace { name: "loss 5 %", loss: 50, ..CLEAN },
    Trace { name: "loss 10 %", loss: 100, ..CLEAN },
    Trace { name: "loss 20 %", loss: 200, ..CLEAN },
    Trace { name: "loss 5 %, by 4", loss: 50, burst: 4, ..CLEAN },
    Trace { name: "loss 5 %, jitter 40 ms", loss: 50, jitter: 40 * MS, ..CLEAN },
    Trace { name: "wifi, calm", jitter: 5 * MS, holdups: Some((5000, 150)), ..CLEAN },
    Trace { name: "wifi, busy", jitter: 10 * MS, holdups: Some((1000, 200)), ..CLEAN },
    Trace { name: "recorded, busy host", recorded: Some(include_str!("traces/busy-host.txt")), ..CLEAN },
    Trace { name: "silence not sent", jitter: 10 * MS, dtx: true, ..CLEAN },
    Trace { name: "packets of 60 ms", jitter: 20 * MS, packet: 60, ..CLEAN },
    Trace { name: "an hour, +200 ppm", seconds: 3600, jitter: 5 * MS, drift: 200, ..CLEAN },
    Trace { name: "an hour, -200 ppm", seconds: 3600, jitter: 5 * MS, drift: -200, ..CLEAN },
];

/// The table of one codec. To accept a change: `INSTA_UPDATE=always cargo test -p telex-audio --test quality`.
fn table(encoding: Encoding) -> String {
    let mut table = String::from(measure::HEAD);
    let mut materials: Vec<Material> = Vec::new();
    for trace in TRACES {
        // The codec makes no difference to the clocks.
        if trace.seconds > 600 && encoding != Encoding::Pcmu {
            continue;
        }
        let known = materials.iter().position(|material| material.fits(trace)).unwrap_or_else(|| {
            materials.push(Material::new(encoding, trace.seconds, trace.packet));
            materials.len() - 1
        });
        table += &materials[known].row(trace);
    }
    table
}

#[test]
fn pcmu() {
    insta::assert_snapshot!(table(Encoding::Pcmu));
}

#[test]
fn gsm() {
    insta::assert_snapshot!(table(Encoding::Gsm));
}

#[test]
fn g729() {
    insta::assert_snapshot!(table(Encoding::G729));
}

#[test]
fn speex() {
    insta::assert_snapshot!(table(Encoding::Speex { clock: 8000 }));
}

#[test]
fn g722() {
    insta::assert_snapshot!(table(Encoding::G722));
}

#[test]
fn opus() {
    insta::assert_snapshot!(table(Encoding::Opus));
}
