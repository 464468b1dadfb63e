//! Digest authentication against vectors computed by others.
//!
//! The table is not part of this repository. It is looked for in the directory that `TELEX_CORPUS` names, and the test
//! says so loudly when it is not there.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use telex_engine::auth::{Authenticator, Challenge, Verdict};
use telex_engine::config::{Config, Credentials, DigestOffer, Phone};
use telex_engine::rng::{Purpose, Rng, Seed};
use telex_engine::sip::Message;
use telex_engine::time::Instant;

const COLUMNS: usize = 14;

fn table() -> Option<String> {
    let directory = std::env::var_os("TELEX_CORPUS").map(PathBuf::from);
    let text = directory.and_then(|d| fs::read_to_string(d.join("vectors/digest/digest.tsv")).ok());
    if text.is_none() {
        let _ = writeln!(std::io::stderr(), "\n*** SKIPPED digest vectors: TELEX_CORPUS names no corpus ***");
    }
    text
}

/// What becomes of a request with the credentials of a row and this response. The nonce of a row was made elsewhere, so
/// that right credentials are told that it is stale, and wrong ones are not.
fn judge(row: &[&str], response: &str) -> Verdict {
    let [algorithm, user, realm, password, method, uri, nonce, nc, cnonce, qop] = row[2..12] else {
        panic!("columns");
    };
    let mut config = Config { realm: realm.into(), digest: DigestOffer::Sha256Md5, ..Config::default() };
    let credentials = Some(Credentials::from_password(user, realm, password));
    config.phones.insert(user.into(), Phone { credentials, ..Phone::default() });
    let auth =
        if qop.is_empty() { String::new() } else { format!(", qop={qop}, nc={nc}, cnonce=\"{cnonce}\"") };
    let text = format!(
        "{method} {uri} SIP/2.0\r\nAuthorization: Digest username=\"{user}\", realm=\"{realm}\", \
         nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, response=\"{response}\"{auth}\r\n\r\n"
    );
    let request = Message::parse(text.into_bytes().into()).expect("a request");
    let mut authenticator = Authenticator::new(&mut Rng::new(Seed::from_number(1), Purpose::Nonce), &config);
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
    authenticator.check(Instant::ZERO, &config, &request, source, Challenge::Www)
}

fn is_right(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Challenge { stale: true, .. })
}

#[test]
fn responses_are_those_of_the_table() {
    let Some(table) = table() else { return };
    let (mut right, mut not_offered) = (0, 0);
    for line in table.lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        assert_eq!(row.len(), COLUMNS, "{line}");
        let (id, algorithm, uri, qop, response) = (row[0], row[2], row[7], row[11], row[13]);
        if !uri.starts_with("sip:") {
            continue;
        }
        let verdict = judge(&row, response);
        if matches!(algorithm, "MD5" | "SHA-256") && qop != "auth-int" {
            assert!(is_right(&verdict), "{id}: {verdict:?}");
            let last = if response.ends_with('0') { "1" } else { "0" };
            let wrong = judge(&row, &format!("{}{last}", &response[..response.len() - 1]));
            assert!(
                matches!(wrong, Verdict::Challenge { stale: false, failed: Some(_), .. }),
                "{id}: {wrong:?}"
            );
            right += 1;
        } else {
            assert!(!is_right(&verdict), "{id} is not offered: {verdict:?}");
            not_offered += 1;
        }
    }
    assert!(right >= 4 && not_offered >= 4, "{right} right, {not_offered} not offered");
}
