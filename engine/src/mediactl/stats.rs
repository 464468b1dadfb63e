//! What a leg carried.

/// Packets that arrived and were not used, by reason. None of them was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Faults {
    /// Neither RTP nor RTCP, or on the wrong port of the two.
    pub protocol: u64,
    /// Its header or padding does not fit its length.
    pub header: u64,
    /// A payload type that was not agreed.
    pub payload_type: u64,
    /// A duplicate, or a sequence number that belongs to nothing.
    pub sequence: u64,
    /// A payload that is none of its encoding, or much too long.
    pub payload: u64,
    /// A timestamp that belongs to nothing.
    pub timestamp: u64,
}

/// What a leg carried, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LegStats {
    /// RTP packets received from the party and accepted.
    pub received: u64,
    /// Octets of RTP payload received.
    pub received_octets: u64,
    /// RTP packets sent to the party.
    pub sent: u64,
    /// Octets of RTP payload sent.
    pub sent_octets: u64,
    /// Packets the party sent that did not arrive, from its sequence numbers (RFC 3550 A.3); never negative.
    pub lost: u64,
    /// Interarrival jitter in microseconds (RFC 3550 A.8).
    pub jitter_us: u32,
    /// Packets refused because they came from an address that was not learnt.
    pub refused: u64,
    /// Packets that were no RTP or RTCP, or of a payload type not agreed.
    pub unknown: u64,
    /// Packets that were not used, by reason.
    pub faults: Faults,
    /// What the party last said about our packets: fraction lost in 1/256 (RFC 3550 §6.4.1).
    pub remote_fraction_lost: u8,
    /// What the party last said about our packets: how many it missed in all.
    pub remote_lost: u32,
    /// What the party last said about our packets: their jitter in microseconds.
    pub remote_jitter_us: u32,
    /// Round-trip time in microseconds by RTCP, 0 when unknown (RFC 3550 §6.4.1).
    pub round_trip_us: u32,
    /// Delay of the jitter buffer in milliseconds; 0 when the party's sound is not decoded.
    pub playout_delay_ms: u16,
    /// Milliseconds of sound taken out of the jitter buffer.
    pub played_ms: u64,
    /// Milliseconds of it that were made up for packets that did not come in time.
    pub concealed_ms: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// How the party's sound was heard: mean opinion score by the E-model (ITU-T G.107) in hundredths; 0 when unknown.
    pub mos: u16,
    /// How the party heard us, by what it reported; 0 when unknown.
    pub remote_mos: u16,
}
