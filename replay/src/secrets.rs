//! Stand-ins for secrets.
//!
//! A recording must replay without saying what a phone's password is. So every secret is replaced by another of the
//! same length, the same one for the same secret: the digest secrets of the configuration, and with them the responses
//! that phones computed: what was right stays right, what was wrong stays wrong. Passwords in SIP URIs are replaced
//! wherever they stand. Lengths stay, so that no Content-Length, no framing and no place of anything changes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use telex_engine::auth::right_response;
use telex_engine::border::{StreamEvent, StreamId};
use telex_engine::config::{Config, Credentials};
use telex_engine::sip::DigestCredentials;
use telex_engine::{Actions, Input, Signalling};

use crate::entry::Checkpoint;
use crate::file::Recording;

/// What stand-ins are made with; whoever knows it can try passwords against them.
#[derive(Clone, Copy)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// From the operating system's generator.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Replaces secrets by stand-ins.
#[derive(Debug)]
pub struct StandIns {
    key: SecretKey,
    /// Every secret met so far with its stand-in, by the user it belongs to.
    known: BTreeMap<SmolStr, Vec<(Credentials, Credentials)>>,
}

/// A digest response in a text.
struct Response {
    /// The header line it stands in.
    line: Range<usize>,
    /// The response itself.
    value: Range<usize>,
    /// The stand-in of the secret that it was computed from, and the method; `None` when it was wrong.
    right: Option<(Credentials, String)>,
}

impl StandIns {
    /// With none known yet.
    pub const fn new(key: SecretKey) -> Self {
        Self { key, known: BTreeMap::new() }
    }

    /// Takes the secrets out of a recording.
    ///
    /// # Errors
    /// When its checkpoint cannot be read.
    pub fn replace(&mut self, recording: &mut Recording) -> Result<(), postcard::Error> {
        let machine = recording.checkpoint.machine()?;
        self.learn(machine.config());
        for entry in &recording.entries {
            if let Input::Config { config, .. } = &entry.input {
                self.learn(config);
            }
        }
        let prefixes: Vec<_> = machine.unfinished().filter(|(_, octets)| !octets.is_empty()).collect();
        let prefixes = self.streams(recording, &prefixes);
        self.checkpoint(&mut recording.checkpoint, &prefixes)?;
        for entry in &mut recording.entries {
            self.input(&mut entry.input)?;
            self.actions(&mut entry.actions)?;
        }
        Ok(())
    }

    fn learn(&mut self, config: &Config) {
        for (user, phone) in &config.phones {
            let Some(old) = &phone.credentials else { continue };
            let new = self.credentials(old);
            let known = self.known.entry(user.clone()).or_default();
            if !known.iter().any(|(known, _)| known == old) {
                known.push((old.clone(), new));
            }
        }
    }

    fn credentials(&self, old: &Credentials) -> Credentials {
        let mut ha1_md5 = [0; 16];
        ha1_md5.copy_from_slice(&self.hash("md5", &old.ha1_md5)[..16]);
        Credentials { ha1_md5, ha1_sha256: old.ha1_sha256.map(|secret| self.hash("sha256", &secret)) }
    }

    fn config(&self, config: &Config) -> Arc<Config> {
        let mut config = config.clone();
        for phone in config.phones.values_mut() {
            if let Some(credentials) = &mut phone.credentials {
                *credentials = self.credentials(credentials);
            }
        }
        Arc::new(config)
    }

    fn hash(&self, purpose: &str, secret: &[u8]) -> [u8; 32] {
        let hasher = Sha256::new_with_prefix(self.key.0).chain_update([purpose.len() as u8]);
        hasher.chain_update(purpose).chain_update(secret).finalize().into()
    }

    /// Replaces what streams brought: a secret may lie across two pieces. Gives what shall stand for the octets that
    /// waited in the machine at the beginning.
    fn streams(&self, recording: &mut Recording, waiting: &[(StreamId, &[u8])]) -> Vec<(StreamId, Vec<u8>)> {
        let mut whole: BTreeMap<StreamId, Vec<u8>> =
            waiting.iter().map(|(stream, octets)| (*stream, octets.to_vec())).collect();
        for entry in &recording.entries {
            if let Input::Stream { stream, event: StreamEvent::Bytes(bytes) } = &entry.input {
                whole.entry(*stream).or_default().extend_from_slice(bytes);
            }
        }
        for octets in whole.values_mut() {
            self.octets(octets);
        }
        let mut done: BTreeMap<StreamId, usize> = BTreeMap::new();
        let mut prefixes = Vec::new();
        for (stream, old) in waiting {
            let new = whole.get(stream).and_then(|all| all.get(..old.len())).unwrap_or_default();
            prefixes.push((*stream, new.to_vec()));
            done.insert(*stream, old.len());
        }
        for entry in &mut recording.entries {
            if let Input::Stream { stream, event: StreamEvent::Bytes(bytes) } = &mut entry.input {
                let from = done.entry(*stream).or_default();
                if let Some(piece) = whole.get(stream).and_then(|all| all.get(*from..*from + bytes.len())) {
                    *from += bytes.len();
                    *bytes = Bytes::copy_from_slice(piece);
                }
            }
        }
        prefixes
    }

    fn checkpoint(
        &self,
        checkpoint: &mut Checkpoint,
        prefixes: &[(StreamId, Vec<u8>)],
    ) -> Result<(), postcard::Error> {
        let mut machine = checkpoint.machine()?;
        let config = self.config(machine.config());
        machine.assume_config(config);
        // What waits in a stream is replaced as its stream was; all else by itself.
        for (stream, _) in prefixes {
            machine.assume_unfinished(*stream, &[]);
        }
        let mut state = postcard::to_stdvec(&machine)?;
        self.octets(&mut state);
        let mut machine: Signalling = postcard::from_bytes(&state)?;
        for (stream, new) in prefixes {
            machine.assume_unfinished(*stream, new);
        }
        checkpoint.state = postcard::to_stdvec(&machine)?;
        checkpoint.machine().map(|_| ())
    }

    fn input(&self, input: &mut Input) -> Result<(), postcard::Error> {
        match input {
            // Done before.
            Input::Stream { .. } => {}
            Input::Config { config, .. } => {
                let mut replaced = Config::clone(&self.config(config));
                for contact in replaced.phones.values_mut().filter_map(|phone| phone.contact.as_mut()) {
                    let mut uri = contact.uri.as_bytes().to_vec();
                    if self.octets(&mut uri) {
                        contact.uri = String::from_utf8_lossy(&uri).into();
                    }
                }
                *config = Arc::new(replaced);
            }
            Input::Datagram { bytes, .. } => {
                let mut octets = bytes.to_vec();
                if self.octets(&mut octets) {
                    *bytes = octets.into();
                }
            }
            other => {
                let mut octets = postcard::to_stdvec(other)?;
                if self.octets(&mut octets) {
                    *other = postcard::from_bytes(&octets)?;
                }
            }
        }
        Ok(())
    }

    fn actions(&self, actions: &mut Actions) -> Result<(), postcard::Error> {
        let mut octets = postcard::to_stdvec(actions)?;
        if self.octets(&mut octets) {
            *actions = postcard::from_bytes(&octets)?;
        }
        Ok(())
    }

    /// Replaces what is secret in octets of any kind, SIP among them. True when something was.
    pub fn octets(&self, octets: &mut [u8]) -> bool {
        let responses = self.responses(octets);
        let passwords = uri_passwords(octets);
        for range in &passwords {
            if let Some(password) = octets.get_mut(range.clone()) {
                let hash = self.hash("uri", password);
                mask(password, &hash, b"abcdefghijkmnpqrstuvwxyz23456789");
            }
        }
        for response in &responses {
            let right = response.right.as_ref().and_then(|(secret, method)| {
                let line = octets.get(response.line.clone()).and_then(header_value)?;
                right_response(secret, method, &DigestCredentials::parse(line).ok()?)
            });
            let Some(value) = octets.get_mut(response.value.clone()) else { continue };
            match right.filter(|right| right.len() == value.len()) {
                Some(right) => value.copy_from_slice(right.as_bytes()),
                None => {
                    let hash = self.hash("wrong", value);
                    mask(value, &hash, b"0123456789abcdef");
                }
            }
        }
        !passwords.is_empty() || !responses.is_empty()
    }

    fn responses(&self, octets: &[u8]) -> Vec<Response> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = find(octets, from, b"authorization") {
            from = at + b"authorization".len();
            let line = line_around(octets, at);
            // What cannot be read was computed from a secret all the same.
            let text = octets.get(line.clone()).and_then(header_value);
            let given = text.and_then(|text| DigestCredentials::parse(text).ok());
            from = line.end.max(from);
            // Every occurrence is replaced: a wrong one may stand beside the one that counts.
            for value in response_values(octets, &line) {
                let same = |given: &&DigestCredentials<'_>| {
                    octets.get(value.clone()) == Some(given.response().as_bytes())
                };
                let given = given.as_ref().filter(same);
                let right = given.and_then(|given| self.right(octets, line.start, given));
                found.push(Response { line: line.clone(), value, right });
            }
            if let Some(value) = other_credentials(octets, &line) {
                found.push(Response { line, value, right: None });
            }
        }
        found
    }

    /// Which secret a response was computed from.
    fn right(
        &self,
        octets: &[u8],
        line: usize,
        given: &DigestCredentials<'_>,
    ) -> Option<(Credentials, String)> {
        let method = method_before(octets, line)?;
        let known = self.known.get(given.username().as_ref())?;
        let is_right = |old: &Credentials| {
            right_response(old, &method, given)
                .is_some_and(|right| right.eq_ignore_ascii_case(&given.response()))
        };
        known.iter().find(|(old, _)| is_right(old)).map(|(_, new)| (new.clone(), method.clone()))
    }
}

/// Overwrites text with characters that its hash chooses.
fn mask(text: &mut [u8], hash: &[u8; 32], alphabet: &[u8]) {
    for (place, octet) in text.iter_mut().zip(hash.iter().cycle()) {
        *place = alphabet[usize::from(*octet) % alphabet.len()];
    }
}

/// Where `word`, in lower case, stands at `from` or after, in any case.
fn find(octets: &[u8], from: usize, word: &[u8]) -> Option<usize> {
    let rest = octets.get(from..)?;
    rest.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word)).map(|at| from + at)
}

/// The header line around `at`, with the lines that are folded into it.
fn line_around(octets: &[u8], at: usize) -> Range<usize> {
    let start =
        octets.get(..at).and_then(|before| before.iter().rposition(|&b| b == b'\n')).map_or(0, |n| n + 1);
    let mut end = at;
    loop {
        let Some(rest) = octets.get(end..) else { return start..octets.len() };
        let Some(length) = rest.iter().position(|&b| b == b'\n') else { return start..octets.len() };
        end += length + 1;
        if !matches!(octets.get(end), Some(b' ' | b'\t')) {
            return start..end;
        }
    }
}

/// The value of a header line.
fn header_value(line: &[u8]) -> Option<&str> {
    let (_, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    Some(value.trim())
}

/// Where the values of parameters named `response` stand in a line.
fn response_values(octets: &[u8], line: &Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = line.start;
    while let Some(at) = find(octets, from, b"response").filter(|at| *at < line.end) {
        from = at + b"response".len();
        let rest = octets.get(from..line.end).unwrap_or_default();
        let space = |octets: &[u8]| octets.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let mut skip = space(rest);
        if rest.get(skip) != Some(&b'=') {
            continue;
        }
        skip += 1 + space(rest.get(skip + 1..).unwrap_or_default());
        let quoted = rest.get(skip) == Some(&b'"');
        skip += usize::from(quoted);
        let value = rest.get(skip..).unwrap_or_default();
        let length = match quoted {
            true => quoted_length(value),
            false => value.iter().take_while(|b| b.is_ascii_alphanumeric()).count(),
        };
        found.push(from + skip..from + skip + length);
        from += skip + length;
    }
    found
}

/// Octets of a quoted string after its first quotation mark, up to its last or the end of what there is.
fn quoted_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let within = |b: &u8| {
        let goes_on = escaped || *b != b'"';
        escaped = !escaped && *b == b'\\';
        goes_on && !matches!(b, b'\r' | b'\n')
    };
    text.iter().copied().take_while(within).count()
}

/// Where credentials of another scheme than Digest stand: with Basic they are the password itself.
fn other_credentials(octets: &[u8], line: &Range<usize>) -> Option<Range<usize>> {
    let text = octets.get(line.clone())?;
    let colon = text.iter().position(|&b| b == b':')?;
    let name = text.get(..colon)?.trim_ascii_end();
    if ![&b"authorization"[..], b"proxy-authorization"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return None;
    }
    let is_space = |b: &&u8| b.is_ascii_whitespace();
    let value = text.get(colon + 1..)?;
    let scheme = value.trim_ascii_start();
    let length = scheme.iter().take_while(|b| !is_space(b)).count();
    if scheme.get(..length)?.eq_ignore_ascii_case(b"digest") {
        return None;
    }
    let rest = scheme.get(length..)?.trim_ascii_start();
    let end = line.start + text.trim_ascii_end().len();
    let start = line.end - rest.len();
    (start < end).then_some(start..end)
}

/// The method of the request whose header line begins at `line`.
fn method_before(octets: &[u8], line: usize) -> Option<String> {
    let head = octets.get(..line)?;
    head.rsplit(|&b| b == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = line.len().checked_sub(8).and_then(|at| line.split_at_checked(at));
        let (request, _) = before.filter(|(_, version)| version.eq_ignore_ascii_case(b" SIP/2.0"))?;
        let method = request.split(|&b| b == b' ').next()?;
        // In a checkpoint something that is no text may stand before it.
        let from = method.iter().rposition(|b| !b.is_ascii_alphanumeric() && !b"-.!%*_+`'~".contains(b));
        let method = method.get(from.map_or(0, |n| n + 1)..)?;
        String::from_utf8(method.to_vec()).ok().filter(|method| !method.is_empty())
    })
}

/// Where passwords stand in SIP URIs (RFC 3261 §19.1.1: `sip:user:password@host`).
fn uri_passwords(octets: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in octets.iter().enumerate().filter(|(_, b)| **b == b':') {
        let scheme = octets.get(..at).unwrap_or_default();
        let scheme = scheme.get(scheme.len().saturating_sub(4)..).unwrap_or_default().to_ascii_lowercase();
        if !scheme.ends_with(b"sip") && scheme != b"sips" {
            continue;
        }
        let rest = octets.get(at + 1..).unwrap_or_default();
        let user = rest.iter().take_while(|b| is_password(**b) || b";?/#".contains(b)).count();
        if user == 0 || rest.get(user) != Some(&b':') {
            continue;
        }
        let password = rest.get(user + 1..).unwrap_or_default();
        let length = password.iter().take_while(|b| is_password(**b)).count();
        if length > 0 && password.get(length) == Some(&b'@') {
            found.push(at + user + 2..at + user + 2 + length);
        }
    }
    found
}

/// Characters of a password, escapes included.
fn is_password(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.!~*'()%&=+$,".contains(&octet)
}

#[cfg(test)]
mod tests {
    use telex_engine::config::{FixedContact, Phone};

    use super::*;

    fn stand_ins() -> (StandIns, Config) {
        let mut config = Config::default();
        for (user, password) in [("100", "secret"), ("101", "other")] {
            let credentials = Some(Credentials::from_password(user, "telex", password));
            config.phones.insert(user.into(), Phone { credentials, ..Phone::default() });
        }
        let mut stand_ins = StandIns::new(SecretKey::from_bytes([7; 32]));
        stand_ins.learn(&config);
        (stand_ins, config)
    }

    fn register(response: &str) -> String {
        format!(
            "REGISTER sip:telex SIP/2.0\r\nTo: <sip:100@telex>\r\nAuthorization: Digest username=\"100\", \
             realm=\"telex\",\r\n nonce=\"n\", uri=\"sip:100:pw@telex\", response=\"{response}\", qop=auth, \
             nc=00000001, cnonce=\"c\"\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn given(text: &str) -> String {
        let line = line_around(text.as_bytes(), text.find("Authorization").unwrap());
        header_value(&text.as_bytes()[line]).unwrap().to_owned()
    }

    fn right(credentials: &Credentials, text: &str) -> bool {
        let given = given(text);
        let given = DigestCredentials::parse(&given).unwrap();
        right_response(credentials, "REGISTER", &given).unwrap() == given.response()
    }

    #[test]
    fn right_stays_right_and_wrong_stays_wrong_and_nothing_is_left() {
        let (stand_ins, config) = stand_ins();
        let old = config.phones["100"].credentials.clone().unwrap();
        let new = stand_ins.config(&config).phones["100"].credentials.clone().unwrap();
        assert_ne!(old, new);
        let proper = {
            let text = given(&register("x"));
            right_response(&old, "REGISTER", &DigestCredentials::parse(&text).unwrap()).unwrap()
        };
        let before = register(&proper);
        assert!(right(&old, &before) && !right(&new, &before));
        let mut octets = before.clone().into_bytes();
        assert!(stand_ins.octets(&mut octets));
        let after = String::from_utf8(octets.clone()).unwrap();
        assert!(right(&new, &after) && !right(&old, &after), "{after}");
        assert_eq!(after.len(), before.len());
        assert!(!after.contains(&proper) && !after.contains(":pw@"), "{after}");

        let wrong = "0123456789abcdef0123456789abcdef";
        let mut octets = register(wrong).into_bytes();
        assert!(stand_ins.octets(&mut octets));
        let after = String::from_utf8(octets).unwrap();
        assert!(!right(&new, &after) && !right(&old, &after) && !after.contains(wrong), "{after}");
    }

    #[test]
    fn passwords_stand_only_in_uris_with_a_user() {
        let passwords = |text: &str| {
            let found = uri_passwords(text.as_bytes());
            found.into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(passwords("<sip:a:b@c>, SIPS:d;x=1:e%20f@g"), ["b", "e%20f"]);
        assert_eq!(passwords("<sip:a#1:b@c>"), ["b"]);
        for none in ["sip:host:5060", "sip:a@b:5060", "<sip:h:1,sip:a@b>", "sip:[::1]:5060;x@y", "sip::x@y"] {
            assert!(passwords(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_read_are_replaced_as_well() {
        let (stand_ins, _) = stand_ins();
        let secret = "0123456789abcdef0123456789abcdef";
        let lines: [&[u8]; 7] = [
            // The user name is Latin-1.
            b"Authorization: Digest username=\"m\xfcller\", response=\"SECRET\"\r\n",
            // A quotation mark is missing.
            b"Authorization: Digest username=\"100, realm=\"t\", response=\"SECRET\"\r\n",
            // The stream ends here.
            b"Proxy-Authorization: Digest username=\"100\", response=\"SECRET",
            b"Authorization: Digest username=\"100\", response=\"\\SECRET\"\r\n",
            b"Authorization: Digest response=\"\", username=\"100\", response=SECRET\r\n",
            b"Authorization: Basic SECRET\r\n",
            b"proxy-authorization : Bearer\r\n  SECRET\r\n",
        ];
        for line in lines {
            let line = [&b"REGISTER sip:telex SIP/2.0\r\n"[..], line, b"X: y"].concat();
            let at = line.windows(6).position(|window| window == b"SECRET").unwrap();
            let before = [&line[..at], secret.as_bytes(), &line[at + 6..]].concat();
            let mut after = before.clone();
            assert!(stand_ins.octets(&mut after));
            assert_eq!(after.len(), before.len());
            let shown = String::from_utf8_lossy(&after);
            assert!(
                !after.windows(8).any(|window| secret.as_bytes().windows(8).any(|s| s == window)),
                "{shown}"
            );
            assert_eq!(after[..at - 1], before[..at - 1], "{shown}");
        }
    }

    #[test]
    fn a_password_in_a_contact_of_the_configuration_is_replaced() {
        let (stand_ins, mut config) = stand_ins();
        let contact = FixedContact { uri: "sip:door:opensesame@192.0.2.7".into(), address: None };
        config.phones.insert("door".into(), Phone { contact: Some(contact), ..Phone::default() });
        let mut input = Input::Config { config: Arc::new(config), listeners: Vec::new() };
        stand_ins.input(&mut input).unwrap();
        let Input::Config { config, .. } = input else { unreachable!("it was one") };
        let uri = &config.phones["door"].contact.as_ref().unwrap().uri;
        assert!(uri.starts_with("sip:door:") && uri.ends_with("@192.0.2.7"), "{uri}");
        assert!(!uri.contains("opensesame"), "{uri}");
    }
}
