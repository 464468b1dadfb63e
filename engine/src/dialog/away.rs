//! Where a URI leads that a party names to send a call there: to the exchange itself, to a host that the site allows
//! ([`Config::refer_hosts`]), or nowhere.

use smol_str::{SmolStr, format_smolstr};

use crate::config::Config;
use crate::limits;
use crate::sip::{Scheme, Uri};

/// A party beside the exchange, as it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Away {
    /// The Request-URI: `sip:user@host:port;transport=tcp`, without password and headers.
    pub(crate) uri: SmolStr,
    /// Who that is, for people and records: `user@host`, or the host alone.
    pub(crate) who: SmolStr,
}

/// Where a URI leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To the exchange itself.
    Ours,
    /// To a host that the site allows.
    Away(Away),
    /// Nowhere, and why.
    Nowhere(&'static str),
}

const NONE_ALLOWED: &str = "that is another host's, and [sip] refer_hosts names none";
const NOT_ALLOWED: &str = "that is another host's, and none of [sip] refer_hosts";
const NOT_SIP: &str = "only sip: URIs are dialled at other hosts";
const TRANSPORT: &str = "other hosts are dialled by UDP and TCP only";
const LONG: &str = "that URI is too long";
/// What of a URI is not for who is asked: it would lead elsewhere, or has a meaning in other places alone
/// (RFC 3261 §19.1.1).
const LEFT_OUT: [&str; 4] = ["maddr", "ttl", "method", "lr"];

impl Place {
    /// Where a URI leads whose host is not the exchange by its address or realm. `named` is that one of the two who
    /// talk is called so, by a name of the exchange that it need not know.
    pub(crate) fn of(uri: &Uri<'_>, config: &Config, named: bool) -> Self {
        let allowed = |uri: &Uri<'_>| {
            let (name, address) = (uri.host_text(), uri.host().ip());
            config.refer_hosts.iter().any(|host| host.is(name, address, uri.port()))
        };
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips if allowed(uri) => match Away::of(uri) {
                Ok(away) => Self::Away(away),
                Err(why) => Self::Nowhere(why),
            },
            _ if named => Self::Ours,
            _ if config.refer_hosts.is_empty() => Self::Nowhere(NONE_ALLOWED),
            _ => Self::Nowhere(NOT_ALLOWED),
        }
    }
}

impl Away {
    /// Who a URI names, if that can be dialled. The host is not looked at.
    pub(crate) fn of(uri: &Uri<'_>) -> Result<Self, &'static str> {
        if uri.scheme() != Scheme::Sip {
            return Err(NOT_SIP);
        }
        let transport = uri.param("transport").flatten().unwrap_or("udp");
        if !["udp", "tcp"].iter().any(|known| transport.eq_ignore_ascii_case(known)) {
            return Err(TRANSPORT);
        }
        let (user, host) = (uri.user(), uri.host_text());
        let who = if user.is_empty() { SmolStr::new(host) } else { format_smolstr!("{user}@{host}") };
        let mut text = format!("sip:{who}");
        if let Some(port) = uri.port() {
            text += &format!(":{port}");
        }
        let kept =
            uri.params().filter(|(name, _)| !LEFT_OUT.iter().any(|out| out.eq_ignore_ascii_case(name)));
        for (name, value) in kept {
            text += &value.map_or_else(|| format!(";{name}"), |value| format!(";{name}={value}"));
        }
        if user.len() > limits::AWAY_USER || text.len() > limits::AWAY_URI {
            return Err(LONG);
        }
        Ok(Self { uri: text.into(), who })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hosts: &[&str]) -> Config {
        let refer_hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Config { refer_hosts, ..Config::default() }
    }

    fn place(text: &str, hosts: &[&str]) -> Place {
        Place::of(&Uri::parse(text).unwrap(), &config(hosts), false)
    }

    #[test]
    fn what_is_asked_for_is_asked_without_what_is_for_others() {
        for (text, uri, who) in [
            ("sip:carol@SBC", "sip:carol@SBC", "carol@SBC"),
            ("sip:carol:secret@sbc:5060?Route=%3Csip:evil%3E", "sip:carol@sbc:5060", "carol@sbc"),
            (
                "sip:c@sbc;Transport=TCP;maddr=192.0.2.9;lr;METHOD=INVITE;ttl=1",
                "sip:c@sbc;Transport=TCP",
                "c@sbc",
            ),
            ("sip:%23c@sbc;user=phone;gr=1;ob", "sip:%23c@sbc;user=phone;gr=1;ob", "%23c@sbc"),
            ("sip:sbc", "sip:sbc", "sbc"),
        ] {
            let expected = Away { uri: uri.into(), who: who.into() };
            assert_eq!(place(text, &["sbc"]), Place::Away(expected), "{text}");
        }
    }

    #[test]
    fn nobody_gets_to_a_host_that_is_not_listed_or_by_a_way_that_is_not_spoken() {
        let hosts = ["sbc", "192.0.2.7:5062"];
        let long = format!("sip:{}@sbc", "x".repeat(limits::AWAY_USER + 1));
        let params = format!("sip:x@sbc;y={}", "x".repeat(limits::AWAY_URI));
        for (text, why) in [
            ("sip:carol@evil", NOT_ALLOWED),
            ("sip:sbc@evil", NOT_ALLOWED),
            ("sip:carol@192.0.2.7", NOT_ALLOWED),
            ("tel:123", NOT_ALLOWED),
            ("mailto:carol@sbc", NOT_ALLOWED),
            ("sips:carol@sbc", NOT_SIP),
            ("sip:carol@sbc;transport=tls", TRANSPORT),
            (long.as_str(), LONG),
            (params.as_str(), LONG),
        ] {
            assert_eq!(place(text, &hosts), Place::Nowhere(why), "{text}");
        }
        assert_eq!(place("sip:carol@sbc", &[]), Place::Nowhere(NONE_ALLOWED));
        assert!(matches!(place("sip:carol@192.0.2.7:5062", &hosts), Place::Away(_)));
        let named = Place::of(&Uri::parse("sip:carol@telex").unwrap(), &config(&hosts), true);
        assert_eq!(named, Place::Ours);
        let named = Place::of(&Uri::parse("sip:carol@sbc").unwrap(), &config(&hosts), true);
        assert!(matches!(named, Place::Away(_)), "who is called there does not make it ours");
    }
}
