//! What codecs cost: `cargo test -p telex-audio --test cost -- --ignored --nocapture` prints a table.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use telex_audio::codec::{Decoder, Encoder, Encoding, Settings};

/// Counts what is allocated.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static TIMES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator; only counters are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(layout.size(), Ordering::Relaxed);
        TIMES.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ten seconds of something with pitch, hiss and pauses.
fn sound(rate: u32) -> Vec<i16> {
    let mut seed = 1_u32;
    (0..rate * 10)
        .map(|at| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let phase = (at * 120 / rate * 7 + at % (rate / 120)) as i32;
            let tone = (phase % 67 - 33) * 200;
            let noise = (seed >> 16) as i32 % 600;
            if at / (rate / 2) % 3 == 2 { (noise / 20) as i16 } else { (tone + noise) as i16 }
        })
        .collect()
}

#[test]
#[ignore = "prints a table; its times are those of this machine at this time"]
fn table() {
    let opus = |rate| (Encoding::Opus, rate);
    let ways = [
        (Encoding::Pcmu, 0),
        (Encoding::G722, 0),
        (Encoding::Gsm, 0),
        (Encoding::G729, 0),
        (Encoding::Speex { clock: 8000 }, 0),
        opus(8000),
        opus(16_000),
        opus(48_000),
    ];
    println!("20 ms            encode ns  decode ns  encoder octets  decoder octets  allocations/packet");
    for (encoding, rate) in ways {
        let settings = Settings { rate, loss_percent: 5, ..Settings::default() };
        let rate = Encoder::new(encoding, settings).rate();
        let (pcm, mut payloads) = (sound(rate), Vec::with_capacity(600));
        let piece = rate as usize / 50;
        let (mut payload, mut heard) = (Vec::with_capacity(2000), Vec::with_capacity(6000));
        let before = TAKEN.load(Ordering::Relaxed);
        let mut encoder = Encoder::new(encoding, settings);
        encoder.encode(&pcm[..piece], &mut payload);
        let between = TAKEN.load(Ordering::Relaxed);
        let mut decoder = Decoder::new(encoding, rate);
        decoder.decode(&payload, &mut heard).expect("own payload");
        let decoder_octets = TAKEN.load(Ordering::Relaxed) - between + size_of::<Decoder>();
        let encoder_octets = between - before + size_of::<Encoder>();
        let (start, times) = (Instant::now(), TIMES.load(Ordering::Relaxed));
        for piece in pcm.chunks_exact(piece) {
            payload.clear();
            encoder.encode(piece, &mut payload);
        }
        let (encoding_time, packets) = (start.elapsed().as_nanos() / 500, pcm.len() / piece);
        let encoded = TIMES.load(Ordering::Relaxed) - times;
        for piece in pcm.chunks_exact(piece) {
            payload.clear();
            encoder.encode(piece, &mut payload);
            payloads.push(payload.clone());
        }
        let (start, times) = (Instant::now(), TIMES.load(Ordering::Relaxed));
        for payload in &payloads {
            heard.clear();
            decoder.decode(payload, &mut heard).expect("own payload");
        }
        let decoding_time = start.elapsed().as_nanos() / 500;
        let decoded = TIMES.load(Ordering::Relaxed) - times;
        let name = format!("{} {rate}", encoding.properties().name);
        println!(
            "{name:<16} {encoding_time:>9}  {decoding_time:>9}  {encoder_octets:>14}  {decoder_octets:>14}  {:.1} + {:.1}",
            encoded as f64 / packets as f64,
            decoded as f64 / packets as f64
        );
    }
}
