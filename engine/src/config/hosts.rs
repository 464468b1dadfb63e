//! Hosts beside the exchange to which calls may be sent on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use smol_str::{SmolStr, ToSmolStr};

/// The port of SIP where none is written (RFC 3261 §19.1.2).
const USUAL_PORT: u16 = 5060;
/// Octets of the longest name of a host (RFC 1035 §2.3.4).
const NAME_OCTETS: usize = 253;

/// A host to which calls may be sent on, written `name`, `192.0.2.7`, `[2001:db8::7]`, with `:port` or without.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReferHost {
    /// Its name in small letters; empty for an address.
    name: SmolStr,
    /// Its address, an IPv4 one never within an IPv6 one.
    address: Option<IpAddr>,
    /// The only port that is meant; `None` is any.
    port: Option<u16>,
}

/// Why a text names no host to which calls may be sent on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAHost {
    /// A whole URI.
    #[error("write the host alone, as in \"sbc.example.com\" or \"192.0.2.7:5062\", without sip: and user")]
    Uri,
    /// An IPv6 address without its brackets.
    #[error("put an IPv6 address in brackets, as in \"[2001:db8::7]\" or \"[2001:db8::7]:5062\"")]
    Brackets,
    /// A port that is none.
    #[error("write a port from 1 to 65535 behind the colon, or leave both out to mean every port")]
    Port,
    /// An address where nobody is.
    #[error("name the address of one host: this one is nobody's")]
    Nobody,
    /// Many hosts at once.
    #[error("name each host by itself: there are no wildcards and no networks")]
    Many,
    /// Neither a name nor an address.
    #[error("write a name of letters, digits, dots and hyphens, or an IP address")]
    Name,
}

impl ReferHost {
    /// Whether the host of a URI is this one: its name, or its address when it is one, and its port.
    pub fn is(&self, name: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let host = match (self.address, address) {
            (Some(own), Some(other)) => own == other.to_canonical(),
            (None, None) => self.name.eq_ignore_ascii_case(name),
            _ => false,
        };
        host && self.port.is_none_or(|own| own == port.unwrap_or(USUAL_PORT))
    }
}

impl FromStr for ReferHost {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let scheme = text.split(':').next().filter(|first| first.len() < text.len()).unwrap_or_default();
        if text.contains(['@', ';', '?']) || ["sip", "sips"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
            return Err(NotAHost::Uri);
        }
        if text.contains(['*', '/']) {
            return Err(NotAHost::Many);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inside, behind) = rest.split_once(']').ok_or(NotAHost::Brackets)?;
                let address: Ipv6Addr = inside.parse().map_err(|_| NotAHost::Brackets)?;
                let port = match behind {
                    "" => None,
                    behind => Some(behind.strip_prefix(':').ok_or(NotAHost::Port)?),
                };
                (Err(IpAddr::V6(address)), port)
            }
            None if text.parse::<Ipv6Addr>().is_ok() => return Err(NotAHost::Brackets),
            None => match text.split_once(':') {
                Some((host, port)) => (Ok(host), Some(port)),
                None => (Ok(text), None),
            },
        };
        let port = port.map(port_of).transpose()?;
        let address = match host {
            Err(address) => Some(address),
            Ok(host) => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        if let Some(address) = address.map(|address| address.to_canonical()) {
            let nobody = address.is_unspecified() || address.is_multicast();
            let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
            return match nobody || broadcast {
                true => Err(NotAHost::Nobody),
                false => Ok(Self { name: SmolStr::default(), address: Some(address), port }),
            };
        }
        let name = host.unwrap_or_default();
        if !is_name(name) {
            return Err(NotAHost::Name);
        }
        Ok(Self { name: name.to_ascii_lowercase().to_smolstr(), address: None, port })
    }
}

fn port_of(text: &str) -> Result<u16, NotAHost> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(NotAHost::Port)
}

/// Whether this is a host name (RFC 3261 §25.1): the last label begins with a letter.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !label.is_empty() && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_OCTETS
        && text.split('.').all(label)
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

impl std::fmt::Display for ReferHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Some(address) => write!(f, "{address}")?,
            None => f.write_str(&self.name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> ReferHost {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_host_is_written_with_a_port_or_without() {
        for text in [
            "sbc.example.com",
            "sipgate.example:5062",
            "pbx",
            "192.0.2.7",
            "192.0.2.7:5062",
            "[2001:db8::7]:1",
        ] {
            assert_eq!(host(text).to_string(), text);
        }
        assert_eq!(host("SBC.Example.com").to_string(), "sbc.example.com");
        assert_eq!(host("[::ffff:192.0.2.7]"), host("192.0.2.7"), "one address has one form");
    }

    #[test]
    fn what_is_no_host_has_its_remedy() {
        for (text, why) in [
            ("", NotAHost::Name),
            ("sip:sbc.example.com", NotAHost::Uri),
            ("a@sbc.example.com", NotAHost::Uri),
            ("sbc.example.com;transport=tcp", NotAHost::Uri),
            ("2001:db8::7", NotAHost::Brackets),
            ("[2001:db8::7", NotAHost::Brackets),
            ("[sbc]", NotAHost::Brackets),
            ("sbc.example.com:", NotAHost::Port),
            ("sbc.example.com:+5", NotAHost::Port),
            ("192.0.2.7:65536", NotAHost::Port),
            ("[::1]x", NotAHost::Port),
            ("0.0.0.0", NotAHost::Nobody),
            ("[ff02::1]", NotAHost::Nobody),
            ("*.example.com", NotAHost::Many),
            ("192.0.2.0/24", NotAHost::Many),
            ("256.0.0.1", NotAHost::Name),
            ("a..b", NotAHost::Name),
            ("sbc.example.com.", NotAHost::Name),
            ("-a.b", NotAHost::Name),
            ("b\u{fc}ro.example", NotAHost::Name),
        ] {
            assert_eq!(text.parse::<ReferHost>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_name_is_itself_alone_and_an_address_by_whatever_form() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let name = host("sbc.example.com");
        assert!(name.is("SBC.example.COM", None, None) && name.is("sbc.example.com", None, Some(22)));
        for other in ["example.com", "x.sbc.example.com", "sbc.example.com.", "sbc.example.con", ""] {
            assert!(!name.is(other, None, None), "{other}");
        }
        let address = host("192.0.2.7:5062");
        assert!(address.is("192.0.2.7", ip("192.0.2.7"), Some(5062)));
        assert!(address.is("[::ffff:c000:207]", ip("::ffff:192.0.2.7"), Some(5062)));
        assert!(!address.is("192.0.2.7", ip("192.0.2.7"), None), "5060 is another port");
        assert!(!address.is("192.0.2.8", ip("192.0.2.8"), Some(5062)));
        assert!(
            host("[2001:db8::7]:5060").is("[2001:DB8:0::7]", ip("2001:db8::7"), None),
            "5060 is what is meant"
        );
    }
}
