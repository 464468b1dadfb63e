//! What a thread asks the exchange.

use smol_str::SmolStr;

/// How a device is, as `DEVICE_STATE` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody knows that name.
    #[default]
    Unknown,
    /// Registered and on the hook.
    NotInUse,
    /// In a call.
    InUse,
    /// In as many calls as it takes.
    Busy,
    /// Not registered.
    Unavailable,
    /// It rings.
    Ringing,
    /// It rings and is in a call.
    RingInUse,
    /// It holds a call.
    OnHold,
}

impl DeviceState {
    /// What `AVAILSTATUS` says.
    pub const fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::NotInUse => 1,
            Self::InUse => 2,
            Self::Busy => 3,
            Self::Unavailable => 5,
            Self::Ringing => 6,
            Self::RingInUse => 7,
            Self::OnHold => 8,
        }
    }

    /// What the function gives.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::NotInUse => "NOT_INUSE",
            Self::InUse => "INUSE",
            Self::Busy => "BUSY",
            Self::Unavailable => "UNAVAILABLE",
            Self::Ringing => "RINGING",
            Self::RingInUse => "RINGINUSE",
            Self::OnHold => "ONHOLD",
        }
    }
}

/// How loud a line of a dialplan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// `Verbose`, `Log(DEBUG, ...)`.
    Debug,
    /// `Log(NOTICE, ...)`.
    Notice,
    /// `Log(WARNING, ...)` and what a thread itself has to complain of.
    Warning,
    /// `Log(ERROR, ...)`.
    Error,
}

/// The exchange, seen from one channel of it. No answer may depend on anything but what the exchange was told.
pub trait World {
    /// Milliseconds since 1970 in UTC.
    fn now_ms(&self) -> i64;
    /// Milliseconds of a clock that nobody sets, since any moment: how long something takes is measured by it.
    fn steady_ms(&self) -> i64 {
        self.now_ms()
    }
    /// Name of the time zone of the site: `Europe/Berlin`.
    fn zone(&self) -> &str;
    /// A number from `low` to `high`, both included, seeded.
    fn random(&mut self, low: i64, high: i64) -> i64;
    /// A line for the log.
    fn log(&mut self, loudness: Loudness, text: &str);
    /// A fact of the channel: the argument of `CHANNEL()`, in lower case, or of `CDR()` with `cdr/` before it; also
    /// `CONNECTEDLINE(num)` as `connected/num`. `None` when there is no such. `name`, `uniqueid` and `state` (`Up` when
    /// it is answered) are asked for by variables and applications too.
    fn fact(&self, name: &str) -> Option<SmolStr>;
    /// Sets a fact that may be set; false when it may not.
    fn set_fact(&mut self, name: &str, value: &str) -> bool;
    /// A header field of the INVITE that began the channel: name, and which one from 1.
    fn header(&self, name: &str, number: usize) -> Option<SmolStr>;
    /// A variable of the whole exchange.
    fn global(&self, name: &str) -> Option<SmolStr>;
    /// Sets one; false when there are too many.
    fn set_global(&mut self, name: &str, value: &str) -> bool;
    /// A lasting value by family and key.
    fn db(&self, family: &str, key: &str) -> Option<SmolStr>;
    /// Sets one, or deletes it with `None`; false when there are too many.
    fn set_db(&mut self, family: &str, key: &str, value: Option<&str>) -> bool;
    /// How a device is: `PJSIP/101`, or an extension of a hint.
    fn device(&self, name: &str) -> DeviceState;
    /// Channels in a group of a category.
    fn group_count(&self, group: &str, category: &str) -> usize;
    /// Puts the channel in a group of a category; it leaves the one it was in.
    fn set_group(&mut self, group: &str, category: &str);
    /// Everybody who has a name, in the order of their extensions: extension and name.
    fn names(&self, visit: &mut dyn FnMut(&str, &str));
    /// Whether a prompt of this name can be played.
    fn has_prompt(&self, name: &str) -> bool;
}
