//! Damage to a message on its way.

/// Values that were trouble for somebody.
const NASTY: [&str; 16] = [
    "",
    "*",
    "4294967296",
    "0",
    "-1",
    "<sip:a@b>;tag=x;tag=y",
    "\"\\\"<sip:@[::1]:0>",
    "sip:%00%ff@h;lr;lr?a=b",
    "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK;rport=0;received=::",
    "100rel, timer, replaces, outbound, path, nothing",
    "1800;refresher=uac",
    "1;refresher=uas",
    "application/sdp;x=\"\\\"\"",
    "Digest username=\"100\", realm=\"telex\", nonce=\"\", uri=\"\", response=\"\"",
    "a@b;to-tag=1;from-tag=2;early-only",
    ",,;;==",
];

/// Damages the message as `[kind, place, value]` says.
pub(super) fn twist(octets: &mut Vec<u8>, [kind, place, value]: [u8; 3]) {
    if octets.is_empty() {
        return;
    }
    let at = usize::from(place) * octets.len() / 256;
    match kind % 10 {
        0 => octets[at] = value,
        1 => drop(octets.remove(at)),
        2 => octets.insert(at, value),
        3 => octets.truncate(at),
        4 => lines(octets, |lines, n| drop(lines.remove(n)), place),
        5 => lines(octets, |lines, n| lines.insert(n, lines[n].clone()), place),
        6 => lines(
            octets,
            |lines, n| {
                let other = usize::from(value) % lines.len();
                lines.swap(n, other);
            },
            place,
        ),
        7 => lines(
            octets,
            |lines, n| lines[n] = revalued(&lines[n], NASTY[usize::from(value) % NASTY.len()].as_bytes()),
            place,
        ),
        8 => lines(
            octets,
            |lines, n| lines[n] = revalued(&lines[n], &vec![b'a'; usize::from(value) * 40]),
            place,
        ),
        _ => lines(
            octets,
            |lines, n| {
                let line = format!("X-{value}: {}", "y".repeat(usize::from(value))).into_bytes();
                lines.splice(n..n, std::iter::repeat_n(line, usize::from(value)));
            },
            place,
        ),
    }
}

fn lines(octets: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>, usize), place: u8) {
    let mut all: Vec<Vec<u8>> = octets.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    let n = usize::from(place) % all.len();
    change(&mut all, n);
    *octets = all.join(&b'\n');
}

fn revalued(line: &[u8], value: &[u8]) -> Vec<u8> {
    let name = line.iter().position(|&b| b == b':').map_or(line, |colon| &line[..=colon]);
    [name, b" ", value, b"\r"].concat()
}
