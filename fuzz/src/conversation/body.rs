//! Session descriptions that phones say.

/// The description of this kind for a phone that receives media at `host` and `port`; empty for kind 0.
pub(super) fn sdp(kind: u8, host: &str, port: u16, version: u32) -> String {
    let family = if host.contains(':') { "IP6" } else { "IP4" };
    let head = format!("v=0\r\no=- 1 {version} IN {family} {host}\r\ns=-\r\n");
    let line = format!("c=IN {family} {host}\r\nt=0 0\r\n");
    let pcmu = format!("m=audio {port} RTP/AVP 0\r\n");
    let body = match kind % 16 {
        0 => return String::new(),
        1 => format!("{pcmu}a=sendrecv\r\n"),
        2 => format!(
            "m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
        ),
        3 => format!("{pcmu}a=sendonly\r\n"),
        4 => format!("{pcmu}a=inactive\r\n"),
        5 => format!("{pcmu}a=recvonly\r\n"),
        6 => format!("m=audio {port} RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\na=ptime:40\r\n"),
        7 => format!("m=video 9 RTP/AVP 99\r\n{pcmu}a=rtcp:{port}\r\na=rtcp-mux\r\n"),
        8 => "m=audio 0 RTP/AVP 0\r\n".to_owned(),
        9 => format!("m=audio {port} RTP/AVP 18\r\n"),
        10 => return format!("{head}c=IN IP4 0.0.0.0\r\nt=0 0\r\n{pcmu}"),
        11 => return format!("{head}t=0 0\r\n{pcmu}"),
        12 => return "v=0\r\nthis is no description\r\n".to_owned(),
        13 => format!("m=audio {port} RTP/SAVP 0\r\n{pcmu}"),
        14 => format!(
            "m=audio {port} RTP/AVP 97 98\r\na=rtpmap:97 PCMU/8000\r\na=rtpmap:98 telephone-event/8000\r\na=ptime:20\r\na=maxptime:150\r\n"
        ),
        _ => format!("{pcmu}m=audio {port} RTP/AVP 8\r\nm=image 0 udptl t38\r\n"),
    };
    format!("{head}{line}{body}")
}
