//! A pack: many sounds in one file, from which they are played without being copied.
//!
//! It is [`MAGIC`] and a list, then all sounds. Each line of the list is the length of a name in an octet, the name,
//! where behind the list its sound begins and how many octets that has, in four octets each, and its digest in eight,
//! least significant first. An empty name ends it. Names of the same sound share it.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes};
use smol_str::SmolStr;
use telex_engine::mediactl::Clip;

const MAGIC: &[u8] = b"telex sounds 1\n";

/// The sounds of a pack; `None` when it is none, or is cut off.
pub(super) fn read(pack: &Bytes) -> Option<Vec<(SmolStr, Clip)>> {
    let mut list = pack.strip_prefix(MAGIC)?;
    let mut found = Vec::new();
    loop {
        let length = usize::from(list.try_get_u8().ok()?);
        if length == 0 {
            break;
        }
        let (name, rest) = list.split_at_checked(length)?;
        list = rest;
        let mut number = || usize::try_from(list.try_get_u32_le().ok()?).ok();
        let (from, octets) = (number()?, number()?);
        found.push((
            SmolStr::new(std::str::from_utf8(name).ok()?),
            from,
            octets,
            list.try_get_u64_le().ok()?,
        ));
    }
    let sounds = pack.slice(pack.len() - list.len()..);
    let mut clips = Vec::new();
    for (name, from, octets, digest) in found {
        let end = from.checked_add(octets).filter(|end| *end <= sounds.len())?;
        clips.push((name, Clip::known(sounds.slice(from..end), digest)));
    }
    Some(clips)
}

/// A pack of these sounds, in this order. Those with names over 255 octets, and those of which only the length is
/// known, are left out.
pub(crate) fn write<'a>(clips: impl Iterator<Item = (&'a SmolStr, &'a Clip)>) -> Vec<u8> {
    let (mut list, mut sounds, mut places) = (MAGIC.to_vec(), Vec::new(), BTreeMap::new());
    for (name, clip) in clips {
        let (Some(octets), Ok(length)) = (clip.octets(), u8::try_from(name.len())) else { continue };
        let from = *places.entry(octets.clone()).or_insert_with(|| {
            sounds.extend_from_slice(octets);
            sounds.len() - octets.len()
        });
        let (Ok(from), Ok(count)) = (u32::try_from(from), u32::try_from(octets.len())) else { continue };
        list.push(length);
        list.extend_from_slice(name.as_bytes());
        list.extend_from_slice(&from.to_le_bytes());
        list.extend_from_slice(&count.to_le_bytes());
        list.extend_from_slice(&clip.digest().to_le_bytes());
    }
    list.push(0);
    list.append(&mut sounds);
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use telex_engine::mediactl::Library;

    #[test]
    fn a_pack_gives_back_what_was_put_in_and_nothing_when_it_is_damaged() {
        let clip = |n: usize| Clip::of(16_000, &vec![n as i16 * 7; n]).unwrap();
        let library: Library = [("a", 0), ("b/c", 90), ("d", 4000), ("e", 4000)]
            .map(|(name, n)| (name.into(), clip(n)))
            .into_iter()
            .collect();
        let packed = write(library.iter());
        assert!(packed.len() < 2300, "d and e are the same");
        let read_back = |octets: &[u8]| read(&Bytes::copy_from_slice(octets));
        let again: Library = read_back(&packed).unwrap().into_iter().collect();
        assert_eq!(again, library);
        assert_eq!(again.get("d").unwrap().pcm(), clip(4000).pcm());
        for end in 0..packed.len() {
            assert!(read_back(&packed[..end]).is_none(), "{end}");
        }
    }
}
