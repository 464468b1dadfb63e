//! What looks wrong, said so that somebody can act on it: which message, which address, how often, for how long.

mod media;
mod signalling;

use std::net::IpAddr;
use std::time::Duration;

use crate::analysis::Report;
use crate::calls::{Call, Remark};
use crate::limits::REMARKS;

/// What happens later than this before the end of the capture is not judged: the answer may just not be in it.
const GRACE: Duration = Duration::from_secs(1);

/// Looks at every call and every other exchange of a report.
pub(crate) fn find(report: &mut Report) {
    let strays = media::strays(report);
    let calls: Vec<Vec<Remark>> = report.calls.iter().map(|call| of_call(report, call, &strays)).collect();
    for (call, remarks) in report.calls.iter_mut().zip(calls) {
        call.remarks = remarks;
    }
    let exchanges: Vec<Vec<Remark>> =
        report.exchanges.iter().map(|exchange| signalling::of_exchange(report, exchange)).collect();
    for (exchange, remarks) in report.exchanges.iter_mut().zip(exchanges) {
        exchange.remarks = remarks;
    }
}

fn of_call(report: &Report, call: &Call, strays: &media::Strays<'_>) -> Vec<Remark> {
    let mut remarks = Remarks::default();
    signalling::of_call(report, call, &mut remarks);
    media::of_call(report, call, strays, &mut remarks);
    remarks.0
}

/// Remarks so far.
#[derive(Debug, Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn add(&mut self, text: String, messages: impl IntoIterator<Item = usize>) {
        let known = self.0.iter().any(|remark| remark.text == text);
        if !known && self.0.len() < REMARKS {
            self.0.push(Remark { text, messages: messages.into_iter().collect() });
        }
    }
}

/// `message 3`, `messages 3, 5, 8`, the first few of many.
fn named(numbers: &[usize]) -> String {
    const SHOWN: usize = 8;
    let list: Vec<String> = numbers.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if numbers.len() > SHOWN { ", ..." } else { "" };
    format!("message{} {}{more}", if numbers.len() == 1 { "" } else { "s" }, list.join(", "))
}

/// `once`, `twice`, `7 times`.
fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

/// Whether an address is for use within a site only, or on one machine: nobody elsewhere can send to it.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, 64..=127, ..]); // RFC 6598
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
