//! Pages of Ogg (RFC 3533 §6).

/// Octets of a page's header before its table of segments.
const HEADER: usize = 27;
/// What every page begins with.
const CAPTURE: &[u8; 4] = b"OggS";
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 22..26;
/// Segments of a page at most.
pub(super) const SEGMENTS: usize = 255;

/// Flags of a page.
const CONTINUED: u8 = 1;
pub(super) const FIRST: u8 = 2;
pub(super) const LAST: u8 = 4;

/// The checksum of a page in which the place for it holds zeros: polynomial 0x04c11db7, most significant bit first.
fn checksum(octets: impl Iterator<Item = u8>) -> u32 {
    octets.fold(0, |sum, octet| sum << 8 ^ CRC[usize::from((sum >> 24) as u8 ^ octet)])
}

const CRC: [u32; 256] = {
    let (mut table, mut at) = ([0; 256], 0);
    while at < table.len() {
        let (mut sum, mut bit) = ((at as u32) << 24, 0);
        while bit < 8 {
            sum = sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

/// Collects whole packets, and makes a page of them.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    serial: u32,
    /// Number of the next page.
    number: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
}

impl Bundle {
    /// For the first page of a stream with this number.
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, number: 0, lacing: Vec::new(), body: Vec::new() }
    }

    /// Whether a packet of so many octets has room in the page.
    pub(super) fn fits(&self, octets: usize) -> bool {
        self.lacing.len() + octets / 255 < SEGMENTS
    }

    /// Adds a packet that fits: a segment of less than 255 octets ends it, which may be empty.
    pub(super) fn add(&mut self, packet: &[u8]) {
        self.lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.lacing.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
    }

    /// Appends the page of all packets added, and begins the next one. `granule` is the time at its end.
    pub(super) fn page(&mut self, flags: u8, granule: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(CAPTURE);
        out.extend([0, flags]);
        out.extend(granule.to_le_bytes());
        out.extend(self.serial.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend([0; 4]);
        // Cannot be cut off: `fits` keeps it within 255.
        out.push(self.lacing.len() as u8);
        out.extend_from_slice(&self.lacing);
        out.extend_from_slice(&self.body);
        let sum = checksum(out[start..].iter().copied());
        out[start..][CHECKSUM].copy_from_slice(&sum.to_le_bytes());
        self.number = self.number.wrapping_add(1);
        self.lacing.clear();
        self.body.clear();
    }
}

/// A page as it lies in a file, its checksum right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    flags: u8,
    /// The time at the end of the last packet that ends in it; all ones when none does.
    pub granule: u64,
    /// Number of the stream it belongs to.
    pub serial: u32,
    /// Its own number in that stream.
    pub number: u32,
    lacing: &'a [u8],
    body: &'a [u8],
}

impl<'a> Page<'a> {
    /// Whether its first packet begins in a page before.
    pub fn continues(&self) -> bool {
        self.flags & CONTINUED != 0
    }

    /// Whether a stream begins with it.
    pub fn is_first(&self) -> bool {
        self.flags & FIRST != 0
    }

    /// Whether its stream ends with it.
    pub fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// Its packets, or the parts of them it has, and whether each ends in it.
    pub fn packets(&self) -> impl Iterator<Item = (&'a [u8], bool)> + use<'a> {
        let (mut lacing, mut body) = (self.lacing, self.body);
        std::iter::from_fn(move || {
            if lacing.is_empty() {
                return None;
            }
            let whole = lacing.iter().position(|&octets| octets < 255);
            let (these, others) = lacing.split_at(whole.map_or(lacing.len(), |last| last + 1));
            let octets = these.iter().map(|&octets| usize::from(octets)).sum();
            // The body was cut by the same table.
            let (packet, behind) = body.split_at_checked(octets)?;
            (lacing, body) = (others, behind);
            Some((packet, whole.is_some()))
        })
    }

    /// The page that begins here, and what is behind it; `None` when none does, or its checksum is wrong.
    fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = octets.split_first_chunk::<HEADER>()?;
        if !header.starts_with(CAPTURE) || header[4] != 0 {
            return None;
        }
        let (lacing, rest) = rest.split_at_checked(usize::from(header[26]))?;
        let (body, rest) = rest.split_at_checked(lacing.iter().map(|&octets| usize::from(octets)).sum())?;
        let mut blank = *header;
        blank[CHECKSUM].fill(0);
        let sum = checksum(blank.iter().chain(lacing).chain(body).copied());
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let page = Self {
            flags: header[5],
            granule: u64::from(word(10)) << 32 | u64::from(word(6)),
            serial: word(14),
            number: word(18),
            lacing,
            body,
        };
        (word(CHECKSUM.start) == sum).then_some((page, rest))
    }
}

/// The pages of a file, in order; octets that are in none are passed over.
#[derive(Clone, Debug)]
pub struct Pages<'a> {
    rest: &'a [u8],
    skipped: usize,
}

impl<'a> Pages<'a> {
    /// Those in these octets.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, skipped: 0 }
    }

    /// Octets so far that were in no page.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Octets that were not looked at yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Pages<'a> {
    type Item = Page<'a>;

    fn next(&mut self) -> Option<Page<'a>> {
        while !self.rest.is_empty() {
            if let Some((page, rest)) = Page::read(self.rest) {
                self.rest = rest;
                return Some(page);
            }
            let next = self.rest.windows(CAPTURE.len()).skip(1).position(|window| window == CAPTURE);
            let over = next.map_or(self.rest.len(), |at| at + 1);
            self.rest = &self.rest[over..];
            self.skipped += over;
        }
        None
    }
}
