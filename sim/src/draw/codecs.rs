//! Which phones share no codec.

use super::swarm::Swarm;
use crate::luck::Draw;
use crate::plan::Plan;

/// Lists of codecs that phones have, by RTP payload type. Many share nothing.
const LISTS: [&[u8]; 9] = [&[0], &[8], &[9], &[3], &[0], &[8], &[0, 8], &[9, 8, 0], &[3, 0]];

/// Gives the phones codecs that many of them do not share, and an exchange that turns one into another. Phones of one
/// extension are alike, so that its callers know what they will need.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    if !swarm.on("transcode") {
        return;
    }
    plan.exchange.transcode = true;
    for index in 0..plan.phones.len() {
        let extension = &plan.phones[index].extension;
        let first = plan.phones.iter().position(|phone| phone.extension == *extension).unwrap_or(index);
        let mut d = Draw::new(plan.seed, "codecs", plan.luck_of(first));
        plan.phones[index].codecs = d.pick(&LISTS).to_vec();
    }
}
