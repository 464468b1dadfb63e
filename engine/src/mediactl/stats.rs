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

impl Faults {
    /// These and those.
    fn and(self, more: Self) -> Self {
        Self {
            protocol: self.protocol + more.protocol,
            header: self.header + more.header,
            payload_type: self.payload_type + more.payload_type,
            sequence: self.sequence + more.sequence,
            payload: self.payload + more.payload,
            timestamp: self.timestamp + more.timestamp,
        }
    }

    /// These without those.
    fn without(self, those: Self) -> Self {
        Self {
            protocol: self.protocol.saturating_sub(those.protocol),
            header: self.header.saturating_sub(those.header),
            payload_type: self.payload_type.saturating_sub(those.payload_type),
            sequence: self.sequence.saturating_sub(those.sequence),
            payload: self.payload.saturating_sub(those.payload),
            timestamp: self.timestamp.saturating_sub(those.timestamp),
        }
    }
}

impl LegStats {
    /// What a leg carried that went on on another shard: counts are added, of what is measured the latest counts, and
    /// opinions are weighed by packets.
    pub fn followed_by(self, then: Self) -> Self {
        fn latest<T: Default + PartialEq>(before: T, then: T) -> T {
            if then == T::default() { before } else { then }
        }
        let heard = opinion((self.mos, self.received), (then.mos, then.received));
        let told = opinion((self.remote_mos, self.sent), (then.remote_mos, then.sent));
        Self {
            received: self.received + then.received,
            received_octets: self.received_octets + then.received_octets,
            sent: self.sent + then.sent,
            sent_octets: self.sent_octets + then.sent_octets,
            lost: self.lost + then.lost,
            jitter_us: latest(self.jitter_us, then.jitter_us),
            refused: self.refused + then.refused,
            unknown: self.unknown + then.unknown,
            faults: self.faults.and(then.faults),
            remote_fraction_lost: then.remote_fraction_lost,
            // The party counts what it missed of one stream, which is the same.
            remote_lost: latest(self.remote_lost, then.remote_lost),
            remote_jitter_us: latest(self.remote_jitter_us, then.remote_jitter_us),
            round_trip_us: latest(self.round_trip_us, then.round_trip_us),
            playout_delay_ms: latest(self.playout_delay_ms, then.playout_delay_ms),
            played_ms: self.played_ms + then.played_ms,
            concealed_ms: self.concealed_ms + then.concealed_ms,
            late: self.late + then.late,
            mos: heard,
            remote_mos: told,
        }
    }

    /// The counts without those of `before`. What is measured stays as it is.
    pub fn since(self, before: Self) -> Self {
        Self {
            received: self.received.saturating_sub(before.received),
            received_octets: self.received_octets.saturating_sub(before.received_octets),
            sent: self.sent.saturating_sub(before.sent),
            sent_octets: self.sent_octets.saturating_sub(before.sent_octets),
            lost: self.lost.saturating_sub(before.lost),
            refused: self.refused.saturating_sub(before.refused),
            unknown: self.unknown.saturating_sub(before.unknown),
            faults: self.faults.without(before.faults),
            remote_lost: self.remote_lost.saturating_sub(before.remote_lost),
            played_ms: self.played_ms.saturating_sub(before.played_ms),
            concealed_ms: self.concealed_ms.saturating_sub(before.concealed_ms),
            late: self.late.saturating_sub(before.late),
            ..self
        }
    }
}

/// The mean of two opinions on so many packets each; 0 is none.
fn opinion(before: (u16, u64), then: (u16, u64)) -> u16 {
    let weight = |(mos, packets): (u16, u64)| if mos == 0 { 0 } else { u128::from(packets.max(1)) };
    let (a, b) = (weight(before), weight(then));
    let sum = u128::from(before.0) * a + u128::from(then.0) * b;
    sum.checked_div(a + b).and_then(|mos| u16::try_from(mos).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_leg_are_added_up() {
        let half = |received, mos, jitter_us| LegStats { received, mos, jitter_us, ..LegStats::default() };
        let both = half(300, 400, 7).followed_by(half(100, 200, 9));
        assert_eq!((both.received, both.mos, both.jitter_us), (400, 350, 9));
        let nothing_since = half(300, 400, 7).followed_by(LegStats::default());
        assert_eq!(nothing_since, half(300, 400, 7));
        assert_eq!(LegStats::default().followed_by(half(3, 0, 0)), half(3, 0, 0));
        assert_eq!(both.since(half(300, 400, 7)), half(100, 350, 9));
    }
}
