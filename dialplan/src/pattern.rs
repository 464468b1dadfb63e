//! What extensions fit a number, and which of them comes first.
//!
//! # What a pattern says
//!
//! A name that begins with `_` is a pattern. In it `X` stands for 0-9, `Z` for 1-9, `N` for 2-9 (small letters too),
//! `[1-5a-c]` for one of a set, `.` for one or more of anything and `!` for none or more; both end the pattern. Every
//! other character stands for itself, in upper and lower case as written. In a set a backslash takes the meaning from
//! `]`, `-` and `\`. A dash is only there to please the eye: it counts neither in a name, nor in a pattern outside a
//! set, nor in what was dialled.
//!
//! # Which one comes first
//!
//! The extensions of a context are put in one order when the plan is loaded, whatever their order in the text, and the
//! first that fits wins:
//!
//! 1. Names come before patterns, among themselves in the order of their octets.
//! 2. Patterns are compared position by position from the left; the first difference decides:
//!    - the set of fewer characters comes first (a plain character is a set of one: `5`, then `[56]`, `N`, `Z`, `X`);
//!    - of two sets of the same size the one with the lowest character that is not in the other (`[2-4]`, then
//!      `[3-5]`);
//!    - then `.`, then `!`, and last the end of the pattern: `_1!` comes before `_1`, and wins for `1`.
//! 3. Of equal ones those for certain callers (`100/5551234`) come before the one for all; among themselves by rules
//!    1 and 2.
//!
//! So `_1XXXXX` comes before `_X11111`, although it leaves more open: the first position decides.
//!
//! An extension that fits but lacks the priority or the label that is looked for is passed over for the next that
//! fits. So a walk that started in `100` goes on at priority 2 of `_1XX` when `100` has none.
//!
//! The extensions of the context itself come before those of the contexts it includes; these follow in the order of
//! their `include` lines, each with what it includes itself, and each context once.
//!
//! # Digit by digit
//!
//! While a caller dials, more digits are waited for as long as an extension could fit a longer number. `!` ends this:
//! as soon as a pattern with it fits and none that comes before it could take more, the number is taken as it is.

use std::cmp::{Ordering, Reverse};

use smol_str::SmolStr;

use crate::limits;
use crate::source::Fault;

/// What was dialled so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Dialled {
    /// It is an extension, and no longer number is one.
    Enough,
    /// A longer number may be an extension.
    More,
    /// It is none and cannot become one.
    No,
}

/// One character of a number, as a pattern wants it. The order is the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// This octet.
    One(u8),
    /// One of these ASCII characters, at least two.
    Set(Set),
    /// `.`: one or more of anything.
    Rest,
    /// `!`: none or more of anything.
    Early,
}

/// A set of ASCII characters: the lowest is the highest bit, so that of two sets of a size the greater number comes
/// first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Set(u128);

impl Set {
    const fn range(low: u8, high: u8) -> Self {
        let (mut bits, mut at) = (0, low);
        while at <= high && at < 128 {
            bits |= 1 << (127 - at);
            at += 1;
        }
        Self(bits)
    }

    /// Whether the octet is in it.
    pub fn has(self, octet: u8) -> bool {
        octet < 128 && self.0 >> (127 - octet) & 1 == 1
    }

    fn order(self) -> (u32, Reverse<u128>) {
        (self.0.count_ones(), Reverse(self.0))
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = (0..128).filter(|octet| self.has(*octet)).map(char::from).collect();
        write!(f, "[{text}]")
    }
}

impl Position {
    /// Whether an octet may stand here. Of `.` and `!` it is true of any.
    pub fn fits(self, octet: u8) -> bool {
        match self {
            Self::One(one) => one == octet,
            Self::Set(set) => set.has(octet),
            Self::Rest | Self::Early => true,
        }
    }

    fn order(self) -> (u32, Reverse<u128>, u8) {
        match self {
            Self::One(octet) if octet < 128 => (1, Reverse(1 << (127 - octet)), 0),
            Self::One(octet) => (1, Reverse(0), octet),
            Self::Set(set) => (set.order().0, set.order().1, 0),
            Self::Rest => (129, Reverse(0), 0),
            Self::Early => (130, Reverse(0), 0),
        }
    }
}

/// In words: `5`, `one of 2-9`.
impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(octet) => write!(f, "{}", char::from(*octet)),
            Self::Rest => f.write_str("one or more characters"),
            Self::Early => f.write_str("any characters or none"),
            Self::Set(set) => {
                f.write_str("one of ")?;
                let mut low = 0_u8;
                while low < 128 {
                    let end = (low..128).find(|octet| !set.has(*octet)).unwrap_or(128);
                    match end - low {
                        0 => low += 1,
                        1 | 2 => {
                            (low..end).try_for_each(|octet| write!(f, "{}", char::from(octet)))?;
                            low = end;
                        }
                        _ => {
                            write!(f, "{}-{}", char::from(low), char::from(end - 1))?;
                            low = end;
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// The name of an extension, or a pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: SmolStr,
    /// None for a name.
    positions: Option<Box<[Position]>>,
    /// Something stands behind `.` or `!`.
    pub(crate) tail: bool,
}

impl Pattern {
    /// Reads a name or a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.chars().count() > limits::NAME {
            return Err(Fault::new(0, format!("longer than {} characters", limits::NAME)));
        }
        let Some(pattern) = text.strip_prefix('_') else {
            return Ok(Self { text: text.into(), positions: None, tail: false });
        };
        let mut positions = Vec::new();
        let mut rest = pattern.char_indices();
        while let Some((at, sign)) = rest.next() {
            match sign {
                '-' => {}
                'X' | 'x' => positions.push(Position::Set(const { Set::range(b'0', b'9') })),
                'Z' | 'z' => positions.push(Position::Set(const { Set::range(b'1', b'9') })),
                'N' | 'n' => positions.push(Position::Set(const { Set::range(b'2', b'9') })),
                '.' | '!' => {
                    positions.push(if sign == '.' { Position::Rest } else { Position::Early });
                    break;
                }
                '[' => positions.push(set(&mut rest, at + 1)?),
                _ => positions.extend(sign.encode_utf8(&mut [0; 4]).bytes().map(Position::One)),
            }
        }
        if positions.is_empty() {
            return Err(Fault::new(
                0,
                "a pattern of nothing: expected digits, X, Z, N, [set], . or ! after `_`",
            ));
        }
        Ok(Self {
            text: text.into(),
            positions: Some(positions.into_boxed_slice()),
            tail: rest.next().is_some(),
        })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a pattern, not a name.
    pub fn is_pattern(&self) -> bool {
        self.positions.is_some()
    }

    /// What it wants, position by position; of a name its octets without dashes.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        let listed = self.positions.as_deref().unwrap_or_default().iter().copied();
        let name = if self.is_pattern() { "" } else { self.text.as_str() };
        listed.chain(octets(name).map(Position::One))
    }

    /// A number that fits: of each set the lowest character.
    pub(crate) fn example(&self) -> String {
        let octets = self.positions().filter_map(|position| match position {
            Position::One(octet) => Some(octet),
            Position::Set(set) => Some(set.0.leading_zeros() as u8),
            Position::Rest => Some(b'1'),
            Position::Early => None,
        });
        String::from_utf8_lossy(&octets.collect::<Vec<_>>()).into_owned()
    }

    /// Whether a number fits.
    pub fn fits(&self, number: &str) -> bool {
        let mut number = octets(number);
        for position in self.positions() {
            match (position, number.next()) {
                (Position::Early, _) | (Position::Rest, Some(_)) => return true,
                (position, Some(octet)) if position.fits(octet) => {}
                _ => return false,
            }
        }
        number.next().is_none()
    }
}

/// Whether a caller fits the part after `/`; an empty one is for callers without a number.
pub(crate) fn caller_fits(pattern: Option<&Pattern>, caller: &str) -> bool {
    match pattern {
        None => true,
        Some(pattern) if caller.is_empty() => pattern.as_str().is_empty(),
        Some(pattern) => pattern.fits(caller),
    }
}

/// Octets that count.
pub(crate) fn octets(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|octet| *octet != b'-')
}

/// The order in which they are tried; equal ones are the same extension.
impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |position: Position| position.order();
        let kinds = self.is_pattern().cmp(&other.is_pattern());
        kinds.then_with(|| match self.is_pattern() {
            false => octets(&self.text).cmp(octets(&other.text)),
            true => {
                let mut others = other.positions();
                for own in self.positions() {
                    // The end comes last.
                    let Some(other) = others.next() else { return Ordering::Less };
                    let turn = order(own).cmp(&order(other));
                    if turn.is_ne() {
                        return turn;
                    }
                }
                if others.next().is_some() { Ordering::Greater } else { Ordering::Equal }
            }
        })
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pattern {}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The inside of `[...]`, up to and with the bracket. `open` is where the bracket opened, in the whole text.
fn set(rest: &mut std::str::CharIndices<'_>, open: usize) -> Result<Position, Fault> {
    let mut bits = 0;
    let mut low: Option<char> = None;
    let mut range = false;
    loop {
        let Some((at, sign)) = rest.next() else {
            return Err(Fault::new(open, "this set never ends: expected `]`"));
        };
        let (at, mut sign, mut plain) = (at + 1, sign, false);
        if sign == '\\' {
            let Some((_, next)) = rest.next() else { continue };
            (sign, plain) = (next, true);
        }
        if sign == ']' && !plain {
            // A dash at the end is a dash.
            bits |= if range { Set::range(b'-', b'-').0 } else { 0 };
            break;
        }
        if !sign.is_ascii() {
            return Err(Fault::new(at, format!("`{sign}` cannot be in a set: expected ASCII characters")));
        }
        match (low, range) {
            (Some(_), false) if sign == '-' && !plain => range = true,
            (Some(from), true) => {
                if from > sign {
                    return Err(Fault::new(
                        at,
                        format!("the range {from}-{sign} has nothing in it: write [{sign}-{from}]"),
                    ));
                }
                bits |= Set::range(from as u8, sign as u8).0;
                (low, range) = (None, false);
            }
            _ => {
                bits |= Set::range(sign as u8, sign as u8).0;
                low = Some(sign);
            }
        }
    }
    match bits.count_ones() {
        0 => Err(Fault::new(open, "this set is empty: expected the characters it allows, like [1-5a-c]")),
        1 => Ok(Position::One(bits.leading_zeros() as u8)),
        _ => Ok(Position::Set(Set(bits))),
    }
}
