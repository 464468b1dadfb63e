//! The sounds that can be played by name: prompts and music.

use std::cmp::Ordering;
use std::fmt;

use bytes::Bytes;
use smol_str::SmolStr;
use telex_audio::codec::g722;
use telex_audio::resample::Resampler;

/// Samples per second of every clip.
pub const CLIP_RATE: u32 = 16_000;
/// Samples that the coding delays by: the two mirror filters of G.722, whole octets.
const DELAY: usize = 22;
/// What comes before the class in the name of a piece of music.
const MUSIC: &str = "music/";
/// The digest of silence.
const NOTHING: u64 = 0;

/// A piece of sound of 16 kHz, shared by all who hear it. It is kept as G.722: a quarter of the memory, and what is
/// part of the program is played from there.
///
/// Written down it is its length and a digest. Read back it is silence of that length, until [`Library::fill`].
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Clip {
    octets: u32,
    digest: u64,
    #[cfg_attr(feature = "serde", serde(skip))]
    coded: Option<Bytes>,
}

impl PartialEq for Clip {
    fn eq(&self, other: &Self) -> bool {
        (self.octets, self.digest) == (other.octets, other.digest)
    }
}

impl Eq for Clip {}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} ms)", self.ms())
    }
}

/// FNV-1a over words: it tells sounds apart, not forgeries.
fn digest(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<8>();
    let rest = rest.iter().fold(1, |word, &octet| word << 8 | u64::from(octet));
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([rest]);
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        let product = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        product ^ product >> 29
    })
}

impl Clip {
    /// Of samples at `rate` per second, one channel; of an odd number it is one longer. `None` when the rate is none
    /// of those that sound comes at.
    pub fn of(rate: u32, samples: &[i16]) -> Option<Self> {
        let mut resampler = Resampler::new(rate, CLIP_RATE)?;
        let (length, late) = (resampler.outputs(samples.len()), resampler.delay());
        let mut pcm = Vec::with_capacity(length + late + DELAY);
        resampler.process(samples, &mut pcm);
        // Silence pushes out what is still in the filter.
        while pcm.len() < length + late {
            resampler.process(&[0; 64], &mut pcm);
        }
        pcm.truncate(length + late);
        pcm.drain(..late);
        if length > 0 {
            pcm.resize((length + DELAY).next_multiple_of(2), 0);
        }
        let mut coded = Vec::with_capacity(pcm.len() / 2);
        g722::Encoder::default().encode(&pcm, &mut coded);
        Some(Self::coded(coded.into()))
    }

    /// Of what [`Clip::octets`] gave. What is beyond 4 GiB is cut off.
    pub fn coded(octets: Bytes) -> Self {
        let digest = digest(&octets);
        Self::known(octets, digest)
    }

    /// Of octets whose digest is known, so that they need not be touched.
    pub fn known(mut octets: Bytes, digest: u64) -> Self {
        octets.truncate(u32::MAX as usize);
        Self { octets: u32::try_from(octets.len()).unwrap_or(u32::MAX), digest, coded: Some(octets) }
    }

    /// Silence of so many milliseconds.
    pub fn silence(ms: u32) -> Self {
        let samples = u64::from(ms) * u64::from(CLIP_RATE / 1000) + DELAY as u64;
        Self { octets: u32::try_from(samples / 2).unwrap_or(u32::MAX), digest: NOTHING, coded: None }
    }

    /// What tells it from other clips, besides its length.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// G.722 at 64 kbit/s, with what its filters delay; `None` when only its length is known.
    pub fn octets(&self) -> Option<&Bytes> {
        self.coded.as_ref()
    }

    /// How long it is, in milliseconds.
    pub fn ms(&self) -> u64 {
        self.samples() / u64::from(CLIP_RATE / 1000)
    }

    /// How many samples it is.
    pub fn samples(&self) -> u64 {
        (u64::from(self.octets) * 2).saturating_sub(DELAY as u64)
    }

    /// All of its samples.
    pub fn pcm(&self) -> Vec<i16> {
        let (mut pcm, mut place) = (Vec::new(), ClipPlace::default());
        while place.read(self, 80, &mut pcm) {}
        pcm
    }
}

/// A place in a clip that is being played.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClipPlace {
    at: u32,
    decoder: g722::Decoder,
}

impl ClipPlace {
    /// Appends the samples of the next so many octets, two each. False at its end.
    pub fn read(&mut self, clip: &Clip, octets: u32, pcm: &mut Vec<i16>) -> bool {
        let end = self.at.saturating_add(octets).min(clip.octets);
        let (from, start) = (self.at as usize, pcm.len());
        match clip.coded.as_ref().and_then(|coded| coded.get(from..end as usize)) {
            Some(piece) => self.decoder.decode(piece, pcm),
            None => pcm.resize(start + 2 * (end.saturating_sub(self.at) as usize), 0),
        }
        let early = DELAY.saturating_sub(2 * from).min(pcm.len() - start);
        pcm.drain(start..start + early);
        self.at = end.max(self.at);
        self.at < clip.octets
    }
}

/// All sounds by name: `welcome`, `digits/1`; in another language `de/welcome`; a class of music is `music/CLASS/...`.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Library {
    /// In the order of their names.
    clips: Vec<(SmolStr, Clip)>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({} sounds)", self.clips.len())
    }
}

impl FromIterator<(SmolStr, Clip)> for Library {
    /// Of two of the same name the later one counts.
    fn from_iter<T: IntoIterator<Item = (SmolStr, Clip)>>(clips: T) -> Self {
        let mut clips: Vec<_> = clips.into_iter().collect();
        clips.reverse();
        clips.sort_by(|(a, _), (b, _)| a.cmp(b));
        clips.dedup_by(|(later, _), (first, _)| later == first);
        Self { clips }
    }
}

impl Library {
    /// The sound of exactly this name.
    pub fn get(&self, name: &str) -> Option<&Clip> {
        self.search(|key| key.cmp(name))
    }

    /// A sound in a language (`de_CH`, then `de`) or, where that has none of this name, without one.
    pub fn find(&self, language: &str, name: &str) -> Option<&Clip> {
        let general = language.split(['_', '-']).next().unwrap_or_default();
        self.within(language, name).or_else(|| self.within(general, name)).or_else(|| self.get(name))
    }

    fn within(&self, language: &str, name: &str) -> Option<&Clip> {
        if language.is_empty() {
            return None;
        }
        let wanted = || language.bytes().chain([b'/']).chain(name.bytes());
        self.search(|key| key.bytes().cmp(wanted()))
    }

    fn search(&self, order: impl Fn(&str) -> Ordering) -> Option<&Clip> {
        let place = self.clips.binary_search_by(|(key, _)| order(key)).ok()?;
        self.clips.get(place).map(|(_, clip)| clip)
    }

    /// The pieces of a class of music, in the order of their names. None when there is no such class.
    pub fn class(&self, class: &str) -> &[(SmolStr, Clip)] {
        let wanted = || MUSIC.bytes().chain(class.bytes()).chain([b'/']);
        let before = |key: &str| key.bytes().cmp(wanted()) == Ordering::Less;
        let from = self.clips.partition_point(|(key, _)| before(key));
        let rest = self.clips.get(from..).unwrap_or_default();
        let within =
            |key: &str| wanted().zip(key.bytes()).filter(|(a, b)| a == b).count() == wanted().count();
        rest.get(..rest.partition_point(|(key, _)| within(key))).unwrap_or_default()
    }

    /// All sounds, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Clip)> {
        self.clips.iter().map(|(name, clip)| (name, clip))
    }

    /// How many sounds there are.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// Gets sounds of which only the length is known from another library, where that has the same.
    pub fn fill(&mut self, from: &Self) {
        for (name, clip) in &mut self.clips {
            if clip.coded.is_none()
                && let Some(same) = from.get(name).filter(|same| *same == clip)
            {
                clip.coded.clone_from(&same.coded);
            }
        }
    }

    /// Names of sounds of which only the length is known.
    pub fn hollow(&self) -> impl Iterator<Item = &SmolStr> {
        let hollow = |clip: &Clip| clip.coded.is_none() && clip.digest != NOTHING;
        self.clips.iter().filter(move |(_, clip)| hollow(clip)).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rate: u32, ms: u32) -> Vec<i16> {
        let at = |n: u32| f64::from(n) / f64::from(rate) * std::f64::consts::TAU;
        (0..rate / 1000 * ms)
            .map(|n| ((at(n) * 300.0).sin() * 6000.0 + (at(n) * 1700.0).cos() * 3000.0) as i16)
            .collect()
    }

    #[test]
    fn a_clip_is_as_long_as_what_it_was_made_of_and_not_shifted() {
        let exact = wave(16_000, 500);
        for rate in [8000, 16_000, 48_000] {
            let pcm = Clip::of(rate, &wave(rate, 500)).unwrap().pcm();
            assert_eq!(pcm.len(), exact.len());
            let error = |shift: usize| {
                let pairs = pcm[1000 + shift..7000 + shift].iter().zip(&exact[1000..]);
                pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / 6000.0
            };
            // 6000 and 3000 are a power of 22.5 million: 34 dB below that.
            assert!(error(0) < 9000.0, "{rate}: {}", error(0));
            assert!(error(1) > 200_000.0);
        }
        assert_eq!(Clip::of(16_000, &[]).unwrap().pcm(), []);
        assert_eq!(Clip::of(16_000, &[1]).unwrap().ms(), 0);
        assert!(Clip::of(7, &[1]).is_none());
    }

    #[test]
    fn sounds_are_found_by_name_language_and_class() {
        let clip = |n: i16| Clip::of(16_000, &vec![n; usize::from(n.unsigned_abs())]).unwrap();
        let names = [
            "a",
            "de/a",
            "de_CH/a",
            "b",
            "music/default/1",
            "music/default/2",
            "music/default",
            "music/defaults/1",
            "b",
        ];
        let library: Library =
            names.iter().zip(1..).map(|(name, n)| ((*name).into(), clip(n * 10))).collect();
        assert_eq!(library.len(), 8);
        assert_eq!(library.get("b"), Some(&clip(90)), "the later one");
        for (language, name, want) in [
            ("", "a", 10),
            ("de", "a", 20),
            ("de_CH", "a", 30),
            ("de-AT", "a", 20),
            ("fr", "a", 10),
            ("de", "b", 90),
            ("", "de/a", 20),
        ] {
            assert_eq!(library.find(language, name), Some(&clip(want)), "{language} {name}");
        }
        assert_eq!(library.find("de", "c"), None);
        let class = |name| library.class(name).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(class("default"), ["music/default/1", "music/default/2"]);
        assert_eq!(class("defaults"), ["music/defaults/1"]);
        assert_eq!((class("other").len(), class("").len(), class("z").len()), (0, 0, 0));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_is_read_back_is_as_long_and_silent_until_it_is_filled() {
        let clip = Clip::of(16_000, &wave(16_000, 100)).unwrap();
        let library: Library = [("a".into(), clip.clone()), ("b".into(), Clip::of(8000, &[9; 99]).unwrap())]
            .into_iter()
            .collect();
        let written = postcard::to_stdvec(&library).unwrap();
        assert!(written.len() < 40, "{}", written.len());
        let mut read: Library = postcard::from_bytes(&written).unwrap();
        assert_eq!((&read, read.hollow().count()), (&library, 2));
        assert_eq!(read.get("a").unwrap().pcm(), vec![0; 1600]);
        read.fill(&[("a".into(), clip.clone()), ("b".into(), clip.clone())].into_iter().collect());
        assert_eq!(read.get("a").unwrap().pcm(), clip.pcm());
        assert_eq!(
            read.hollow().collect::<Vec<_>>(),
            ["b"],
            "another sound of the same name is another sound"
        );
    }
}
