//! Who of the members of a conference is mixed.

/// How much louder another must be to take the place of one who talks, in dB.
const MARGIN: u16 = 6 << FRACTION;
/// Frames of 20 ms that a place is kept for one who pauses.
const HOLD: u8 = 30;
/// Fractional bits of a loudness.
const FRACTION: u32 = 4;

/// Chooses up to so many members who talk, so that only those need be decoded fully and mixed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Speakers {
    most: usize,
    members: Vec<Member>,
    chosen: Vec<usize>,
    loudest: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Member {
    /// Smoothed loudness above -127 dBov.
    loudness: u16,
    /// Frames since it last talked.
    quiet: u8,
    chosen: bool,
}

impl Speakers {
    /// Chooses `most` at a time.
    pub fn new(most: usize) -> Self {
        Self { most, members: Vec::new(), chosen: Vec::new(), loudest: None }
    }

    /// Takes what each member did in a frame of 20 ms and returns who is to be mixed, by position and in its order.
    ///
    /// A member that talks has a level in -dBov as in RFC 6464: 0 the loudest, 127 silence. `None` is one that does not
    /// talk, or a position that is empty. Members keep their positions from frame to frame.
    pub fn choose(&mut self, levels: &[Option<u8>]) -> &[usize] {
        self.members.resize(levels.len(), Member::default());
        for (member, level) in self.members.iter_mut().zip(levels) {
            member.hear(*level);
        }
        for member in self.members.iter_mut().filter(|member| member.quiet > HOLD) {
            member.chosen = false;
        }
        // At most one place changes hands per step, and each makes the chosen louder: it ends.
        for _ in 0..self.most {
            if !self.improve() {
                break;
            }
        }
        self.chosen.clear();
        self.chosen.extend((0..self.members.len()).filter(|&n| self.members[n].chosen));
        self.follow();
        &self.chosen
    }

    /// Who is to be mixed since the last frame.
    pub fn chosen(&self) -> &[usize] {
        &self.chosen
    }

    /// Who has the floor: the loudest, who keeps it until it pauses or another is louder by far.
    pub fn loudest(&self) -> Option<usize> {
        self.loudest
    }

    /// Gives one place to the loudest who talks without one: a free place, or that of one who is softer by far.
    fn improve(&mut self) -> bool {
        let talking = |member: &Member| member.quiet == 0 && !member.chosen;
        let Some(best) = self.pick(talking, |member| member.loudness) else { return false };
        if self.members.iter().filter(|member| member.chosen).count() >= self.most {
            let Some(worst) = self.pick(|member| member.chosen, |member| u16::MAX - member.loudness) else {
                return false;
            };
            if self.members[best].loudness <= self.members[worst].loudness.saturating_add(MARGIN) {
                return false;
            }
            self.members[worst].chosen = false;
        }
        self.members[best].chosen = true;
        true
    }

    fn follow(&mut self) {
        let best = self.pick(|member| member.chosen, |member| member.loudness);
        let held = self.loudest.and_then(|n| self.members.get(n)).filter(|member| member.chosen);
        let stays = match (held, best.and_then(|n| self.members.get(n))) {
            (Some(held), Some(best)) => best.loudness <= held.loudness.saturating_add(MARGIN),
            _ => false,
        };
        if !stays {
            self.loudest = best;
        }
    }

    /// The first of those with the greatest worth.
    fn pick(&self, who: impl Fn(&Member) -> bool, worth: impl Fn(&Member) -> u16) -> Option<usize> {
        let candidates = self.members.iter().enumerate().filter(|(_, member)| who(member));
        candidates.rev().max_by_key(|(_, member)| worth(member)).map(|(n, _)| n)
    }
}

impl Member {
    /// Loudness rises within two frames and falls within half a second, so that syllables do not matter.
    fn hear(&mut self, level: Option<u8>) {
        let now = level.map_or(0, |level| u16::from(127 - level.min(127)) << FRACTION);
        self.quiet = if level.is_some() { 0 } else { self.quiet.saturating_add(1) };
        if now > self.loudness {
            self.loudness += (now - self.loudness).div_ceil(2);
        } else {
            self.loudness -= (self.loudness - now) / 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_talks_is_chosen_at_once_and_kept_through_pauses() {
        let mut speakers = Speakers::new(2);
        assert_eq!(speakers.choose(&[None, None, None]), []);
        assert_eq!(speakers.choose(&[None, None, Some(30)]), [2]);
        assert_eq!(speakers.choose(&[Some(40), None, Some(30)]), [0, 2]);
        for _ in 0..HOLD {
            assert_eq!(speakers.choose(&[None, None, Some(30)]), [0, 2]);
        }
        assert_eq!(speakers.choose(&[None, None, Some(30)]), [2]);
        assert_eq!(speakers.chosen(), [2]);
    }

    #[test]
    fn a_place_changes_hands_only_to_one_who_is_louder_by_far() {
        let mut speakers = Speakers::new(1);
        speakers.choose(&[Some(30), None]);
        for _ in 0..100 {
            assert_eq!(speakers.choose(&[Some(30), Some(26)]), [0]);
        }
        let changed = (1..100).find(|_| speakers.choose(&[Some(40), Some(26)]) == [1]);
        assert!((2..40).contains(&changed.unwrap()), "{changed:?}");
        // And it does not go back by itself.
        assert_eq!(speakers.choose(&[Some(30), Some(26)]), [1]);
        assert_eq!(speakers.loudest(), Some(1));
    }

    #[test]
    fn one_who_leaves_makes_room() {
        let mut speakers = Speakers::new(1);
        speakers.choose(&[Some(60), Some(10)]);
        assert_eq!((speakers.choose(&[Some(60)]).to_vec(), speakers.loudest()), (vec![0], Some(0)));
        assert_eq!((speakers.choose(&[]).len(), speakers.loudest()), (0, None));
        assert_eq!(Speakers::new(0).choose(&[Some(1)]), []);
    }

    proptest! {
        /// Never more than allowed, always in order, never fewer than talk unless the places are taken.
        #[test]
        fn places_are_used(
            most in 0..4_usize,
            frames in prop::collection::vec(prop::collection::vec(prop::option::of(0..=127_u8), 0..6), 1..40),
        ) {
            let mut speakers = Speakers::new(most);
            for levels in frames {
                let talking = levels.iter().flatten().count();
                let chosen = speakers.choose(&levels).to_vec();
                prop_assert!(chosen.len() <= most && chosen.len() >= talking.min(most));
                prop_assert!(chosen.is_sorted_by(|a, b| a < b) && chosen.iter().all(|&n| n < levels.len()));
                prop_assert!(speakers.loudest().is_none_or(|n| chosen.contains(&n)));
            }
        }
    }
}
