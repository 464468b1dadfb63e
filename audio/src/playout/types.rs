//! What goes into a playout and what comes out.

use std::time::Duration;

use crate::codec::Encoding;

/// One received RTP packet, without what only the network needs.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, in units of the encoding's clock.
    pub timestamp: u32,
    /// What its payload type stands for.
    pub content: Content,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Content {
    /// Sound in an encoding.
    Sound(Encoding),
    /// A description of the noise to be heard until the next packet (RFC 3389).
    Noise {
        /// RTP clock rate in hertz.
        clock: u32,
    },
}

impl From<Encoding> for Content {
    fn from(encoding: Encoding) -> Self {
        Self::Sound(encoding)
    }
}

/// How much delay is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Settings {
    /// A packet waits at least so long after the fastest could have been played. Covers clocks that tick unevenly.
    pub least: Duration,
    /// No packet is waited for longer than this; what is older is left out. At most a second.
    pub most: Duration,
    /// Noise that is made up here begins with this. Streams that are heard together should not have the same: equal
    /// noise adds up to something louder than noise.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { least: Duration::from_millis(10), most: Duration::from_millis(400), seed: 0 }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It will be played.
    Kept,
    /// It was here before.
    Duplicate,
    /// Its time is over.
    Late,
    /// Its payload is none of its encoding, or longer than any.
    Malformed,
    /// Its sequence number is far from the others. Kept aside: if the next one follows it, the stream has restarted.
    Astray,
    /// It will be played, and so much had come at once that older ones were left out for it.
    Full,
    /// It will be played; the source began to count anew, and what was there of the old count is gone.
    Restarted,
}

/// What the samples pulled were. The counts add up to the samples asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Samples of received sound.
    pub sound: usize,
    /// Samples made in place of packets that are missing.
    pub concealed: usize,
    /// Samples of noise the source described, or that continue its background.
    pub noise: usize,
    /// Samples of nothing.
    pub silence: usize,
}

impl Pulled {
    /// Whether anything was heard at all.
    pub fn heard(&self) -> bool {
        self.sound + self.concealed + self.noise > 0
    }
}

/// What a playout did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Packets inserted, whatever became of them.
    pub packets: u64,
    /// Packets that had not come when their time was over. A late one moves from here to `late`.
    pub lost: u64,
    /// Packets that came when their time was over, and were of no more use.
    pub late: u64,
    /// Packets that were concealed for a while before they came, and are heard all the same: the wait became longer.
    pub belated: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that could not be decoded.
    pub malformed: u64,
    /// Packets that were lost and found again in the one behind them (Opus FEC).
    pub recovered: u64,
    /// Packets that had not come, and were found again in a later one (RFC 2198).
    pub repeated: u64,
    /// Packets left out because too much had come at once.
    pub dropped: u64,
    /// How often the source began anew.
    pub restarts: u64,
    /// Samples pulled.
    pub samples: u64,
    /// Of these, made in place of missing packets.
    pub concealed: u64,
    /// Of these, comfort noise.
    pub noise: u64,
    /// Of these, nothing.
    pub silence: u64,
    /// Samples put in to wait longer.
    pub expanded: u64,
    /// Samples taken out to wait shorter.
    pub compressed: u64,
    /// Microseconds that the sample played last waited longer than the fastest packets need.
    pub delay_us: u32,
    /// What it should be.
    pub target_us: u32,
    /// The greatest it was.
    pub most_us: u32,
}
