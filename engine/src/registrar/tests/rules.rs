//! What a registrar must and must not do (RFC 3261 §10.3).

use super::*;

#[test]
fn expiry_is_taken_from_the_contact_then_the_header_then_the_site() {
    let mut site = Site::new();
    let answer =
        site.register(phone(), "Contact: <sip:a@192.0.2.7>;expires=100, <sip:b@192.0.2.7>\r\nExpires: 200");
    assert_eq!(ok(&answer), ["<sip:a@192.0.2.7>;expires=100", "<sip:b@192.0.2.7>;expires=200"]);
    let answer = site.register(phone(), "Contact: <sip:c@192.0.2.7>");
    assert_eq!(ok(&answer)[2], "<sip:c@192.0.2.7>;expires=3600");
}

#[test]
fn expiry_that_cannot_be_read_is_an_hour_and_too_long_is_cut() {
    let mut site = Site::new();
    for (asked, given) in
        [("soon", 3600), ("-1", 3600), ("7201", 7200), ("4294967296", 7200), ("\"100\"", 100)]
    {
        let answer = site.register(phone(), &format!("Contact: <sip:a@192.0.2.7>;expires={asked}"));
        assert_eq!(ok(&answer), [format!("<sip:a@192.0.2.7>;expires={given}")], "{asked}");
    }
}

#[test]
fn too_brief_is_refused_with_the_least() {
    let mut site = Site::new();
    let answer = site.register(phone(), "Contact: <sip:a@192.0.2.7>, <sip:b@192.0.2.7>;expires=59");
    refused(&answer, 423, "");
    assert_eq!(values(&answer, HeaderName::MinExpires), ["60"]);
    assert_eq!(site.contacts(), Vec::<&str>::new(), "not even the other one");
    ok(&site.register(phone(), "Contact: <sip:a@192.0.2.7>;expires=60"));
}

#[test]
fn an_hour_is_never_too_brief() {
    let mut site = Site::with(|config| config.registrar.min_expires = Duration::from_secs(7200));
    refused(&site.register(phone(), "Contact: <sip:a@192.0.2.7>;expires=3599"), 423, "");
    assert_eq!(
        ok(&site.register(phone(), "Contact: <sip:a@192.0.2.7>;expires=3600")),
        ["<sip:a@192.0.2.7>;expires=3600"]
    );
}

#[test]
fn a_contact_is_removed_by_expiry_zero() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@192.0.2.7>, <sip:b@192.0.2.7>");
    site.told();
    let answer =
        site.register(phone(), "Contact: <sip:a@192.0.2.7>;expires=0, <sip:nobody@192.0.2.7>;expires=0");
    assert_eq!(ok(&answer), ["<sip:b@192.0.2.7>;expires=3600"]);
    assert_eq!(site.told(), ["removed sip:a@192.0.2.7"]);
    assert_eq!(ok(&site.register(phone(), "Contact: <sip:b@192.0.2.7>\r\nExpires: 0")), Vec::<&str>::new());
}

#[test]
fn star_stands_alone_and_with_expires_zero() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@192.0.2.7>");
    refused(&site.register(phone(), "Contact: *"), 400, "Contact * needs Expires 0");
    refused(&site.register(phone(), "Contact: *\r\nExpires: 60"), 400, "Contact * needs Expires 0");
    let answer = site.register(phone(), "Contact: *, <sip:a@192.0.2.7>\r\nExpires: 0");
    assert_eq!(answer.status.code(), 400);
    assert_eq!(site.contacts(), ["sip:a@192.0.2.7"]);
}

#[test]
fn contacts_are_compared_as_uris() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@HOST.example;transport=udp>");
    site.told();
    let answer = site.register(phone(), "Contact: <SIP:%61@host.EXAMPLE;Transport=UDP>");
    assert_eq!(ok(&answer), ["<SIP:%61@host.EXAMPLE;Transport=UDP>;expires=3600"]);
    assert_eq!(site.told(), ["refreshed SIP:%61@host.EXAMPLE;Transport=UDP 3600"]);
    assert_eq!(site.stored().len(), 1, "the old spelling is not left in the store");
    ok(&site.register(phone(), "Contact: <sip:A@host.example;transport=udp>"));
    assert_eq!(site.contacts().len(), 2, "user parts differ by case");
}

#[test]
fn equivalence_that_is_not_transitive_confuses_nothing() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@h>");
    let answer = site.register(phone(), "Contact: <sip:a@h;x=1>;expires=100, <sip:a@h;x=2>;expires=200");
    assert_eq!(ok(&answer), ["<sip:a@h;x=1>;expires=100", "<sip:a@h;x=2>;expires=200"]);
    site.register(phone(), "Contact: <sip:a@h;x=1>;expires=0, <sip:a@h;x=2>;expires=0");
    assert_eq!(site.contacts(), Vec::<&str>::new());
}

#[test]
fn of_equivalent_contacts_in_one_request_the_last_counts() {
    let mut site = Site::new();
    let answer = site.register(phone(), "Contact: <sip:a@h>;expires=100, <sip:a@H>;expires=200");
    assert_eq!(ok(&answer), ["<sip:a@H>;expires=200"]);
}

#[test]
fn an_overtaken_request_changes_nothing() {
    let mut site = Site::new();
    let one = "Call-ID: one\r\n";
    ok(&site.register_as("100", 5, phone(), &format!("{one}Contact: <sip:a@192.0.2.7>, <sip:b@192.0.2.7>")));
    site.told();
    for (cseq, contact) in [
        (5, "<sip:a@192.0.2.7>"),
        (4, "<sip:a@192.0.2.7>;expires=0"),
        (4, "<sip:new@192.0.2.7>, <sip:b@192.0.2.7>"),
        (5, "*"),
    ] {
        let answer =
            site.register_as("100", cseq, phone(), &format!("{one}Contact: {contact}\r\nExpires: 0"));
        refused(&answer, 500, "CSeq is not in order");
    }
    assert_eq!(site.contacts(), ["sip:a@192.0.2.7", "sip:b@192.0.2.7"]);
    assert_eq!(site.told(), Vec::<String>::new());
    ok(&site.register_as("100", 6, phone(), &format!("{one}Contact: <sip:a@192.0.2.7>;expires=0")));
    ok(&site.register_as("100", 1, phone(), "Call-ID: two\r\nContact: <sip:b@192.0.2.7>;expires=0"));
    assert_eq!(site.contacts(), Vec::<&str>::new(), "another Call-ID has an order of its own");
}

#[test]
fn preference_decides_the_order() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@h>;q=0.1, <sip:b@h>, <sip:c@h>;q=0.7, <sip:d@h>;q=0.7");
    assert_eq!(site.contacts(), ["sip:b@h", "sip:c@h", "sip:d@h", "sip:a@h"]);
    site.register(phone(), "Contact: <sip:a@h>;q=1.0");
    assert_eq!(site.contacts(), ["sip:b@h", "sip:a@h", "sip:c@h", "sip:d@h"]);
}

#[test]
fn extensions_have_their_own_bindings() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@h>");
    site.register_as("101", 1, phone(), "Call-ID: two\r\nContact: <sip:a@h>");
    site.register(phone(), "Contact: *\r\nExpires: 0");
    assert_eq!(site.contacts(), Vec::<&str>::new());
    assert_eq!(site.registrar.lookup("101").count(), 1);
    let all = site.registrar.registrations(site.now);
    assert_eq!(all.iter().map(|r| r.extension.as_str()).collect::<Vec<_>>(), ["101"]);
}

#[test]
fn a_device_that_comes_back_elsewhere_replaces_itself() {
    let mut site = Site::new();
    let device = "+sip.instance=\"<urn:uuid:0-1-2>\"";
    site.register(phone(), &format!("Contact: <sip:a@192.0.2.7:1111>;{device}, <sip:other@h>"));
    site.told();
    let headers = format!("Call-ID: two\r\nContact: <sip:a@192.0.2.7:2222>;{device}");
    ok(&site.register_as("100", 1, phone(), &headers));
    assert_eq!(site.contacts(), ["sip:other@h", "sip:a@192.0.2.7:2222"]);
    assert_eq!(site.told(), ["removed sip:a@192.0.2.7:1111", "registered sip:a@192.0.2.7:2222 3600"]);
    let headers = format!("Call-ID: two\r\nContact: <sip:a@192.0.2.7:1111>;{device}");
    refused(&site.register_as("100", 1, phone(), &headers), 500, "CSeq is not in order");
}

#[test]
fn two_contacts_of_one_device_live_side_by_side() {
    let mut site = Site::new();
    let device = "+sip.instance=\"<urn:uuid:0-1-2>\"";
    for _ in 0..2 {
        let answer =
            site.register(phone(), &format!("Contact: <sip:a@192.0.2.7>;{device}, <sip:a@[::1]>;{device}"));
        assert_eq!(ok(&answer).len(), 2);
    }
    ok(&site
        .register(phone(), &format!("Contact: <sip:b@h>;{device};reg-id=1, <sip:c@h>;{device};reg-id=2")));
    assert_eq!(site.contacts().len(), 4, "flows of one device are told apart by reg-id");
    ok(&site.register(phone(), &format!("Contact: <sip:d@h>;{device};reg-id=2")));
    assert_eq!(site.contacts(), ["sip:a@192.0.2.7", "sip:a@[::1]", "sip:b@h", "sip:d@h"]);
    ok(&site.register(phone(), &format!("Contact: <sip:new@h>;{device};expires=0")));
    assert_eq!(site.contacts().len(), 4, "taking back an unknown contact takes back nothing");
}

#[test]
fn too_many_contacts_push_out_the_oldest_from_the_same_address() {
    let mut site = Site::with(|config| config.registrar.max_contacts = 3);
    let (here, there) = (socket([192, 0, 2, 7], 1), socket([192, 0, 2, 8], 1));
    site.register(from(there), "Contact: <sip:far@h>");
    site.register(from(here), "Contact: <sip:one@h>");
    site.seconds(1);
    site.register(from(here), "Contact: <sip:two@h>");
    site.seconds(1);
    site.register(from(here), "Contact: <sip:one@h>");
    site.told();
    ok(&site.register(from(here), "Contact: <sip:three@h>"));
    assert_eq!(site.told(), ["removed sip:two@h", "registered sip:three@h 3600"]);
    site.seconds(98);
    let answer = site.register(from(socket([192, 0, 2, 9], 1)), "Contact: <sip:four@h>");
    refused(&answer, 503, "Too many contacts registered");
    assert_eq!(values(&answer, HeaderName::RetryAfter), ["3501"], "when the first one ends");
    let answer = site.register(from(there), "Contact: <sip:five@h>, <sip:six@h>");
    refused(&answer, 503, "Too many contacts registered");
    assert_eq!(site.contacts(), ["sip:far@h", "sip:one@h", "sip:three@h"]);
}

#[test]
fn a_lowered_bound_does_not_stop_refreshes() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>");
    let mut config = (*site.config).clone();
    config.registrar.max_contacts = 1;
    site.config = Arc::new(config);
    assert_eq!(ok(&site.register(phone(), "Contact: <sip:b@h>;expires=60")).len(), 3);
}

#[test]
fn one_request_may_not_bring_any_number_of_contacts() {
    let mut site = Site::new();
    let many: Vec<_> = (0..=BINDINGS_PER_AOR).map(|n| format!("<sip:{n}@h>")).collect();
    let answer = site.register(phone(), &format!("Contact: {}", many.join(",")));
    refused(&answer, 400, "Too many contacts in one request");
    assert_eq!(
        ok(&site.register(phone(), &format!("Contact: {}", many[1..].join(",")))).len(),
        BINDINGS_PER_AOR
    );
}

#[test]
fn what_is_kept_has_a_bound() {
    let mut site = Site::new();
    let long = "x".repeat(crate::limits::BINDING_OCTETS);
    refused(&site.register(phone(), &format!("Contact: <sip:{long}@h>")), 400, "Contact too long");
    let headers = format!("Contact: <sip:a@h>;+sip.instance=\"<{long}>\"");
    refused(&site.register(phone(), &headers), 400, "Contact too long");
    let headers = format!("Contact: <sip:a@h>\r\nSupported: path\r\nPath: <sip:{long}@h>");
    refused(&site.register(phone(), &headers), 400, "Path too long");
    let headers = format!("Call-ID: {long}1\r\nContact: <sip:a@h>");
    refused(&site.register_as("100", 1, phone(), &headers), 400, "Call-ID too long");
    ok(&site.register(phone(), &format!("Contact: <sip:a@h>\r\nUser-Agent: é{long}")));
    assert_eq!(site.registrar.lookup("100").next().unwrap().user_agent.len(), 96);
}

#[test]
fn what_cannot_be_read_is_a_bad_request() {
    let mut site = Site::new();
    for (headers, reason) in [
        ("Contact: <sip:a@h", "bad Contact: < without >"),
        ("Contact: <sip:b@h>, <sip:a@h:x>", "bad Contact: port is not a number"),
    ] {
        refused(&site.register(phone(), headers), 400, reason);
    }
    let answer = site.register_as("100", 1, phone(), "Contact: <sip:a@h>");
    assert_eq!(answer.status.code(), 400, "no Call-ID");
    assert_eq!(site.contacts(), Vec::<&str>::new());
}

#[test]
fn unknown_extensions_are_refused_by_name() {
    let mut site = Site::new();
    let answer = site.register(phone(), "Contact: <sip:a@h>\r\nRequire: path, gruu\r\nRequire: outbound");
    refused(&answer, 420, "");
    assert_eq!(values(&answer, HeaderName::Unsupported), ["gruu, outbound"]);
    ok(&site.register(phone(), "Contact: <sip:a@h>\r\nRequire: path\r\nSupported: gruu, outbound"));
}

#[test]
fn a_path_is_kept_and_told_to_a_phone_that_knows_it() {
    let mut site = Site::new();
    let path = "Path: <sip:edge.example;lr>, <sip:core.example;lr>\r\nPath: <sip:in.example;lr>";
    let answer = site.register(phone(), &format!("Contact: <sip:a@h>\r\n{path}"));
    refused(&answer, 420, "");
    assert_eq!(values(&answer, HeaderName::Unsupported), ["path"]);
    let answer = site.register(phone(), &format!("Contact: <sip:a@h>\r\nSupported: PATH\r\n{path}"));
    assert_eq!(
        values(&answer, HeaderName::Path),
        ["<sip:edge.example;lr>, <sip:core.example;lr>", "<sip:in.example;lr>"]
    );
    let binding = site.registrar.lookup("100").next().unwrap();
    let route: Vec<_> = binding.route_set().collect();
    assert_eq!(route, ["sip:edge.example;lr", "sip:core.example;lr", "sip:in.example;lr"]);
    ok(&site.register(phone(), "Contact: <sip:a@h>\r\nSupported: path"));
    assert_eq!(
        site.registrar.lookup("100").next().unwrap().route_set().count(),
        0,
        "a refresh brings its own path"
    );
}

#[test]
fn the_address_of_record_is_the_user_part_of_to() {
    let aor = |to: &str| {
        let text = format!("REGISTER sip:x SIP/2.0\r\nTo: {to}\r\n\r\n");
        address_of_record(&Message::parse(Bytes::from(text)).unwrap()).unwrap()
    };
    assert_eq!(aor("\"Bob\" <sip:100@anything.example:5070;user=phone>"), "100");
    assert_eq!(aor("sip:%64oor@h"), "door");
    assert_eq!(aor("<sip:h>"), "");
}

#[test]
fn nothing_of_the_request_is_kept_alive() {
    let mut site = Site::new();
    let headers =
        "Call-ID: one\r\nContact: <sip:a@h>\r\nUser-Agent: Phone\r\nSupported: path\r\nPath: <sip:p;lr>";
    let request = message(headers, 1);
    let raw = request.raw().clone();
    site.cx(|registrar, cx| registrar.register(cx, "100", &request, &phone()));
    drop(request);
    assert!(raw.is_unique(), "no slice of the datagram is left");
}
