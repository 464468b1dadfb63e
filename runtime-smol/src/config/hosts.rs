//! `[sip] refer_hosts`: hosts to which those who talk, or are called, may send a call on.

use telex_engine::config::{NotAHost, ReferHost};

use super::reader::{Reader, Section};

/// The hosts. One that is the exchange by its realm would never be asked, and is told.
pub(super) fn refer_hosts(reader: &mut Reader, sip: Section<'_>, realm: &str) -> Vec<ReferHost> {
    let mut hosts: Vec<ReferHost> = Vec::new();
    for text in reader.texts(sip, "refer_hosts").map(|texts| texts.value).unwrap_or_default() {
        match text.value.parse::<ReferHost>() {
            Ok(host) if host.is(realm, None, None) => {
                let remedy = "numbers of this exchange need no entry: leave it out";
                reader.wrong(
                    &text.span,
                    "this is the exchange itself, by its realm",
                    "not another host",
                    remedy,
                );
            }
            Ok(host) if hosts.contains(&host) => {
                reader.wrong(&text.span, "this host is listed twice", "again here", "keep one of them");
            }
            Ok(host) => hosts.push(host),
            Err(why) => {
                let label = match why {
                    NotAHost::Uri => "a URI",
                    NotAHost::Brackets => "no brackets",
                    NotAHost::Port => "no port",
                    NotAHost::Nobody => "nobody's address",
                    NotAHost::Many => "not one host",
                    NotAHost::Name => "not a host",
                };
                reader.wrong(&text.span, "this is no host that calls can be sent to", label, why.to_string());
            }
        }
    }
    hosts
}
