//! A subroutine that is run for a channel that was dialled.

use smol_str::{SmolStr, format_smolstr};

use super::{Move, State, Thread, flow};
use crate::find::{Asked, At};
use crate::plan::Dialplan;
use crate::scene::{Caller, Channel, Scene};
use crate::task::{Outcome, Routine};
use crate::when::Moment;
use crate::world::World;

/// Where a thread stands that is a subroutine for another channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Kind {
    /// It is a channel's whole way.
    #[default]
    Whole,
    /// It is a subroutine.
    Routine,
    /// It was one, and has come back.
    Returned,
}

impl Thread {
    /// A thread that runs a subroutine for a channel that this one dials, and is over with its Return. It has the
    /// variables that are inherited; what the place leaves out is that of this thread.
    ///
    /// # Errors
    /// When there is no such place, or no room for the arguments.
    pub fn routine(
        &self,
        routine: &Routine,
        callee: Caller,
        plan: &Dialplan,
        world: &mut dyn World,
    ) -> Result<Self, SmolStr> {
        let mut channel = Channel { place: self.channel.place.clone(), caller: callee, ..Channel::default() };
        for (name, value) in self.channel.vars.inherited() {
            channel.vars.set(&name, &value);
        }
        let mut scene = Scene::new(plan, &mut channel, world);
        let place = flow::resolve(&routine.place, &mut scene).map_err(|place| {
            format_smolstr!("there is no {},{} in the plan", place.context, place.extension)
        })?;
        let mut thread = Self::new(&place.context, &place.extension, Caller::default());
        channel.place = place;
        if !channel.vars.enter(&routine.args) {
            return Err("no room for the arguments of a subroutine".into());
        }
        (thread.channel, thread.kind) = (channel, Kind::Routine);
        Ok(thread)
    }

    /// A thread that walks an extension for a channel of its own, by this one's caller and with what is inherited.
    pub fn branch(&self, context: &str, extension: &str) -> Self {
        let mut branch = Self::new(context, extension, self.channel.caller.clone());
        for (name, value) in self.channel.vars.inherited() {
            branch.channel.vars.set(&name, &value);
        }
        branch
    }

    /// The thread of a phone that this one has dialled and that goes on by itself, at a place of which what is left out
    /// is that of this thread. It has the variables that are inherited.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn onward(
        &self,
        place: &[SmolStr],
        callee: Caller,
        plan: &Dialplan,
        world: &mut dyn World,
    ) -> Result<Self, SmolStr> {
        let mut thread = self.of_callee(callee);
        thread.channel.place = self.channel.place.clone();
        let mut scene = Scene::new(plan, &mut thread.channel, world);
        thread.channel.place = flow::resolve(place, &mut scene).map_err(|place| {
            format_smolstr!("there is no such step of {},{} in the plan", place.context, place.extension)
        })?;
        thread.channel.answered = true;
        Ok(thread)
    }

    /// Begins with the way of another thread behind it.
    pub fn follow(&mut self, before: &Self) {
        self.trail = before.trail.clone();
    }

    /// The thread of a phone that this one has dialled, and that is gone: it does what the extension `h` says where
    /// this one is.
    pub fn farewell(&self, callee: Caller, cause: u8) -> Self {
        let mut thread = self.of_callee(callee);
        thread.channel.place = self.channel.place.clone();
        thread.channel.answered = true;
        thread.resume(Outcome::HungUp { cause });
        thread
    }

    fn of_callee(&self, callee: Caller) -> Self {
        let mut thread = Self::new("", "", callee);
        for (name, value) in self.channel.vars.inherited() {
            thread.channel.vars.set(&name, &value);
        }
        thread
    }

    /// The extension of one key that its caller may leave a Dial for, and its context: that of `EXITCONTEXT`, else the
    /// one where it is.
    pub fn way_out(&self, key: char, plan: &Dialplan, now: Moment<'_>) -> Option<(SmolStr, SmolStr)> {
        let other = self.variable("EXITCONTEXT").filter(|context| !context.is_empty());
        let context = other.unwrap_or(&self.channel.place.context);
        let extension = SmolStr::from_iter([key]);
        let caller = &self.channel.caller.number;
        plan.find(Asked { context, extension: &extension, caller, now }, At::Priority(1))?;
        Some((context.into(), extension))
    }

    /// Whether it came to its Return, when it is a subroutine for another channel.
    pub const fn has_returned(&self) -> bool {
        matches!(self.kind, Kind::Returned)
    }

    /// Header fields that it adds to the INVITEs of its channel.
    pub fn headers(&self) -> &[(SmolStr, SmolStr)] {
        &self.channel.headers
    }

    /// Takes over the way of a subroutine that was run for another channel.
    pub fn tell_of(&mut self, routine: &Self, whose: &str) {
        for entry in routine.trail.entries() {
            let mut entry = entry.clone();
            entry.whose = whose.into();
            self.trail.push(entry);
        }
    }

    /// It comes back: a subroutine of another channel is over then.
    pub(super) fn returned(&mut self, value: &SmolStr) {
        self.channel.vars.leave();
        self.channel.vars.set("GOSUB_RETVAL", value);
        (self.kind, self.state) = (Kind::Returned, State::Over);
    }

    /// The end of an extension without a Return: the field goes on as if there were one.
    pub(super) fn ran_out(&mut self, world: &mut dyn World) -> Move {
        self.complain(world, format_args!("the subroutine ends without Return()"));
        (self.kind, self.state) = (Kind::Returned, State::Over);
        Move::Stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Facts;
    use crate::task::Task;

    const PLAN: &str = "[t]\nexten => s,1,Set(__SITE=north)\nsame => n,Set(OWN=1)\nsame => n,Dial(PJSIP/1,5,dF)\n\
        same => n(after),Hangup(${IF($[\"${SITE}${OWN}\" = \"north\"]?21:17)})\n\
        exten => 2,1,Hangup(${IF($[\"${DIALSTATUS}\" = \"CANCEL\"]?34:1)})\n\
        exten => h,1,Log(NOTICE,${CALLERID(num)} with ${SITE})\n[out]\nexten => 3,1,Hangup(18)\n";

    fn dialling() -> (Dialplan, Facts, Thread) {
        let plan = Dialplan::parse("x", PLAN).unwrap_or_else(|problems| panic!("{problems}"));
        let mut world = Facts::at(1_795_375_800_000, "Europe/Berlin");
        let mut thread = Thread::new("t", "s", Caller { number: "100".into(), ..Caller::default() });
        assert!(matches!(thread.next(&plan, &mut world), Some(Task::Dial(_))));
        (plan, world, thread)
    }

    fn callee() -> Caller {
        Caller { number: "101".into(), ..Caller::default() }
    }

    #[test]
    fn who_was_dialled_goes_on_with_what_it_inherits() {
        let (plan, mut world, thread) = dialling();
        for place in ["n", "after"] {
            let mut onward =
                thread.onward(&[place.into()], callee(), &plan, &mut world).expect("it is there");
            assert_eq!(onward.next(&plan, &mut world), Some(Task::Hangup { cause: Some(21) }), "{place}");
        }
        let none = thread.onward(&["none".into()], callee(), &plan, &mut world);
        assert_eq!(none.err().as_deref(), Some("there is no such step of t,s in the plan"));
        let mut farewell = thread.farewell(callee(), 16);
        assert_eq!(farewell.next(&plan, &mut world), None);
        let mut told = thread.clone();
        told.tell_of(&farewell, "101");
        let text = told.trail().told(&plan).to_string();
        assert!(text.contains("Log(NOTICE,101 with north)"), "{text}");
    }

    #[test]
    fn a_key_leads_out_of_a_dial_where_it_is_an_extension() {
        let (plan, mut world, mut thread) = dialling();
        let now = Moment::new(world.now_ms(), "Europe/Berlin");
        assert_eq!(thread.way_out('3', &plan, now), None);
        let (context, extension) = thread.way_out('2', &plan, now).expect("it is there");
        thread.set("EXITCONTEXT", "out");
        assert_eq!(thread.way_out('2', &plan, now), None);
        assert_eq!(thread.way_out('3', &plan, now), Some(("out".into(), "3".into())));
        thread.resume(Outcome::Left { context, extension });
        assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(34) }));
    }
}
