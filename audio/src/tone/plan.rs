//! What the tones of countries are (ITU-T E.180, and the list of its Supplement 2 as later published with the ITU
//! Operational Bulletin; levels of the North American ones by its precise tone plan).

use super::Cadence;

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Signal {
    /// Dial a number.
    Dial,
    /// The other party is being rung.
    Ringback,
    /// The other party is busy.
    Busy,
    /// There is no way through: also reorder, or fast busy.
    Congestion,
    /// The call cannot be completed, an announcement says why.
    Information,
    /// Another call is waiting.
    Waiting,
}

/// The tones of a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its two letters (ISO 3166), small.
    pub country: &'static str,
    /// In the order of [`Signal`].
    tones: [&'static str; 6],
}

/// Three rising tones with a pause of a second, where a country has nothing else (ITU-T E.180 §6).
const INFORMATION: &str = "950/330,1400/330,1800/330,0/1000";

/// The tone that tells both parties of a call that it is recorded (ITU-T E.180 §9: 1400 Hz, each 15 s or so).
pub const RECORDING: &str = "1400@-20/400,0/15000";
/// The tone after which a caller may speak to a machine.
pub const BEEP: &str = "!1000/500";

const PLANS: &[Plan] = &[
    plan(
        "at",
        [
            "420",
            "420/1000,0/5000",
            "420/400,0/400",
            "420/200,0/200",
            "950/330,1450/330,1850/330,0/1000",
            "420/40,0/1960",
        ],
    ),
    plan(
        "au",
        [
            "413+438",
            "413+438/400,0/200,413+438/400,0/2000",
            "425/375,0/375",
            "425/375,0/375,425@-20/375,0/375",
            "425/2500,0/500",
            "425/200,0/200,425/200,0/4400",
        ],
    ),
    plan(
        "be",
        [
            "425",
            "425/1000,0/3000",
            "425/500,0/500",
            "425/167,0/167",
            "900/330,1400/330,1800/330,0/1000",
            "1400/175,0/175,1400/175,0/3500",
        ],
    ),
    plan(
        "br",
        [
            "425",
            "425/1000,0/4000",
            "425/250,0/250",
            "425/250,0/250,425/750,0/250",
            INFORMATION,
            "425/50,0/1000",
        ],
    ),
    plan("ca", AMERICAN),
    plan(
        "ch",
        [
            "425",
            "425/1000,0/4000",
            "425/500,0/500",
            "425/200,0/200",
            INFORMATION,
            "425/200,0/200,425/200,0/4000",
        ],
    ),
    plan(
        "cn",
        [
            "450",
            "450/1000,0/4000",
            "450/350,0/350",
            "450/700,0/700",
            "450/100,0/100,450/100,0/100,450/100,0/100,450/400,0/400",
            "450/400,0/4000",
        ],
    ),
    plan(
        "cz",
        [
            "425/330,0/330,425/660,0/660",
            "425/1000,0/4000",
            "425/330,0/330",
            "425/165,0/165",
            "950/330,0/30,1400/330,0/30,1800/330,0/1000",
            "425/330,0/9000",
        ],
    ),
    plan(
        "de",
        [
            "425",
            "425/1000,0/4000",
            "425/480,0/480",
            "425/240,0/240",
            INFORMATION,
            "425/200,0/200,425/200,0/5000",
        ],
    ),
    plan(
        "dk",
        [
            "425",
            "425/1000,0/4000",
            "425/500,0/500",
            "425/200,0/200",
            INFORMATION,
            "425/200,0/600,425/200,0/3000",
        ],
    ),
    plan(
        "es",
        [
            "425",
            "425/1500,0/3000",
            "425/200,0/200",
            "425/200,0/200,425/200,0/200,425/200,0/600",
            INFORMATION,
            "425/175,0/175,425/175,0/3500",
        ],
    ),
    plan(
        "fi",
        [
            "425",
            "425/1000,0/4000",
            "425/300,0/300",
            "425/200,0/200",
            INFORMATION,
            "425/150,0/150,425/150,0/8000",
        ],
    ),
    plan("fr", ["440", "440/1500,0/3500", "440/500,0/500", "440/250,0/250", INFORMATION, "440/300,0/10000"]),
    plan(
        "gb",
        [
            "350+440",
            "400+450/400,0/200,400+450/400,0/2000",
            "400/375,0/375",
            "400/400,0/350,400/225,0/525",
            "950/330,0/15,1400/330,0/15,1800/330,0/1000",
            "400/100,0/4000",
        ],
    ),
    plan(
        "in",
        [
            "400*25",
            "400*25/400,0/200,400*25/400,0/2000",
            "400/750,0/750",
            "400/250,0/250",
            INFORMATION,
            "400/200,0/100,400/200,0/7500",
        ],
    ),
    plan(
        "it",
        [
            "425/200,0/200,425/600,0/1000",
            "425/1000,0/4000",
            "425/500,0/500",
            "425/200,0/200",
            INFORMATION,
            "425/400,0/100,425/250,0/100,425/150,0/14000",
        ],
    ),
    plan(
        "jp",
        ["400", "400*16/1000,0/2000", "400/500,0/500", "400/500,0/500", INFORMATION, "400*16/500,0/8000"],
    ),
    plan("nl", ["425", "425/1000,0/4000", "425/500,0/500", "425/250,0/250", INFORMATION, "425/500,0/9500"]),
    plan(
        "no",
        [
            "425",
            "425/1000,0/4000",
            "425/500,0/500",
            "425/200,0/200",
            INFORMATION,
            "425/200,0/600,425/200,0/10000",
        ],
    ),
    plan(
        "nz",
        [
            "400",
            "400+450/400,0/200,400+450/400,0/2000",
            "400/500,0/500",
            "400/250,0/250",
            "400/75,0/100,400/75,0/100,400/75,0/100,400/75,0/400",
            "400/200,0/3000",
        ],
    ),
    plan(
        "pl",
        [
            "425",
            "425/1000,0/4000",
            "425/500,0/500",
            "425/500,0/500",
            INFORMATION,
            "425/150,0/150,425/150,0/4000",
        ],
    ),
    plan("pt", ["425", "425/1000,0/5000", "425/500,0/500", "425/200,0/200", INFORMATION, "425/200,0/600"]),
    plan("ru", ["425", "425/1000,0/4000", "425/350,0/350", "425/175,0/175", INFORMATION, "425/200,0/5000"]),
    plan(
        "se",
        [
            "425",
            "425/1000,0/5000",
            "425/250,0/250",
            "425/250,0/750",
            "950/332,0/24,1400/332,0/24,1800/332,0/2024",
            "425/200,0/500,425/200,0/9100",
        ],
    ),
    plan("us", AMERICAN),
    plan(
        "za",
        [
            "400*33",
            "400*33/400,0/200,400*33/400,0/2000",
            "400/500,0/500",
            "400/250,0/250",
            INFORMATION,
            "400*33/400,0/4000",
        ],
    ),
];

const AMERICAN: [&str; 6] = [
    "350@-13+440@-13",
    "440@-19+480@-19/2000,0/4000",
    "480@-24+620@-24/500,0/500",
    "480@-24+620@-24/250,0/250",
    "!950@-13/330,!1400@-13/330,!1800@-13/330",
    "440@-13/300,0/10000",
];

const fn plan(country: &'static str, tones: [&'static str; 6]) -> Plan {
    Plan { country, tones }
}

impl Plan {
    /// The plan of a country by its two letters; `uk` is understood.
    pub fn of(country: &str) -> Option<&'static Self> {
        let country = if country.eq_ignore_ascii_case("uk") { "gb" } else { country };
        PLANS.iter().find(|plan| plan.country.eq_ignore_ascii_case(country))
    }

    /// All of them, by their letters.
    pub fn all() -> &'static [Self] {
        PLANS
    }

    /// A tone in the notation of [`Cadence`].
    pub fn text(&self, signal: Signal) -> &'static str {
        match signal {
            Signal::Dial => self.tones[0],
            Signal::Ringback => self.tones[1],
            Signal::Busy => self.tones[2],
            Signal::Congestion => self.tones[3],
            Signal::Information => self.tones[4],
            Signal::Waiting => self.tones[5],
        }
    }

    /// A tone, ready to be played.
    pub fn cadence(&self, signal: Signal) -> Cadence {
        // The table is tested: each text is a cadence.
        self.text(signal).parse().unwrap_or(Cadence { steps: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALS: [Signal; 6] = [
        Signal::Dial,
        Signal::Ringback,
        Signal::Busy,
        Signal::Congestion,
        Signal::Information,
        Signal::Waiting,
    ];

    #[test]
    fn every_text_is_a_cadence() {
        assert!(PLANS.is_sorted_by(|a, b| a.country < b.country));
        for (plan, signal) in PLANS.iter().flat_map(|plan| SIGNALS.map(|signal| (plan, signal))) {
            let cadence: Cadence = plan.text(signal).parse().unwrap();
            assert!(!cadence.steps.is_empty() && cadence == plan.cadence(signal));
        }
        assert!(RECORDING.parse::<Cadence>().unwrap().milliseconds().is_none());
        assert_eq!(BEEP.parse::<Cadence>().unwrap().milliseconds(), Some(500));
    }

    #[test]
    fn countries_are_found_by_their_letters() {
        for country in
            ["us", "gb", "de", "fr", "it", "es", "nl", "be", "ch", "at", "se", "no", "dk", "fi", "pl", "cz"]
        {
            assert_eq!(Plan::of(country).unwrap().country, country);
        }
        for country in ["au", "nz", "jp", "in", "br", "za", "ru", "cn"] {
            assert_eq!(Plan::of(country).unwrap().country, country);
        }
        assert_eq!(Plan::of("UK"), Plan::of("gb"));
        assert_eq!(Plan::of("DE").unwrap().text(Signal::Busy), "425/480,0/480");
        assert!(Plan::of("xx").is_none());
    }
}
