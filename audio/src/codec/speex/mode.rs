//! What a frame of each mode is made of, and what stands between frames.

use super::bits::Reader;
use super::tables::{
    GAINS_5, GAINS_7, SHAPES_5_64, SHAPES_5_256, SHAPES_8_128, SHAPES_10_16, SHAPES_10_32, SHAPES_20_32,
    WIDE_8_128, WIDE_10_32,
};

/// A codebook of an innovation: pieces of a subframe, each one of its shapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Book {
    /// All shapes, one behind the other, in 1/32.
    pub(super) shapes: &'static [i8],
    /// Samples of a piece.
    pub(super) piece: usize,
    /// Bits of a shape's number.
    pub(super) bits: u32,
    /// Whether a bit before it turns it round.
    pub(super) signed: bool,
}

impl Book {
    const fn new(shapes: &'static [i8], piece: usize, bits: u32) -> Self {
        Self { shapes, piece, bits, signed: false }
    }

    /// The samples of a shape.
    pub(super) fn shape(&self, number: usize) -> &'static [i8] {
        self.shapes.get(number * self.piece..(number + 1) * self.piece).unwrap_or_default()
    }

    /// Bits of a subframe of 40 samples.
    const fn size(&self) -> usize {
        40 / self.piece * (self.bits as usize + self.signed as usize)
    }
}

/// A mode of narrowband (Speex manual, table 9.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// How often each half of the line spectral frequencies is refined: once or twice.
    pub(super) refined: u8,
    /// One delay, and perhaps one gain, is sent for the whole frame.
    pub(super) whole_delay: bool,
    pub(super) whole_gain: bool,
    /// Gains of the pitch, with the bits of a row's number.
    pub(super) gains: Option<(&'static [[i8; 3]], u32)>,
    /// Bits of a subframe's share of the gain.
    pub(super) share: u32,
    /// `None` for noise.
    pub(super) book: Option<Book>,
    /// The innovation is sent twice, the second time for what the first left.
    pub(super) twice: bool,
}

const BASE: Mode = Mode {
    refined: 1,
    whole_delay: false,
    whole_gain: false,
    gains: Some((&GAINS_5, 5)),
    share: 1,
    book: None,
    twice: false,
};
const RICH: Mode = Mode { refined: 2, gains: Some((&GAINS_7, 7)), share: 3, ..BASE };
const POOR: Mode = Mode { whole_delay: true, whole_gain: true, gains: None, share: 0, ..BASE };

/// The modes by their number less one; 0 is silence.
static MODES: [Mode; 8] = [
    POOR,
    Mode { whole_delay: true, share: 0, book: Some(Book::new(SHAPES_10_16.as_flattened(), 10, 4)), ..BASE },
    Mode { book: Some(Book::new(SHAPES_10_32.as_flattened(), 10, 5)), ..BASE },
    Mode { book: Some(Book::new(SHAPES_8_128.as_flattened(), 8, 7)), ..BASE },
    Mode { book: Some(FINE), ..RICH },
    Mode { book: Some(Book::new(SHAPES_5_256.as_flattened(), 5, 8)), ..RICH },
    Mode { book: Some(FINE), twice: true, ..RICH },
    Mode { book: Some(Book::new(SHAPES_20_32.as_flattened(), 20, 5)), ..POOR },
];

/// The codebook of modes 5 and 7.
pub(super) const FINE: Book = Book::new(SHAPES_5_64.as_flattened(), 5, 6);

impl Mode {
    /// Bits of a frame behind its number.
    fn size(&self) -> usize {
        let innovation = self.book.map_or(0, |book| book.size()) << u32::from(self.twice);
        let pitch = self.gains.map_or(0, |(_, bits)| bits as usize + if self.whole_delay { 0 } else { 7 });
        let noise = if self.book.is_none() { 4 } else { 0 };
        let whole = 7 * usize::from(self.whole_delay) + 4 * usize::from(self.whole_gain) + 5 + noise;
        6 + 12 * usize::from(self.refined) + whole + 4 * (pitch + self.share as usize + innovation)
    }
}

/// A mode of the band from 4 to 8 kHz (Speex manual, table 10.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct WideMode {
    /// `None` when the lower band's innovation is folded up.
    pub(super) book: Option<Book>,
    pub(super) twice: bool,
}

const WIDE_SHAPES: Book = Book { signed: true, ..Book::new(WIDE_8_128.as_flattened(), 8, 7) };

/// The modes by their number less one; 0 is silence.
static WIDE_MODES: [WideMode; 4] = [
    WideMode { book: None, twice: false },
    WideMode { book: Some(Book::new(WIDE_10_32.as_flattened(), 10, 5)), twice: false },
    WideMode { book: Some(WIDE_SHAPES), twice: false },
    WideMode { book: Some(WIDE_SHAPES), twice: true },
];

impl WideMode {
    /// Bits of a layer behind its number.
    fn size(&self) -> usize {
        12 + 4 * self.book.map_or(5, |book| 4 + (book.size() << u32::from(self.twice)))
    }
}

/// 20 ms of speech: its modes, none for silence, and where their parameters begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) low: (Option<&'static Mode>, Reader<'a>),
    pub(super) high: (Option<&'static WideMode>, Reader<'a>),
}

/// Frames in a payload at most: 200 ms.
const MOST: usize = 10;

/// Numbers that are no mode: a message of the application, one for the codec, and the end.
const APPLICATION: usize = 13;
const MESSAGE: usize = 14;
const END: usize = 15;

/// Bits of each message for the codec, by its number.
const MESSAGES: [usize; 16] = [1, 1, 4, 4, 4, 4, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64];

/// The frames of a payload, each told, and their number; `None` when it is malformed, whatever has been told.
///
/// A frame is a zero, the number of a mode in four bits and its parameters, and then perhaps layers for the bands
/// above, each a one, the number of a mode in three bits and its parameters. Messages stand between frames. Nothing
/// tells how many there are: they end with the payload, or with a mark.
pub(super) fn frames<'a>(payload: &'a [u8], mut tell: impl FnMut(Frame<'a>)) -> Option<usize> {
    let mut bits = Reader::new(payload);
    let mut count = 0;
    while bits.left() >= 5 && !(count > 0 && bits.is_filled()) {
        if bits.take(1)? == 1 {
            // Of a band above what is decoded.
            layer(&mut bits)?;
            continue;
        }
        match bits.take(4)? {
            END => break,
            MESSAGE => {
                let number = bits.take(4)?;
                bits.skip(MESSAGES[number & 15])?;
            }
            APPLICATION => {
                let octets = bits.take(4)?;
                bits.skip(5 + 8 * octets)?;
            }
            number => {
                let mode = if number == 0 { None } else { Some(MODES.get(number - 1)?) };
                let low = (mode, bits);
                bits.skip(mode.map_or(0, Mode::size))?;
                let mut high = (None, bits);
                let mut more = bits;
                if bits.left() >= 4 && more.take(1)? == 1 {
                    high = layer(&mut more)?;
                    bits = more;
                }
                count += 1;
                if count > MOST {
                    return None;
                }
                tell(Frame { low, high });
            }
        }
    }
    (count > 0).then_some(count)
}

/// A layer behind the bit that announces it.
fn layer<'a>(bits: &mut Reader<'a>) -> Option<(Option<&'static WideMode>, Reader<'a>)> {
    let number = bits.take(3)?;
    let mode = if number == 0 { None } else { Some(WIDE_MODES.get(number - 1)?) };
    let layer = (mode, *bits);
    bits.skip(mode.map_or(0, WideMode::size))?;
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speex manual, tables 9.1 and 10.1.
    #[test]
    fn sizes_are_those_of_the_manual() {
        let low = MODES.each_ref().map(|mode| mode.size() + 5);
        assert_eq!(low, [43, 119, 160, 220, 300, 364, 492, 79]);
        assert_eq!(WIDE_MODES.each_ref().map(|mode| mode.size() + 4), [36, 112, 192, 352]);
    }
}
