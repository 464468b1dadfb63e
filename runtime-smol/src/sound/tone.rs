//! A sine.

/// Amplitude: 10 dB below the loudest sine, where nothing on its way clips it.
const AMPLITUDE: f64 = 10_362.0;

/// A sine of one frequency without end.
#[derive(Debug)]
pub(crate) struct Tone {
    hertz: f64,
    rate: u32,
    position: u64,
}

impl Tone {
    /// A tone at so many samples per second.
    pub(crate) fn new(hertz: f64, rate: u32) -> Self {
        Self { hertz, rate, position: 0 }
    }

    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends its next samples.
    pub(crate) fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        for _ in 0..samples {
            // Turns, of which only the fraction matters: it does not lose its pitch after hours.
            let turns = (self.hertz * self.position as f64 / f64::from(self.rate)).fract();
            pcm.push((AMPLITUDE * (turns * std::f64::consts::TAU).sin()).round() as i16);
            self.position += 1;
        }
    }
}
