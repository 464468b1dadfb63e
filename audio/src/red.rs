//! Redundant audio (RFC 2198): a packet that carries earlier ones again.
//!
//! A payload is a row of headers, one for each block, oldest first, and then the blocks. The last block is what the
//! packet would have held by itself; those before it were sent once already, and fill the gaps of lost packets.

/// Blocks of a packet that are read; more are malformed. Phones send two or three.
pub const BLOCKS: usize = 8;

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it is, as an RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// How much older it is than the packet's timestamp; 0 for the last block, which is new. At most 16,383.
    pub offset: u16,
    /// Its payload; may be empty.
    pub payload: &'a [u8],
}

/// The blocks of a packet.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    blocks: [Option<Block<'a>>; BLOCKS],
    count: usize,
}

impl<'a> Blocks<'a> {
    /// Reads the payload of a packet; `None` when it is malformed: its headers do not end, tell of more than there is,
    /// or of more than [`BLOCKS`] blocks.
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let (mut heads, mut rest, mut count) = ([(0, 0, 0); BLOCKS], payload, 0);
        let last = loop {
            let (&first, behind) = rest.split_first()?;
            if first & 0x80 == 0 {
                rest = behind;
                break first;
            }
            let &[a, b, c] = behind.first_chunk()?;
            rest = behind.get(3..)?;
            // One place is left for the last block.
            let head = heads.get_mut(count).filter(|_| count + 1 < BLOCKS)?;
            *head = (
                first & 0x7f,
                u16::from(a) << 6 | u16::from(b >> 2),
                usize::from(b & 3) << 8 | usize::from(c),
            );
            count += 1;
        };
        let mut blocks = [None; BLOCKS];
        for (block, &(payload_type, offset, length)) in blocks.iter_mut().zip(&heads[..count]) {
            let (payload, behind) = rest.split_at_checked(length)?;
            *block = Some(Block { payload_type, offset, payload });
            rest = behind;
        }
        blocks[count] = Some(Block { payload_type: last, offset: 0, payload: rest });
        Some(Self { blocks, count: count + 1 })
    }

    /// What is new in the packet.
    pub fn primary(&self) -> Block<'a> {
        let none = Block { payload_type: 0, offset: 0, payload: &[] };
        self.blocks.get(self.count - 1).copied().flatten().unwrap_or(none)
    }

    /// What was sent before, newest first, which is the order to look at them.
    pub fn earlier(&self) -> impl Iterator<Item = Block<'a>> + '_ {
        self.blocks[..self.count - 1].iter().rev().filter_map(|block| *block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_read_as_the_standard_shows_them() {
        // A primary of payload type 5 with one earlier block of 7 (RFC 2198 §4): offset 160, three octets.
        let payload = [0x87, 160 >> 6, (160 << 2) as u8, 3, 5, 1, 2, 3, 9, 8];
        let blocks = Blocks::read(&payload).unwrap();
        assert_eq!(blocks.primary(), Block { payload_type: 5, offset: 0, payload: &[9, 8] });
        let earlier: Vec<_> = blocks.earlier().collect();
        assert_eq!(earlier, [Block { payload_type: 7, offset: 160, payload: &[1, 2, 3] }]);
        // Alone.
        let blocks = Blocks::read(&[0x60]).unwrap();
        assert_eq!(blocks.primary(), Block { payload_type: 96, offset: 0, payload: &[] });
        assert_eq!(blocks.earlier().count(), 0);
    }

    #[test]
    fn what_does_not_add_up_is_malformed() {
        for payload in
            [&[][..], &[0x87], &[0x87, 0, 0, 3], &[0x87, 0, 0, 3, 5, 1, 2], &[0x87, 0, 3, 255, 5, 1]]
        {
            assert!(Blocks::read(payload).is_none(), "{payload:?}");
        }
        let many = |count: usize| [[0x80, 0, 0, 0].repeat(count), vec![0]].concat();
        assert!(Blocks::read(&many(BLOCKS - 1)).is_some());
        assert!(Blocks::read(&many(BLOCKS)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            earlier in prop::collection::vec((0..128_u8, 0..16_384_u16, prop::collection::vec(any::<u8>(), 0..1024)), 0..BLOCKS),
            last in 0..128_u8, new in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut payload = Vec::new();
            for (number, offset, octets) in &earlier {
                let word = u32::from(*offset) << 10 | octets.len() as u32;
                payload.extend([0x80 | number, (word >> 16) as u8, (word >> 8) as u8, word as u8]);
            }
            payload.push(last);
            earlier.iter().for_each(|(_, _, octets)| payload.extend(octets));
            payload.extend(&new);
            let blocks = Blocks::read(&payload).unwrap();
            prop_assert_eq!(blocks.primary(), Block { payload_type: last, offset: 0, payload: &new });
            let read: Vec<_> = blocks.earlier().map(|b| (b.payload_type, b.offset, b.payload.to_vec())).collect();
            prop_assert_eq!(read, earlier.into_iter().rev().collect::<Vec<_>>());
        }

        #[test]
        fn any_octets_are_read_safely(octets in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Some(blocks) = Blocks::read(&octets) {
                let all: usize = blocks.earlier().map(|b| b.payload.len()).sum();
                prop_assert!(all + blocks.primary().payload.len() < octets.len());
            }
        }
    }
}
