//! The registration flows of RFC 3665 §2, without their digest.

use super::*;

#[test]
fn new_registration_2_1() {
    let mut site = Site::new();
    let answer = site.register(phone(), "Contact: <sip:bob@192.0.2.7>\r\nExpires: 3600");
    assert_eq!(ok(&answer), ["<sip:bob@192.0.2.7>;expires=3600"]);
    assert_eq!(site.told(), ["registered sip:bob@192.0.2.7 3600"]);
}

#[test]
fn update_of_contact_list_2_2() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sips:bob@client.biloxi.example.com>");
    site.seconds(60);
    let answer = site.register(phone(), "Contact: mailto:bob@biloxi.example.com");
    let both =
        ["<sips:bob@client.biloxi.example.com>;expires=3540", "<mailto:bob@biloxi.example.com>;expires=3600"];
    assert_eq!(ok(&answer), both);
    assert_eq!(site.reach(), [Reach::Unreachable, Reach::Unreachable], "kept, but not for calls");
}

#[test]
fn request_for_current_contact_list_2_3() {
    let mut site = Site::new();
    assert_eq!(ok(&site.register(phone(), "Expires: 60")), Vec::<&str>::new());
    site.register(
        phone(),
        "Contact: <sip:bob@192.0.2.7>, <sip:bob@192.0.2.8:5070;transport=tcp>;q=0.5;expires=100",
    );
    site.told();
    let answer = site.register(phone(), "Expires: 60");
    let both =
        ["<sip:bob@192.0.2.7>;expires=3600", "<sip:bob@192.0.2.8:5070;transport=tcp>;expires=100;q=0.500"];
    assert_eq!(ok(&answer), both);
    assert_eq!(site.told(), Vec::<String>::new(), "asking changes nothing");
}

#[test]
fn cancellation_of_registration_2_4() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:bob@192.0.2.7>, <sip:bob@192.0.2.8>");
    site.told();
    let answer = site.register(phone(), "Contact: *\r\nExpires: 0");
    assert_eq!(ok(&answer), Vec::<&str>::new());
    assert_eq!(site.told(), ["removed sip:bob@192.0.2.7", "removed sip:bob@192.0.2.8"]);
    assert_eq!(site.timers.len(), 0);
}

#[test]
fn a_whole_answer() {
    let mut site = Site::new();
    let answer = site.register(
        phone(),
        "Record-Route: <sip:p;lr>\r\nContact: <sip:bob@192.0.2.7;line=1>;expires=600;q=0.25",
    );
    let fields: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    insta::assert_snapshot!(fields.join("\n"), @r"
    Contact: <sip:bob@192.0.2.7;line=1>;expires=600;q=0.250
    Supported: path
    Date: Sat, 13 Nov 2010 23:29:00 GMT
    ");
}

#[test]
fn a_binding_ends_when_it_was_said_to() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:bob@192.0.2.7>;expires=120");
    site.seconds(60);
    site.register(phone(), "Contact: <sip:bob@192.0.2.7>;expires=120");
    site.told();
    site.wait(Duration::from_millis(119_999));
    assert_eq!(site.contacts(), ["sip:bob@192.0.2.7"], "the refresh counts");
    assert_eq!(
        ok(&site.register(phone(), "Expires: 0")),
        ["<sip:bob@192.0.2.7>;expires=1"],
        "never 0 while it lives"
    );
    site.wait(Duration::from_millis(1));
    assert_eq!(site.contacts(), Vec::<&str>::new());
    assert_eq!(site.told(), ["expired sip:bob@192.0.2.7"]);
    assert_eq!(site.stored(), []);
}
