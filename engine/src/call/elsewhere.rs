//! Who is asked at another host: by a step of the dialplan that names a URI, or because a party sends a call to a host
//! that the site allows.

use std::net::SocketAddr;

use smallvec::smallvec;
use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Dial, Target as Wanted};

use super::dial::Target;
use super::party::Party;
use crate::border::Transport;
use crate::config::Config;
use crate::dialog::Away;
use crate::registrar::Reach;
use crate::sip::{EscapedUser, Host, Replaces, Uri, unescape};

/// The port of SIP where none is written.
const USUAL_PORT: u16 = 5060;

/// Whom a step of the dialplan means by a URI. `name` is the phone or trunk that it is dialled for.
///
/// # Errors
/// Why nobody can be asked so.
pub(super) fn target(config: &Config, uri: &str, name: &SmolStr) -> Result<Target, SmolStr> {
    if !name.is_empty() && !config.phones.contains_key(name) {
        return Err(format_smolstr!("there is no phone {name}"));
    }
    let text = written(uri);
    let uri = Uri::parse(&text).map_err(|why| format_smolstr!("{why}"))?;
    let away = Away::of(&uri)?;
    let extension = if name.is_empty() { away.who.clone() } else { name.clone() };
    let port = uri.port().unwrap_or(USUAL_PORT);
    let tcp = uri.param("transport").flatten().is_some_and(|name| name.eq_ignore_ascii_case("tcp"));
    let transport = if tcp { Transport::Tcp } else { Transport::Udp };
    let reach = match uri.host() {
        Host::Name(host) => Reach::Name { transport, host: host.into(), port },
        host => match host.ip() {
            Some(ip) => Reach::Address { transport, remote: SocketAddr::new(ip, port) },
            None => Reach::Unreachable,
        },
    };
    let to = format_smolstr!("<sip:{}>", away.who);
    let mut target = Target::new(&extension, away.uri, reach, smallvec![]);
    target.to = to;
    Ok(target)
}

/// A URI as a step of the dialplan writes it, made one of SIP: what stands before the last `@` is the user, whatever
/// is in it, so that no value in it becomes another host.
fn written(uri: &str) -> String {
    let Some((before, host)) = uri.rsplit_once('@') else { return uri.to_owned() };
    let (scheme, user) = before.split_once(':').unwrap_or((before, ""));
    let plain = format!("sip:{user}@h");
    match Uri::parse(&plain).is_ok_and(|plain| plain.user() == user) {
        true => format!("{scheme}:{user}@{host}"),
        false => format!("{scheme}:{}@{host}", EscapedUser(user)),
    }
}

/// Asks who is at a host that the site allows, in the place of a dialog that it has if one is named (RFC 3891). Who
/// does not know of that refuses, instead of ringing once more.
pub(super) fn dial(away: &Away, replaces: Option<&str>) -> Dial {
    let targets = vec![Wanted::Uri { uri: away.uri.clone(), name: SmolStr::default() }];
    let replaces = replaces.and_then(|value| Replaces::parse(value).ok());
    let headers = replaces.map(|Replaces { call_id, to_tag, from_tag, early_only }| {
        let early = if early_only { ";early-only" } else { "" };
        let value = format_smolstr!("{call_id};to-tag={to_tag};from-tag={from_tag}{early}");
        vec![("Replaces".into(), value), ("Require".into(), SmolStr::new_static("replaces"))]
    });
    Dial { targets, headers: headers.unwrap_or_default(), ..Dial::default() }
}

impl Party {
    /// The number that others see of it: its extension, or its user at another host.
    pub(super) fn number(&self) -> SmolStr {
        match self.extension.rsplit_once('@').filter(|_| !self.to.is_empty()) {
            Some((user, _)) => SmolStr::new(unescape(user)),
            None => self.extension.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Phone;

    fn asked(uri: &str) -> Result<(SmolStr, SmolStr, Reach), SmolStr> {
        let mut config = Config::default();
        config.phones.insert("gw".into(), Phone::default());
        target(&config, uri, &"gw".into()).map(|target| (target.uri, target.to, target.reach))
    }

    #[test]
    fn no_value_in_the_user_becomes_another_host() {
        for (uri, user) in [
            ("sip:0123@192.0.2.7:5062;transport=TCP", "0123"),
            ("sip:%23a;b@192.0.2.7:5062;transport=TCP", "%23a;b"),
            ("sip:1@evil;x@192.0.2.7:5062;transport=TCP", "1%40evil;x"),
            ("sip:a:b@192.0.2.7:5062;transport=TCP", "a%3Ab"),
            ("sip:a%zz#@192.0.2.7:5062;transport=TCP", "a%25zz%23"),
            ("sip:a\r\nRoute: x@192.0.2.7:5062;transport=TCP", "a%0D%0ARoute%3A%20x"),
        ] {
            let there = (Transport::Tcp, "192.0.2.7:5062".parse().unwrap());
            let reach = Reach::Address { transport: there.0, remote: there.1 };
            let expected = (
                format_smolstr!("sip:{user}@192.0.2.7:5062;transport=TCP"),
                format_smolstr!("<sip:{user}@192.0.2.7>"),
                reach,
            );
            assert_eq!(asked(uri), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_what_cannot_be_asked_says_why() {
        let name = Reach::Name { transport: Transport::Udp, host: "sbc.example.com".into(), port: 5060 };
        let expected = ("sip:sbc.example.com".into(), "<sip:sbc.example.com>".into(), name);
        assert_eq!(asked("SIP:sbc.example.com?Route=x"), Ok(expected));
        let v6 = Reach::Address { transport: Transport::Udp, remote: "[2001:db8::7]:5060".parse().unwrap() };
        assert_eq!(asked("sip:a@[2001:db8::7]").unwrap().2, v6);
        for (uri, why) in [
            ("sip:a@sbc;transport=tls", "by UDP and TCP only"),
            ("sip:a@sbc:x", ""),
            ("sip:a@s bc", ""),
            ("sip:a@sbc\r\nRoute: x", ""),
            ("sips:a@sbc", "only sip:"),
        ] {
            assert!(asked(uri).unwrap_err().contains(why), "{uri}");
        }
        assert!(target(&Config::default(), "sip:a@sbc", &"gw".into()).unwrap_err().contains("no phone gw"));
    }

    #[test]
    fn the_dialog_to_be_replaced_is_told_as_it_was_understood() {
        let away = Away { uri: "sip:a@sbc".into(), who: "a@sbc".into() };
        let told = |value: &str| dial(&away, Some(value)).headers;
        let replaces =
            |value: &str| [("Replaces".into(), value.into()), ("Require".into(), "replaces".into())];
        assert_eq!(told("c@h;from-tag=f;x=y;to-tag=t"), replaces("c@h;to-tag=t;from-tag=f"));
        assert_eq!(told("c;to-tag=t;from-tag=f;early-only"), replaces("c;to-tag=t;from-tag=f;early-only"));
        assert_eq!(told("c;to-tag=t;from-tag=f\r\nRoute: x"), []);
        assert_eq!(dial(&away, None).headers, []);
    }
}
