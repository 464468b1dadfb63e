use telex_replay::MediaPolicy;

use super::*;
use insta::assert_snapshot;

fn refused(text: &str) -> String {
    parse(Path::new("telex.toml"), text).expect_err("this text is wrong").render(false)
}

fn accepted(text: &str) -> Settings {
    parse(Path::new("/etc/telex/telex.toml"), text).unwrap_or_else(|e| panic!("{}", e.render(false)))
}

const HA1_MD5: &str = "2c0648458fc6432da488e798b2695040";
const HA1_SHA256: &str = "4a3cf6fc377a638d8a651bece007bc0c4a935a70ff46414d59871e49c099da91";

const ISSUE: &str = r#"
[listen]
udp = ["127.0.0.1:5060"]
tcp = ["127.0.0.1:5060"]

[media]
ports = "10000-19999"            # RTP on even, RTCP on odd ports
# address = "203.0.113.5"        # what SDP says; by default the local address the phone reached us at

[store]
path = "telex.db"

[[phone]]
extension = "100"
password = "a-long-secret"       # or ha1 = "…" for realm "telex"

[[phone]]
extension = "door"               # a number or a name
contact = "sip:door@127.0.0.1:5070"   # a fixed address instead of a registration
"#;

#[test]
fn the_promised_configuration_is_read() {
    let settings = accepted(ISSUE);
    let address = "127.0.0.1:5060".parse().unwrap();
    assert_eq!(
        settings.listen,
        [Listen { transport: Transport::Udp, address }, Listen { transport: Transport::Tcp, address }]
    );
    assert_eq!(settings.media_bind, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(settings.media_ports.to_string(), "10000-19999");
    assert_eq!(settings.media_ports.pairs().last(), Some(19998));
    assert_eq!(settings.store, Path::new("/etc/telex/telex.db"));
    assert_eq!(settings.control, Path::new("/etc/telex/telex.sock"));
    assert_eq!(settings.engine.realm, "telex");
    let credentials = settings.engine.phones["100"].credentials.as_ref().unwrap();
    // md5("100:telex:a-long-secret"), sha256 of the same, by md5sum and sha256sum.
    assert_eq!(hex(&credentials.ha1_md5), HA1_MD5);
    assert_eq!(hex(&credentials.ha1_sha256.unwrap()), HA1_SHA256);
    let door = settings.engine.phones["door"].contact.as_ref().unwrap();
    assert_eq!(door.uri, "sip:door@127.0.0.1:5070");
    assert_eq!(door.address, Some("127.0.0.1:5070".parse().unwrap()));
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

#[test]
fn hashes_stand_for_the_password() {
    let text =
        format!("[[phone]]\nextension = \"100\"\nha1 = \"{HA1_MD5}\"\nha1_sha256 = \"{HA1_SHA256}\"\n");
    assert_eq!(accepted(&text).engine.phones["100"], accepted(ISSUE).engine.phones["100"]);
}

#[test]
fn the_sample_is_right_and_names_every_key_with_its_default() {
    let text = sample("k7f2-aaaa-bbbb", "p9dm-cccc-dddd");
    let settings = accepted(&text);
    assert_eq!(settings.engine.phones.len(), 2);
    for (section, keys) in SCHEMA {
        assert!(text.contains(&format!("[{section}]")), "{section}");
        for key in *keys {
            assert!(text.contains(&format!("{key} = ")), "{key}");
        }
    }
    // Uncommented, the documented defaults change nothing.
    let filled: String = text
        .lines()
        .map(|l| match l.strip_prefix("# ") {
            Some(l) if l.starts_with('[') && !l.starts_with("[[") || l.contains(" = ") => format!("{l}\n"),
            _ => format!("{l}\n"),
        })
        .take_while(|l| !l.contains("Dial"))
        .filter(|l| !["address", "bind", "file"].iter().any(|key| l.starts_with(key)))
        .collect();
    let filled = accepted(&filled);
    assert_eq!(filled.engine.sip, settings.engine.sip);
    assert_eq!(filled.engine.registrar, settings.engine.registrar);
    assert_eq!(filled.engine.session, settings.engine.session);
    assert_eq!(filled.engine.media_timeout, settings.engine.media_timeout);
    assert_eq!((filled.engine.ring, filled.grace), (settings.engine.ring, settings.grace));
    assert_eq!(
        (filled.engine.realm.clone(), filled.control),
        (settings.engine.realm.clone(), settings.control)
    );
}

#[test]
fn sounds_of_the_site_are_checked_before_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telex.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        load_whole(&path).map_err(|refused| refused.render(false))
    };
    let plain = read("").unwrap();
    assert_eq!(plain.engine.music.as_deref(), Some("default"));
    assert!(Arc::ptr_eq(&plain.engine.sounds, &crate::sounds::builtin()));
    assert_eq!(read("[music]\nhold = \"none\"").unwrap().engine.music, None);
    for (text, wrong) in [
        ("[prompts]\nfolder = \"nowhere\"", "there is no folder"),
        ("[music]\nhold = \"loud\"", "there is no class of music `loud`"),
        ("[music]\nhold = \"../x\"", "there is no class of music `../x`"),
        ("[prompts]\nspeak = { \"a b\" = \"hello\" }", "`a b` is no name of a prompt"),
        ("[prompts]\nspeak = { a = \" \" }", "these are no words to speak"),
        ("[prompts]\nspeak = \"hello\"", "texts with names"),
        ("[music]\nstream = \"sh\"", "must be a list of texts"),
        ("[music]\nstream = [\"no-such-program\"]", "there is no program `no-such-program`"),
        ("[music]\nstream = [\"sh\"]\nrate = 11025", "cannot have a rate of 11025"),
        ("[music.classes.radio]\nrate = 8000", "this class has no stream"),
        ("[music.classes.radio]\nstream = [\"./radio\"]", "there is no program `./radio`"),
        ("[music.classes.\"../x\"]\nstream = [\"sh\"]", "cannot be the name of a class"),
        ("[music.classes.radio]\nprogram = \"sh\"", "unknown key `program` in [music.classes.radio]"),
        ("[music]\nclasses = { radio = \"sh\" }", "tables with names"),
        ("[music]\nstream = [\"sh\"]\nclasses = { default = { stream = [\"sh\"] } }", "has a stream already"),
    ] {
        let told = read(text).expect_err(text);
        assert!(told.contains(wrong), "{told}");
    }
    // What a site has of its own is not missed in its dialplan.
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let layout =
        telex_audio::wav::Layout { store: telex_audio::wav::Store::Linear16, channels: 1, rate: 8000 };
    let file = std::fs::File::create(own.join("ours.wav")).unwrap();
    let mut writer = telex_audio::wav::Writer::new(file, layout).unwrap();
    writer.write(&[500; 800]).unwrap();
    writer.finish().unwrap();
    std::fs::write(folder.path().join("x.conf"), "[internal]\nexten => 5,1,Playback(ours&theirs)\n").unwrap();
    let settings = read("[prompts]\nfolder = \"own\"\n[dialplan]\nfile = \"x.conf\"").unwrap();
    let warnings = settings.dialplan.unwrap().warnings;
    assert_eq!(warnings, ["x.conf:2:23: warning: there is no prompt theirs: nothing is heard in its place"]);
    // A class with a stream has the music of Telex for when nothing comes, or its own files.
    let text = "[music]\nhold = \"radio\"\nstream = [\"sh\"]\n[music.classes.radio]\n\
                stream = [\"./own/radio\", \"a b\"]\nrate = 48000";
    std::fs::write(own.join("radio"), "").unwrap();
    let settings = read(text).unwrap();
    let builtin = crate::sounds::builtin();
    let pieces = |class: &str| settings.engine.sounds.class(class).to_vec();
    assert_eq!(settings.engine.music.as_deref(), Some("radio"));
    assert!(
        pieces("default") == builtin.class("default") && pieces("radio").len() == pieces("default").len()
    );
    let [first, second] = &settings.own.stations[..] else { panic!("{:?}", settings.own.stations) };
    assert_eq!(
        (first.class.as_str(), first.rate, second.class.as_str(), second.rate),
        ("default", 16_000, "radio", 48_000)
    );
    assert!(first.program.is_absolute() && second.program == folder.path().join("own/radio"));
    assert_eq!(second.arguments, ["a b"]);
    // The usual folders are used once they are there.
    std::fs::create_dir_all(folder.path().join("music/loud")).unwrap();
    std::fs::create_dir_all(folder.path().join("sounds")).unwrap();
    std::fs::write(folder.path().join("sounds/own.ulaw"), [0; 800]).unwrap();
    std::fs::write(folder.path().join("sounds/bad.wav"), "RIFF").unwrap();
    let settings = read("[music]\nhold = \"loud\"").unwrap();
    assert_eq!(settings.engine.music.as_deref(), Some("loud"));
    assert!(settings.engine.sounds.get("own").is_some());
    assert!(settings.told.len() == 1 && settings.told[0].contains("bad.wav"), "{:?}", settings.told);
}

#[test]
fn an_empty_file_listens_everywhere() {
    let settings = accepted("");
    assert_eq!(settings.listen.len(), 2);
    assert_eq!(settings.media_bind, IpAddr::from([0, 0, 0, 0]));
    assert_eq!(
        accepted("[listen]\nudp = [\"127.0.0.1:0\", \"[::1]:0\"]").media_bind,
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    );
    assert_eq!(accepted("[media]\ntimeout = \"never\"").engine.media_timeout, None);
}

#[test]
fn unknown_keys_are_told_with_a_guess() {
    assert_snapshot!(refused("[listn]\nudp = []\n[media]\nprots = \"1-2\"\nrealm = \"x\"\n[store]\ncolour = 1\n"), @r#"
    error: unknown section or key `listn`
     --> telex.toml:1:2
      |
    1 | [listn]
      |  ^^^^^ not known
      |
      = help: did you mean `listen`?

    error: unknown key `prots` in [media]
     --> telex.toml:4:1
      |
    4 | prots = "1-2"
      | ^^^^^ not known here
      |
      = help: did you mean `ports`?

    error: unknown key `realm` in [media]
     --> telex.toml:5:1
      |
    5 | realm = "x"
      | ^^^^^ not known here
      |
      = help: `realm` belongs in [sip]

    error: unknown key `colour` in [store]
     --> telex.toml:7:1
      |
    7 | colour = 1
      | ^^^^^^ not known here
      |
      = help: [store] takes path
    "#);
}

#[test]
fn every_problem_is_told_at_once() {
    let text = r#"
[listen]
udp = ["127.0.0.1", "127.0.0.1:5060", "127.0.0.1:5060"]
tcp = "0.0.0.0:5060"

[media]
ports = "10001-10000"
address = "pbx.example.com"
timeout = 60

[registrar]
min_expires = "2h"
contacts = 11
"#;
    assert_snapshot!(refused(text), @r#"
    error: this is not an address to listen on
     --> telex.toml:3:8
      |
    3 | udp = ["127.0.0.1", "127.0.0.1:5060", "127.0.0.1:5060"]
      |        ^^^^^^^^^^^ no address and port
      |
      = help: add the port: "127.0.0.1:5060"

    error: this address is listed twice
     --> telex.toml:3:39
      |
    3 | udp = ["127.0.0.1", "127.0.0.1:5060", "127.0.0.1:5060"]
      |                                       ^^^^^^^^^^^^^^^^ again here
      |
      = help: keep one of them

    error: `tcp` in [listen] must be a list of texts
     --> telex.toml:4:7
      |
    4 | tcp = "0.0.0.0:5060"
      |       ^^^^^^^^^^^^^^ this is a text
      |
      = help: put it in brackets: ["…"]

    error: `ports` must start at an even port
     --> telex.toml:7:9
      |
    7 | ports = "10001-10000"
      |         ^^^^^^^^^^^^^ odd start
      |
      = help: start at 10000 or 10002

    error: this is not an IP address
     --> telex.toml:8:11
      |
    8 | address = "pbx.example.com"
      |           ^^^^^^^^^^^^^^^^^ no address
      |
      = help: write it as in "192.0.2.1" or "2001:db8::1", without a port and not as a name

    error: `timeout` in [media] must be a time
     --> telex.toml:9:11
      |
    9 | timeout = 60
      |           ^^ this is a number
      |
      = help: say the unit: "60s" or "60ms"

    error: `min_expires` in [registrar] must be from 1s to 1h
      --> telex.toml:12:15
       |
    12 | min_expires = "2h"
       |               ^^^^ too long

    error: `contacts` in [registrar] must be a whole number from 1 to 10
      --> telex.toml:13:12
       |
    13 | contacts = 11
       |            ^^ this is a number
    "#);
}

#[test]
fn what_means_something_else_in_a_dialplan_is_no_extension() {
    for name in ["a&b", "a=b", "$1", "a,b", "a;b", "a?b", "a/b", "(1)", "_1X", "_", "s", "i", "h", "T", "fax"]
    {
        let text = refused(&format!("[[phone]]\nextension = \"{name}\"\npassword = \"y\"\n"));
        assert!(
            text.contains("cannot be dialled") || text.contains("means something else"),
            "{name}: {text}"
        );
    }
}

#[test]
fn phones_are_checked() {
    let text = r#"
[[phone]]
extension = "100"
password = "x"
ha1 = "0123"

[[phone]]
extension = "100"
password = "y"

[[phone]]
extension = "*43"
password = "y"

[[phone]]
password = "y"

[[phone]]
extension = "a b"
password = "y"

[[phone]]
extension = "101"

[[phone]]
extension = "102"
contact = "door"
"#;
    assert_snapshot!(refused(text), @r#"
    error: `password` and `ha1` say the same thing twice
     --> telex.toml:5:1
      |
    5 | ha1 = "0123"
      | ^^^ second one
      |
      = help: keep one of them

    error: extension `100` is already taken
     --> telex.toml:8:13
      |
    8 | extension = "100"
      |             ^^^^^ second phone of this name
      |
      = help: give each phone an extension of its own

    error: *43 is the echo test and cannot be a phone
      --> telex.toml:12:13
       |
    12 | extension = "*43"
       |             ^^^^^ taken
       |
       = help: choose another extension

    error: this phone has no extension
      --> telex.toml:15:1
       |
    15 | [[phone]]
       | ^^^^^^^^^ in this entry
       |
       = help: add extension = "…": the number or name it is called by

    error: this cannot be dialled
      --> telex.toml:19:13
       |
    19 | extension = "a b"
       |             ^^^^^ not usable
       |
       = help: use 1 to 64 letters, digits or any of - _ . ! ~ * ' +

    error: this phone can neither register nor be reached
      --> telex.toml:23:13
       |
    23 | extension = "101"
       |             ^^^^^ no password, no contact
       |
       = help: add password = "…" (or ha1 = "…") so that it can register, or contact = "sip:…" if it never does

    error: this is not a contact that can be called
      --> telex.toml:27:11
       |
    27 | contact = "door"
       |           ^^^^^^ bad URI: URI without scheme
       |
       = help: write it as in "sip:door@192.0.2.7:5060" or "sip:door@192.0.2.7;transport=tcp"
    "#);
}

#[test]
fn a_contact_is_not_called_in_clear_that_names_a_transport_we_do_not_speak() {
    let phone = |uri: &str| format!("[[phone]]\nextension = \"door\"\ncontact = \"{uri}\"\n");
    for other in ["tls", "TLS", "ws", "wss", "sctp"] {
        let text = refused(&phone(&format!("sip:door@192.0.2.7;transport={other}")));
        assert!(text.contains(&format!("calls go over udp or tcp, not {other}")), "{text}");
    }
    assert!(refused(&phone("sips:door@192.0.2.7")).contains("only sip: addresses can be called"));
    for known in
        ["sip:door@192.0.2.7", "sip:door@192.0.2.7;transport=TCP", "sip:door@192.0.2.7;transport=udp"]
    {
        assert_eq!(accepted(&phone(known)).engine.phones["door"].contact.as_ref().unwrap().uri, known);
    }
}

#[test]
fn broken_toml_is_told_with_its_place() {
    assert_snapshot!(refused("[listen\nudp = [\"127.0.0.1:5060\"]\n[media]\nports = \"1\n"), @r#"
    error: unclosed table, expected `]`
     --> telex.toml:1:8
      |
    1 | [listen
      |        ^ here

    error: invalid basic string, expected `"`
     --> telex.toml:4:11
      |
    4 | ports = "1
      |           ^ here
    "#);
}

#[test]
fn a_log_gets_one_line_per_problem() {
    let refused = parse(Path::new("telex.toml"), "\n[media]\n  prots = 1\n").expect_err("wrong");
    assert_eq!(refused.lines(), ["telex.toml:3:3: unknown key `prots` in [media]; did you mean `ports`?"]);
}

#[test]
fn the_recorder_has_a_size_or_is_off() {
    let record = |text: &str| accepted(&format!("[record]\n{text}")).record;
    let usual = record("");
    assert_eq!(usual, accepted("").record);
    assert_eq!(usual, Record { memory: Some(16 << 20), media: Some((MediaPolicy::Headers, 16 << 20)) });
    assert_eq!(record("memory = \"64 MiB\"").memory, Some(64 << 20));
    assert_eq!(record("memory = \"off\""), Record { memory: None, media: None });
    assert_eq!(record("media = \"off\""), Record { media: None, ..usual });
    let all = "media = \"all\"\nmedia_memory = \"256 MiB\"";
    assert_eq!(record(all).media, Some((MediaPolicy::All, 256 << 20)));
    let text = refused("[record]\nmedia = \"voices\"");
    assert!(text.contains("write \"off\", \"headers\""), "{text}");
    let text = refused("[record]\nmedia_memory = \"off\"");
    assert!(text.contains("media = \"off\" keeps none"), "{text}");
    let text = refused("[record]\nmemory = \"16\"");
    assert!(text.contains("`memory` in [record] must be a size") && text.contains("16 MiB"), "{text}");
    let text = refused("[record]\nmemory = \"4 KiB\"");
    assert!(text.contains("must be from 1 MiB to 4 GiB") && text.contains("too little"), "{text}");
    assert!(refused("[record]\nmemroy = \"1 MiB\"").contains("did you mean `memory`?"));
}

#[test]
fn conferences_have_numbers_and_names() {
    let text = "[[conference]]\nnumber = \"800\"\n[[conference]]\nnumber = \"801\"\nname = \"800\"\n";
    let conferences = accepted(text).engine.conferences.clone();
    let found: Vec<_> = conferences.iter().map(|(number, name)| (number.as_str(), name.as_str())).collect();
    assert_eq!(found, [("800", "800"), ("801", "800")]);
    let text = r#"
[[phone]]
extension = "100"
password = "x"

[[conference]]
name = "no number"

[[conference]]
number = "100"

[[conference]]
number = "*60"

[[conference]]
number = "800"
name = ""

[[conference]]
number = "800"

[[conference]]
number = 800
"#;
    assert_snapshot!(refused(text), @r#"
    error: this conference has no number
     --> telex.toml:6:1
      |
    6 | [[conference]]
      | ^^^^^^^^^^^^^^ in this entry
      |
      = help: add number = "…": what is dialled to join it

    error: number `100` is already taken
      --> telex.toml:10:10
       |
    10 | number = "100"
       |          ^^^^^ a phone has this extension
       |
       = help: give each conference a number of its own; those of the same name are one

    error: *60 is the tone and cannot be a conference
      --> telex.toml:13:10
       |
    13 | number = "*60"
       |          ^^^^^ taken
       |
       = help: choose another number

    error: this is not a name
      --> telex.toml:17:8
       |
    17 | name = ""
       |        ^^ empty, too long, or with control characters
       |
       = help: use 1 to 64 characters, or leave it out: the number is its name then

    error: number `800` is already taken
      --> telex.toml:20:10
       |
    20 | number = "800"
       |          ^^^^^ second conference of this number
       |
       = help: give each conference a number of its own; those of the same name are one

    error: `number` in [conference] must be a text
      --> telex.toml:23:10
       |
    23 | number = 800
       |          ^^^ this is a number
       |
       = help: put it in quotes
    "#);
}

#[test]
fn codes_of_a_talk_are_keys_and_each_means_one_thing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telex.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        load_whole(&path).map_err(|refused| refused.render(false))
    };
    let features = read("[features]\nhangup = \"*0\"\npark = \"\"").unwrap().engine.features.clone();
    assert_eq!(
        (features.hang_up.as_str(), features.park.as_str(), features.blind.as_str()),
        ("*0", "", "##")
    );
    for (text, wrong) in [
        ("[features]\nhangup = \"x\"", "`x` cannot be pressed"),
        ("[features]\npark = \"##\"", "`##` means `blind_transfer` already"),
        ("[features]\nparks = \"##\"", "parks"),
    ] {
        let told = read(text).expect_err(text);
        assert!(told.contains(wrong), "{told}");
    }
}

#[test]
fn a_phone_has_as_many_calls_as_its_site_says() {
    let phone = |key: &str| {
        let text = format!("[[phone]]\nextension = \"100\"\npassword = \"secret\"\n{key}\n");
        accepted(&text).engine.phones["100"].clone()
    };
    let most = |value: &str| phone(&format!("call_waiting = {value}")).call_waiting;
    assert_eq!((most("false"), most("true"), most("3")), (Some(1), None, Some(3)));
    assert_eq!(
        (phone("").call_waiting, phone("").trusted, phone("trusted = true").trusted),
        (None, false, true)
    );
    let wrong = refused("[[phone]]\nextension = \"100\"\npassword = \"secret\"\ncall_waiting = 0\n");
    assert!(wrong.contains("a whole number from 1 to 100"), "{wrong}");
    assert!(!accepted("[sip]\nconnected_line = false\n").engine.connected_line);
    assert!(!accepted("[sip]\nconnected_line_invite = false\n").engine.connected_line_invite);
    assert!(accepted("[call]\ntake_over = true\n").engine.take_over && !accepted("").engine.take_over);
}

#[test]
fn hosts_that_calls_may_be_sent_to_are_read_or_each_has_its_remedy() {
    let settings =
        accepted("[sip]\nrefer_hosts = [\"SBC.example.com\", \"192.0.2.7:5062\", \"[2001:db8::7]\"]\n");
    let hosts: Vec<String> = settings.engine.refer_hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["sbc.example.com", "192.0.2.7:5062", "[2001:db8::7]"]);
    assert_snapshot!(refused("[sip]\nrefer_hosts = [\"sip:a@b\", \"::1\",\n\"a\", \"telex\", \"A\", \"*.b\"]\n"), @r#"
    error: this is no host that calls can be sent to
     --> telex.toml:2:16
      |
    2 | refer_hosts = ["sip:a@b", "::1",
      |                ^^^^^^^^^ a URI
      |
      = help: write the host alone, as in "sbc.example.com" or "192.0.2.7:5062", without sip: and user

    error: this is no host that calls can be sent to
     --> telex.toml:2:27
      |
    2 | refer_hosts = ["sip:a@b", "::1",
      |                           ^^^^^ no brackets
      |
      = help: put an IPv6 address in brackets, as in "[2001:db8::7]" or "[2001:db8::7]:5062"

    error: this is the exchange itself, by its realm
     --> telex.toml:3:6
      |
    3 | "a", "telex", "A", "*.b"]
      |      ^^^^^^^ not another host
      |
      = help: numbers of this exchange need no entry: leave it out

    error: this host is listed twice
     --> telex.toml:3:15
      |
    3 | "a", "telex", "A", "*.b"]
      |               ^^^ again here
      |
      = help: keep one of them

    error: this is no host that calls can be sent to
     --> telex.toml:3:20
      |
    3 | "a", "telex", "A", "*.b"]
      |                    ^^^^^ not one host
      |
      = help: name each host by itself: there are no wildcards and no networks
    "#);
}
