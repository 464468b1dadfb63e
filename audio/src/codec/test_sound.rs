//! Sound for tests: something like speech, in integers so that it is the same everywhere, and measures of likeness.

/// Something like speech at a rate that is a multiple of 8000: voiced stretches with a gliding pitch and two formants,
/// hisses, and pauses with faint noise. Peaks at about half of full scale.
pub(crate) fn speech(rate: u32, samples: usize) -> Vec<i16> {
    let mut noise = Noise(1);
    let step = rate / 8000;
    // Poles of the two formants and their width, at 8 kHz; a higher rate repeats the source's samples, then smooths.
    let (mut low, mut high) = ([0_i32; 2], [0_i32; 2]);
    let (mut phase, mut held, mut out) = (0_u32, 0, Vec::with_capacity(samples));
    for at in 0..samples as u32 {
        if at % step == 0 {
            let tick = at / step;
            let (vowel, place) = (tick / 1600, tick % 1600);
            let envelope = (place.min(1600 - place).min(300) * 100 / 300) as i32;
            let source = match vowel % 5 {
                4 => noise.next() >> 9,
                3 => (noise.next() >> 6) * envelope / 100,
                _ => {
                    phase += 90 + 40 * (vowel % 3) + place / 40;
                    let pulse = phase >= 8000;
                    phase %= 8000;
                    (i32::from(pulse) * 9000 + (noise.next() >> 8)) * envelope / 100
                }
            };
            // Two resonances: y = x + a*y1 - b*y2, a and b in 12 bits.
            let (a, b) = ([6900, 6200, 7300][vowel as usize % 3], 3700);
            low = [source + ((a * low[0] - b * low[1]) >> 12), low[0]];
            let (a, b) = ([-800, 2400, 900][vowel as usize % 3], 3500);
            high = [low[0] / 2 + ((a * high[0] - b * high[1]) >> 12), high[0]];
            held = high[0] + low[0] / 2;
        }
        out.push(held.clamp(-20_000, 20_000) as i16);
    }
    for at in 1..out.len() {
        if step > 1 {
            out[at] = ((i32::from(out[at]) + i32::from(out[at - 1])) / 2) as i16;
        }
    }
    out
}

/// Steady pseudo-random numbers of 16 bits (a linear congruence of 32).
pub(crate) struct Noise(pub(super) u32);

impl Noise {
    /// The next, -32768 to 32767.
    pub(crate) fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i32::from((self.0 >> 16) as u16 as i16)
    }
}

/// Decibels of signal over error after the delay, up to `most`, that fits best; and that delay.
pub(crate) fn snr(sent: &[i16], heard: &[i16], most: usize) -> (f64, usize) {
    let ratio = |delay: usize| {
        let pairs = sent.iter().zip(&heard[delay.min(heard.len())..]);
        let (signal, error) = pairs.fold((1.0, 1.0), |(signal, error), (&a, &b)| {
            let (a, b) = (f64::from(a), f64::from(b));
            (signal + a * a, error + (a - b) * (a - b))
        });
        10.0 * f64::log10(signal / error)
    };
    (0..=most).map(|delay| (ratio(delay), delay)).fold((f64::MIN, 0), |a, b| if b.0 > a.0 { b } else { a })
}

/// Hexadecimal SHA-256.
pub(crate) fn digest(octets: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The samples of a file of the corpus (16-bit mono WAV); says that it is skipped when there is none.
pub(crate) fn corpus(name: &str) -> Option<Vec<i16>> {
    let root = std::env::var("TELEX_CORPUS").unwrap_or_else(|_| "../../shared/corpus".into());
    let path = std::path::Path::new(&root).join("audio/wav").join(name);
    let Ok(octets) = std::fs::read(&path) else {
        eprintln!("SKIPPED: no {} (set TELEX_CORPUS)", path.display());
        return None;
    };
    let data = octets.windows(4).position(|window| window == b"data").expect("a WAV file") + 8;
    Some(octets[data..].as_chunks().0.iter().map(|&word| i16::from_le_bytes(word)).collect())
}
