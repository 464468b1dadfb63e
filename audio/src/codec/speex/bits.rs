//! Codes in octets, the most significant bit first.

/// Octets that are read bit by bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    /// Bits that were read.
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// Bits that are left.
    pub(super) fn left(&self) -> usize {
        self.octets.len() * 8 - self.at
    }

    /// A number of so many bits, at most 32; `None` when fewer are left.
    pub(super) fn take(&mut self, count: u32) -> Option<usize> {
        let mut value = 0;
        for _ in 0..count {
            let octet = *self.octets.get(self.at / 8)?;
            value = value << 1 | usize::from(octet >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Leaves out so many bits.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = Some(self.at + count).filter(|at| *at <= self.octets.len() * 8)?;
        Some(())
    }

    /// Whether the rest of the last octet is nothing but zeros, as some fill it, which would read as silence.
    pub(super) fn is_filled(&self) -> bool {
        let left = self.left();
        left < 8 && self.clone().take(left as u32) == Some(0)
    }
}

/// Octets that are written bit by bit.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    octets: &'a mut Vec<u8>,
    /// Bits that are free in the last octet.
    free: u32,
}

impl<'a> Writer<'a> {
    /// Behind what is there.
    pub(super) fn new(octets: &'a mut Vec<u8>) -> Self {
        Self { octets, free: 0 }
    }

    /// Appends the lowest `count` bits of a value.
    pub(super) fn put(&mut self, value: usize, count: u32) {
        for at in (0..count).rev() {
            if self.free == 0 {
                self.octets.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.octets.last_mut() {
                *last |= u8::from(value >> at & 1 == 1) << self.free;
            }
        }
    }

    /// Fills the last octet: a zero, then ones (RFC 5574 §3.3), which no reader takes for a frame.
    pub(super) fn end(mut self) {
        if self.free > 0 {
            self.put(0, 1);
            self.put(0xff, self.free);
        }
    }
}
