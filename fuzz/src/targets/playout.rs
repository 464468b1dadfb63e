//! Packets of any numbers and times into a playout: it gives as many samples as it is asked for, and its counts add up.

use std::time::Duration;

use telex_audio::codec::Encoding;
use telex_audio::playout::{Content, Packet, Playout, Settings};
use telex_audio::red::Blocks;

pub(crate) fn check(octets: &[u8]) {
    let [rate, rest @ ..] = octets else { return };
    let encodings: Vec<Encoding> = Encoding::all().collect();
    let rate = [8000, 16_000, 48_000][usize::from(rate % 3)];
    let mut playout = Playout::new(rate, Settings::default());
    let mut now = Duration::ZERO;
    let (mut sequence, mut timestamp) = (0_u16, 0_u32);
    let mut pcm = Vec::new();
    let mut sound: Vec<u8> = Vec::new();
    for step in rest.chunks(6) {
        let [kind, time, number, stamp, length, fill] = *step else { return };
        now += Duration::from_micros(u64::from(time) * [10, 1000, 20_000, 1_000_000][usize::from(kind >> 6)]);
        match kind % 8 {
            0 => playout.restart(),
            1 => playout.set_rate([8000, 16_000, 48_000][usize::from(number % 3)]),
            2 | 3 => {
                pcm.clear();
                let samples = 80 * (1 + usize::from(number % 12));
                let pulled = playout.pull(now, samples, &mut pcm);
                assert_eq!(pcm.len(), samples);
                let told = pulled.sound + pulled.concealed + pulled.noise + pulled.silence;
                assert_eq!(told, samples, "{pulled:?}");
            }
            4 => {
                sequence = sequence.wrapping_add(u16::from(number % 4));
                let _ = playout.insert_other(now, sequence);
            }
            _ => {
                sequence = sequence.wrapping_add(if number < 250 { u16::from(number % 4) } else { 9999 });
                timestamp = timestamp.wrapping_add(if stamp < 250 { 160 } else { u32::from(stamp) << 24 });
                // Of the stamp only its size matters otherwise.
                let encoding = encodings[usize::from(kind >> 3 & 7 | stamp & 8) % encodings.len()];
                let content = match fill {
                    255 => Content::Noise { clock: 8000 },
                    _ => Content::Sound(encoding),
                };
                // Octets from everywhere in the input, or all the same; mostly of a length that fits something.
                let octets = if length % 4 == 0 { usize::from(length) * 6 } else { 10 * usize::from(length % 40) };
                sound.clear();
                match fill % 2 {
                    0 => sound.resize(octets, fill),
                    _ => sound.extend(rest.iter().cycle().skip(usize::from(fill)).take(octets)),
                }
                // As RFC 2198 carries it.
                if let Some(blocks) = Blocks::read(&sound).filter(|_| number % 5 == 4) {
                    for block in blocks.earlier() {
                        let packet = Packet { sequence, timestamp, content, payload: block.payload };
                        let _ = playout.insert_again(now, packet, block.offset);
                    }
                }
                let packet = Packet { sequence, timestamp, content, payload: &sound };
                let _ = playout.insert(now, packet);
                let _ = playout.insert_again(now, packet, u16::from(fill) * 20);
            }
        }
    }
    let _ = playout.stats();
}
