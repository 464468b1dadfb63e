//! Dual-tone multi-frequency signalling (ITU-T Q.23, Q.24): heard in sound, made as sound, and carried as events
//! (RFC 4733).

mod detector;
pub mod events;
mod generator;
mod spectrum;

pub use detector::{Detector, Event};
pub use generator::{Convention, Full, Generator};

/// One of the sixteen keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u8", into = "u8"))]
pub struct Digit(u8);

/// Keys in the order of their event codes (RFC 4733 §3.2).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// Event codes row by row of the keypad.
const KEYPAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// The low group, a tone per row, in hertz (Q.23).
const ROWS: [u32; 4] = [697, 770, 852, 941];
/// The high group, a tone per column, in hertz (Q.23).
const COLUMNS: [u32; 4] = [1209, 1336, 1477, 1633];

impl Digit {
    /// All of them in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..16).map(Self)
    }

    /// The key of an event code 0 to 15 (RFC 4733 §3.2); other codes are no keys.
    pub fn from_code(code: u8) -> Option<Self> {
        (code < 16).then_some(Self(code))
    }

    /// The key `0` to `9`, `*`, `#` or `A` to `D`; small letters are accepted.
    pub fn from_char(key: char) -> Option<Self> {
        let upper = key.to_ascii_uppercase();
        let code = KEYS.iter().position(|&k| char::from(k) == upper)?;
        Self::from_code(u8::try_from(code).ok()?)
    }

    /// Its event code, 0 to 15.
    pub fn code(self) -> u8 {
        self.0
    }

    /// What is printed on the key.
    pub fn key(self) -> char {
        char::from(KEYS[usize::from(self.0 & 15)])
    }

    /// The key at a row and a column of the keypad, each 0 to 3.
    fn at(row: usize, column: usize) -> Self {
        Self(KEYPAD[row & 3][column & 3])
    }

    /// Its two frequencies in hertz, low and high.
    pub fn hertz(self) -> (u32, u32) {
        for (row, codes) in KEYPAD.iter().enumerate() {
            if let Some(column) = codes.iter().position(|&code| code == self.0) {
                return (ROWS[row], COLUMNS[column]);
            }
        }
        (ROWS[3], COLUMNS[1])
    }
}

impl std::fmt::Display for Digit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.key())
    }
}

impl std::fmt::Debug for Digit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}'", self.key())
    }
}

impl From<Digit> for u8 {
    fn from(digit: Digit) -> Self {
        digit.0
    }
}

/// A number that is the code of no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is the event code of no key: those are 0 to 15")]
pub struct NoKey(u8);

impl TryFrom<u8> for Digit {
    type Error = NoKey;

    fn try_from(code: u8) -> Result<Self, NoKey> {
        Self::from_code(code).ok_or(NoKey(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_codes_and_tones_of_the_standards() {
        for (key, code, hertz) in
            [('1', 1, (697, 1209)), ('0', 0, (941, 1336)), ('#', 11, (941, 1477)), ('d', 15, (941, 1633))]
        {
            let digit = Digit::from_char(key).unwrap();
            assert_eq!((digit.code(), digit.hertz()), (code, hertz));
        }
        assert_eq!(Digit::from_char('E'), None);
        assert_eq!(Digit::from_code(16), None);
        assert_eq!(Digit::try_from(16), Err(NoKey(16)));
        let mut pairs: Vec<_> = Digit::all().map(Digit::hertz).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 16);
        for (row, column) in (0..16).map(|n| (n / 4, n % 4)) {
            assert_eq!(Digit::at(row, column).hertz(), (ROWS[row], COLUMNS[column]));
        }
    }
}
