//! WAV files: what is read of one is bounded by what it is, and written again reads the same.

use telex_audio::wav::{self, Layout, Store};

pub(crate) fn check(octets: &[u8]) {
    let Ok(sound) = wav::decode(octets) else { return };
    assert!(
        sound.samples.len() <= 2 * octets.len(),
        "{} samples of {} octets",
        sound.samples.len(),
        octets.len()
    );
    let channels = u8::try_from(sound.format.channels).unwrap_or(1).max(1);
    let whole = sound.samples.len() / usize::from(channels) * usize::from(channels);
    let samples = &sound.samples[..whole];
    let layout = Layout { store: Store::Linear16, channels, rate: sound.format.rate };
    let again = wav::decode(&layout.file(samples)).expect("our own file");
    assert_eq!((again.samples.as_slice(), again.warnings.len()), (samples, 0));
}
