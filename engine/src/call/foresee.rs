//! What a call between two phones would use, without making it.

use std::net::Ipv4Addr;

use smol_str::SmolStr;

use super::Calls;
use super::party::Party;
use crate::border::{CodecPlan, PhoneCodecs, SoundWay};
use crate::config::Config;
use crate::mediactl::{LegId, PortId, ShardId};
use crate::offer::{self, Codec};
use crate::time::Instant;

impl Calls {
    /// Another configuration holds from now on, for new calls.
    pub(crate) fn reconfigure(&mut self, config: &Config) {
        self.spoken.retain(|extension| config.phones.contains_key(extension));
        self.callbacks.retain(config);
        self.plans.replace(super::plan_of(config));
        self.values.define(&self.plans.current().1);
    }

    /// What a call from one phone to another would use; `Err` with the one that there is not.
    pub(crate) fn foresee(
        &self,
        now: Instant,
        config: &Config,
        from: &str,
        to: &str,
    ) -> Result<CodecPlan, SmolStr> {
        let (caller, callee) = (party(config, from)?, party(config, to)?);
        let ours = caller.repertoire(config);
        let named = |extension: &str| self.spoken.of(extension).map(|(codecs, _)| codecs);
        let offers = caller.allowed(named(from).unwrap_or(ours.codecs()));
        let offered = callee.offer_for(config, &offers, named(to));
        // A phone that nothing is known of is taken to have all that it is offered.
        let answers = named(to).map_or_else(|| offered.clone(), |has| offer::choose(&offered, has));
        let answered = ours.answer(&offers, &answers);
        let phone = |extension: &str, party: &Party| PhoneCodecs {
            extension: extension.into(),
            named: self.spoken.of(extension).map(|(codecs, _)| offer::describe(codecs)),
            ago: self.spoken.of(extension).map(|(_, at)| now.since(at)),
            restricted: party.is_restricted(),
        };
        Ok(CodecPlan {
            caller: phone(from, &caller),
            callee: phone(to, &callee),
            transcode: config.transcode,
            offered: offer::describe(&offered),
            answer: offer::describe(&answers),
            answered: offer::describe(&answered),
            there: way(&answered, &answers),
            back: way(&answers, &answered),
        })
    }
}

/// A party that is this phone, without a call.
fn party(config: &Config, extension: &str) -> Result<Party, SmolStr> {
    let (extension, _) = config.phones.get_key_value(extension).ok_or_else(|| SmolStr::new(extension))?;
    let address = Ipv4Addr::UNSPECIFIED.into();
    Ok(Party::new(extension.clone(), LegId(0), (ShardId(0), PortId(0)), address, 0)
        .configured(config, extension))
}

/// How the sound of one who speaks the first of `said` reaches one who named `heard`.
fn way(said: &[Codec], heard: &[Codec]) -> SoundWay {
    let (Some(from), Some(to)) = (offer::speech(said), offer::speech(heard)) else {
        return SoundWay::Nothing;
    };
    let name = |codec: &Codec| offer::describe(std::slice::from_ref(codec));
    match heard.iter().find(|other| other.same_as(from)) {
        Some(_) => SoundWay::Untouched { codec: name(from) },
        None => SoundWay::Transcoded { from: name(from), to: name(to) },
    }
}
