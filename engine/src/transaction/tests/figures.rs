//! The four machines against the figures of the RFCs: every (state, event, transport) triple is stated and walked.

use super::super::client_invite::{self, ClientInvite};
use super::super::client_non_invite::{self, ClientNonInvite};
use super::super::effects::{Class, ClientEffect, ServerEffect};
use super::super::server_invite::{self, ServerInvite};
use super::super::server_non_invite::{self, ServerNonInvite};
use super::walk::{Counts, Figure};
use crate::cx::{ClientTimer as C, ServerTimer as S};

/// RFC 3261 figure 5 as RFC 6026 §7.2 changes it; timers of RFC 3261 table 4.
///
/// A 100 is not passed up in any state: it tells the user nothing. Timer C (§16.6) and CANCEL (§9.1) are not in the
/// figure, which is that of a user agent that waits for ever and never changes its mind.
const CLIENT_INVITE: &str = "
Calling { a: <n>, cancel: false } | Timer(A)                      | udp | Calling { a: <2n>, cancel: false } | Send, Arm(A, T1(<2n>)) | 3261 17.1.1.2
Calling { a: <n>, cancel: false } | Timer(A)                      | tcp | = | - | never: not armed over streams
Calling { a: <n>, cancel: false } | Timer(B)                      | any | end | Fail(Timeout) | 3261 17.1.1.2
Calling { a: <n>, cancel: false } | Timer(C D E F K M)            | any | = | - | never
Calling { a: <n>, cancel: false } | Response(Trying)              | any | Proceeding { cancelled: false } | Disarm(A), Disarm(B), Arm(C, C) | 3261 17.1.1.2, 16.6
Calling { a: <n>, cancel: false } | Response(Provisional)         | any | Proceeding { cancelled: false } | Disarm(A), Disarm(B), Arm(C, C), Pass | 3261 17.1.1.2, 16.6
Calling { a: <n>, cancel: false } | Response(Success)             | any | Accepted | Disarm(A), Disarm(B), Disarm(C), Arm(M, T1(64)), Pass | 6026 7.2
Calling { a: <n>, cancel: false } | Response(Refusal)             | udp | Completed | Disarm(A), Disarm(B), Disarm(C), Ack, Pass, Arm(D, D) | 3261 17.1.1.2
Calling { a: <n>, cancel: false } | Response(Refusal)             | tcp | end | Disarm(A), Disarm(B), Disarm(C), Ack, Pass | 3261 17.1.1.2, timer D is 0 over streams
Calling { a: <n>, cancel: false } | Unsent                        | any | end | Fail(Transport) | 3261 17.1.4
Calling { a: <n>, cancel: false } | Cancel                        | any | Calling { a: <n>, cancel: true } | - | 3261 9.1, waits for a provisional response

Calling { a: <n>, cancel: true }  | Timer(A)                      | udp | Calling { a: <2n>, cancel: true } | Send, Arm(A, T1(<2n>)) | 3261 17.1.1.2
Calling { a: <n>, cancel: true }  | Timer(A)                      | tcp | = | - | never: not armed over streams
Calling { a: <n>, cancel: true }  | Timer(B)                      | any | end | Fail(Timeout) | 3261 17.1.1.2
Calling { a: <n>, cancel: true }  | Timer(C D E F K M)            | any | = | - | never
Calling { a: <n>, cancel: true }  | Response(Trying)              | any | Proceeding { cancelled: true } | Disarm(A), Disarm(B), Cancel, Arm(B, T1(64)) | 3261 9.1
Calling { a: <n>, cancel: true }  | Response(Provisional)         | any | Proceeding { cancelled: true } | Disarm(A), Disarm(B), Cancel, Arm(B, T1(64)), Pass | 3261 9.1
Calling { a: <n>, cancel: true }  | Response(Success)             | any | Accepted | Disarm(A), Disarm(B), Disarm(C), Arm(M, T1(64)), Pass | 6026 7.2
Calling { a: <n>, cancel: true }  | Response(Refusal)             | udp | Completed | Disarm(A), Disarm(B), Disarm(C), Ack, Pass, Arm(D, D) | 3261 17.1.1.2
Calling { a: <n>, cancel: true }  | Response(Refusal)             | tcp | end | Disarm(A), Disarm(B), Disarm(C), Ack, Pass | 3261 17.1.1.2
Calling { a: <n>, cancel: true }  | Unsent                        | any | end | Fail(Transport) | 3261 17.1.4
Calling { a: <n>, cancel: true }  | Cancel                        | any | = | - | absorbed: it is given up already

Proceeding { cancelled: false }   | Timer(A B)                    | any | = | - | never: a provisional response stopped them
Proceeding { cancelled: false }   | Timer(C)                      | any | Proceeding { cancelled: true } | Disarm(C), Cancel, Arm(B, T1(64)) | 3261 16.8
Proceeding { cancelled: false }   | Timer(D E F K M)              | any | = | - | never
Proceeding { cancelled: false }   | Response(Trying)              | any | = | - | absorbed
Proceeding { cancelled: false }   | Response(Provisional)         | any | = | Arm(C, C), Pass | 3261 17.1.1.2, 16.7
Proceeding { cancelled: false }   | Response(Success)             | any | Accepted | Disarm(A), Disarm(B), Disarm(C), Arm(M, T1(64)), Pass | 6026 7.2
Proceeding { cancelled: false }   | Response(Refusal)             | udp | Completed | Disarm(A), Disarm(B), Disarm(C), Ack, Pass, Arm(D, D) | 3261 17.1.1.2
Proceeding { cancelled: false }   | Response(Refusal)             | tcp | end | Disarm(A), Disarm(B), Disarm(C), Ack, Pass | 3261 17.1.1.2
Proceeding { cancelled: false }   | Unsent                        | udp | = | - | absorbed: nothing is being sent, and the callee has heard us
Proceeding { cancelled: false }   | Unsent                        | tcp | end | Fail(Transport) | own: a stream that is gone takes the ringing phone with it
Proceeding { cancelled: false }   | Cancel                        | any | Proceeding { cancelled: true } | Disarm(C), Cancel, Arm(B, T1(64)) | 3261 9.1

Proceeding { cancelled: true }    | Timer(A C)                    | any | = | - | never
Proceeding { cancelled: true }    | Timer(B)                      | any | end | Fail(Timeout) | 3261 9.1, 64*T1 after the CANCEL
Proceeding { cancelled: true }    | Timer(D E F K M)              | any | = | - | never
Proceeding { cancelled: true }    | Response(Trying)              | any | = | - | absorbed
Proceeding { cancelled: true }    | Response(Provisional)         | any | = | Pass | 3261 17.1.1.2
Proceeding { cancelled: true }    | Response(Success)             | any | Accepted | Disarm(A), Disarm(B), Disarm(C), Arm(M, T1(64)), Pass | 6026 7.2
Proceeding { cancelled: true }    | Response(Refusal)             | udp | Completed | Disarm(A), Disarm(B), Disarm(C), Ack, Pass, Arm(D, D) | 3261 17.1.1.2
Proceeding { cancelled: true }    | Response(Refusal)             | tcp | end | Disarm(A), Disarm(B), Disarm(C), Ack, Pass | 3261 17.1.1.2
Proceeding { cancelled: true }    | Unsent                        | udp | = | - | absorbed: timer B is there for that
Proceeding { cancelled: true }    | Unsent                        | tcp | end | Fail(Transport) | own: as before the CANCEL
Proceeding { cancelled: true }    | Cancel                        | any | = | - | absorbed: it is given up already

Completed                         | Timer(A B C E F K M)          | any | = | - | never
Completed                         | Timer(D)                      | udp | end | - | 3261 17.1.1.2
Completed                         | Timer(D)                      | tcp | end | - | never: the state is not entered over streams
Completed                         | Response(Trying Provisional)  | udp | = | - | absorbed: overtaken on the way
Completed                         | Response(Success)             | udp | = | - | absorbed: the first final response is the outcome
Completed                         | Response(Trying Provisional Success) | tcp | = | - | never
Completed                         | Response(Refusal)             | udp | = | Ack | 3261 17.1.1.2
Completed                         | Response(Refusal)             | tcp | = | Ack | never
Completed                         | Unsent                        | udp | end | - | 3261 17.1.1.2; silently, since the user has the outcome
Completed                         | Unsent                        | tcp | end | - | never
Completed                         | Cancel                        | udp | = | - | absorbed: 9.1, not after a final response
Completed                         | Cancel                        | tcp | = | - | never

Accepted                          | Timer(A B C D E F K)          | any | = | - | never
Accepted                          | Timer(M)                      | any | end | - | 6026 7.2
Accepted                          | Response(Trying Provisional)  | any | = | - | absorbed: overtaken on the way
Accepted                          | Response(Success)             | any | = | Pass | 6026 7.2
Accepted                          | Response(Refusal)             | any | = | - | absorbed: from another branch; the 2xx is the outcome
Accepted                          | Unsent                        | any | = | - | absorbed: the ACK is the user's
Accepted                          | Cancel                        | any | = | - | absorbed: 9.1, not after a final response
";

/// RFC 3261 figure 6 and table 4.
const CLIENT_NON_INVITE: &str = "
Trying { e: <n> } | Timer(E)                     | udp | Trying { e: <2n> } | Send, Arm(E, UpToT2(<2n>)) | 3261 17.1.2.2
Trying { e: <n> } | Timer(E)                     | tcp | = | - | never: not armed over streams
Trying { e: <n> } | Timer(F)                     | any | end | Fail(Timeout) | 3261 17.1.2.2
Trying { e: <n> } | Timer(A B C D K M)           | any | = | - | never
Trying { e: <n> } | Response(Trying)             | any | Proceeding | - | 3261 17.1.2.2; a 100 is not passed up
Trying { e: <n> } | Response(Provisional)        | any | Proceeding | Pass | 3261 17.1.2.2
Trying { e: <n> } | Response(Success Refusal)    | udp | Completed | Disarm(E), Disarm(F), Pass, Arm(K, T4) | 3261 17.1.2.2
Trying { e: <n> } | Response(Success Refusal)    | tcp | end | Disarm(E), Disarm(F), Pass | 3261 17.1.2.2, timer K is 0 over streams
Trying { e: <n> } | Unsent                       | any | end | Fail(Transport) | 3261 17.1.4

Proceeding        | Timer(E)                     | udp | = | Send, Arm(E, T2) | 3261 17.1.2.2
Proceeding        | Timer(E)                     | tcp | = | - | never: not armed over streams
Proceeding        | Timer(F)                     | any | end | Fail(Timeout) | 3261 17.1.2.2
Proceeding        | Timer(A B C D K M)           | any | = | - | never
Proceeding        | Response(Trying)             | any | = | - | absorbed: a 100 is not passed up
Proceeding        | Response(Provisional)        | any | = | Pass | 3261 17.1.2.2
Proceeding        | Response(Success Refusal)    | udp | Completed | Disarm(E), Disarm(F), Pass, Arm(K, T4) | 3261 17.1.2.2
Proceeding        | Response(Success Refusal)    | tcp | end | Disarm(E), Disarm(F), Pass | 3261 17.1.2.2
Proceeding        | Unsent                       | any | end | Fail(Transport) | 3261 17.1.4

Completed         | Timer(K)                     | udp | end | - | 3261 17.1.2.2
Completed         | Timer(K)                     | tcp | end | - | never: the state is not entered over streams
Completed         | Timer(A B C D E F M)         | any | = | - | never
Completed         | Response(Trying Provisional Success Refusal) | udp | = | - | 3261 17.1.2.2, absorbs what is repeated
Completed         | Response(Trying Provisional Success Refusal) | tcp | = | - | never
Completed         | Unsent                       | udp | = | - | absorbed: nothing is being sent
Completed         | Unsent                       | tcp | = | - | never
";

/// RFC 3261 figure 7 as RFC 6026 §7.1 changes it; timers of RFC 3261 table 4.
///
/// The figure's transport error leaves the state as it is; that is why the machine has no such event.
const SERVER_INVITE: &str = "
Proceeding { answered: false } | Timer(Trying)            | any | Proceeding { answered: true } | Trying, Send | 3261 17.2.1
Proceeding { answered: false } | Timer(G H I J L)         | any | = | - | never
Proceeding { answered: false } | Invite                   | any | = | - | absorbed: there is nothing to repeat for 200 ms
Proceeding { answered: false } | Ack                      | any | = | - | absorbed: nothing to acknowledge yet
Proceeding { answered: false } | Provisional              | any | Proceeding { answered: true } | Disarm(Trying), Send | 3261 17.2.1
Proceeding { answered: false } | Success                  | any | Accepted | Disarm(Trying), Send, Arm(L, T1(64)) | 6026 7.1
Proceeding { answered: false } | Refusal                  | udp | Completed { g: 1 } | Disarm(Trying), Send, Arm(H, T1(64)), Arm(G, T1(1)) | 3261 17.2.1
Proceeding { answered: false } | Refusal                  | tcp | Completed { g: 1 } | Disarm(Trying), Send, Arm(H, T1(64)) | 3261 17.2.1

Proceeding { answered: true }  | Timer(Trying G H I J L)  | any | = | - | never
Proceeding { answered: true }  | Invite                   | any | = | Send | 3261 17.2.1
Proceeding { answered: true }  | Ack                      | any | = | - | absorbed: nothing to acknowledge yet
Proceeding { answered: true }  | Provisional              | any | = | Disarm(Trying), Send | 3261 17.2.1
Proceeding { answered: true }  | Success                  | any | Accepted | Disarm(Trying), Send, Arm(L, T1(64)) | 6026 7.1
Proceeding { answered: true }  | Refusal                  | udp | Completed { g: 1 } | Disarm(Trying), Send, Arm(H, T1(64)), Arm(G, T1(1)) | 3261 17.2.1
Proceeding { answered: true }  | Refusal                  | tcp | Completed { g: 1 } | Disarm(Trying), Send, Arm(H, T1(64)) | 3261 17.2.1

Completed { g: <n> }           | Timer(G)                 | udp | Completed { g: <2n> } | Send, Arm(G, UpToT2(<2n>)) | 3261 17.2.1
Completed { g: <n> }           | Timer(G)                 | tcp | = | - | never: not armed over streams
Completed { g: <n> }           | Timer(H)                 | any | end | - | 3261 17.2.1
Completed { g: <n> }           | Timer(Trying I J L)      | any | = | - | never
Completed { g: <n> }           | Invite                   | any | = | Send | 3261 17.2.1
Completed { g: <n> }           | Ack                      | udp | Confirmed | Disarm(G), Disarm(H), Arm(I, T4) | 3261 17.2.1
Completed { g: <n> }           | Ack                      | tcp | end | Disarm(H) | 3261 17.2.1, timer I is 0 over streams
Completed { g: <n> }           | Provisional Success Refusal | any | = | - | absorbed: the user answers once

Confirmed                      | Timer(I)                 | udp | end | - | 3261 17.2.1
Confirmed                      | Timer(I)                 | tcp | end | - | never: the state is not entered over streams
Confirmed                      | Timer(Trying G H J L)    | any | = | - | never
Confirmed                      | Ack                      | udp | = | - | 3261 17.2.1, absorbs what is repeated
Confirmed                      | Invite                   | udp | = | - | absorbed: overtaken by its ACK
Confirmed                      | Provisional Success Refusal | udp | = | - | absorbed: the user answers once
Confirmed                      | Ack Invite Provisional Success Refusal | tcp | = | - | never

Accepted                       | Timer(L)                 | any | end | - | 6026 7.1
Accepted                       | Timer(Trying G H I J)    | any | = | - | never
Accepted                       | Invite                   | any | = | - | 6026 7.1
Accepted                       | Ack                      | any | = | Pass | 6026 7.1
Accepted                       | Success                  | any | = | Send | 6026 7.1
Accepted                       | Provisional Refusal      | any | = | - | absorbed: the user answers once
";

/// RFC 3261 figure 8 and table 4. The figure's transport error, which ends the transaction, is no event here: timer J
/// ends what nobody asks for again, and until then whoever asks again is answered.
const SERVER_NON_INVITE: &str = "
Trying     | Timer(Trying G H I J L) | any | = | - | never
Trying     | Request                 | any | = | - | 3261 17.2.2
Trying     | Provisional             | any | Proceeding | Send | 3261 17.2.2
Trying     | Final                   | udp | Completed | Send, Arm(J, T1(64)) | 3261 17.2.2
Trying     | Final                   | tcp | end | Send | 3261 17.2.2, timer J is 0 over streams

Proceeding | Timer(Trying G H I J L) | any | = | - | never
Proceeding | Request                 | any | = | Send | 3261 17.2.2
Proceeding | Provisional             | any | = | Send | 3261 17.2.2
Proceeding | Final                   | udp | Completed | Send, Arm(J, T1(64)) | 3261 17.2.2
Proceeding | Final                   | tcp | end | Send | 3261 17.2.2

Completed  | Timer(J)                | udp | end | - | 3261 17.2.2
Completed  | Timer(J)                | tcp | end | - | never: the state is not entered over streams
Completed  | Timer(Trying G H I L)   | any | = | - | never
Completed  | Request                 | udp | = | Send | 3261 17.2.2
Completed  | Request                 | tcp | = | Send | never
Completed  | Final                   | udp | = | - | 3261 17.2.2, other final responses are discarded
Completed  | Provisional             | udp | = | - | absorbed: it comes too late
Completed  | Final Provisional       | tcp | = | - | never
";

const CLIENT_TIMERS: [C; 8] = [C::A, C::B, C::C, C::D, C::E, C::F, C::K, C::M];
const SERVER_TIMERS: [S; 6] = [S::Trying, S::G, S::H, S::I, S::J, S::L];
const CLASSES: [Class; 4] = [Class::Trying, Class::Provisional, Class::Success, Class::Refusal];

fn client_invite() -> Figure<ClientInvite, client_invite::Event, ClientEffect> {
    use client_invite::Event;
    Figure {
        name: "client INVITE",
        table: CLIENT_INVITE,
        states: vec![
            ClientInvite::Calling { a: 4, cancel: false },
            ClientInvite::Calling { a: 4, cancel: true },
            ClientInvite::Proceeding { cancelled: false },
            ClientInvite::Proceeding { cancelled: true },
            ClientInvite::Completed,
            ClientInvite::Accepted,
        ],
        events: (CLIENT_TIMERS.map(Event::Timer).into_iter())
            .chain(CLASSES.map(Event::Response))
            .chain([Event::Unsent, Event::Cancel])
            .collect(),
        start: ClientInvite::start,
        step: ClientInvite::step,
    }
}

fn client_non_invite() -> Figure<ClientNonInvite, client_non_invite::Event, ClientEffect> {
    use client_non_invite::Event;
    Figure {
        name: "client non-INVITE",
        table: CLIENT_NON_INVITE,
        states: vec![
            ClientNonInvite::Trying { e: 4 },
            ClientNonInvite::Proceeding,
            ClientNonInvite::Completed,
        ],
        events: (CLIENT_TIMERS.map(Event::Timer).into_iter())
            .chain(CLASSES.map(Event::Response))
            .chain([Event::Unsent])
            .collect(),
        start: ClientNonInvite::start,
        step: ClientNonInvite::step,
    }
}

fn server_invite() -> Figure<ServerInvite, server_invite::Event, ServerEffect> {
    use server_invite::Event;
    Figure {
        name: "server INVITE",
        table: SERVER_INVITE,
        states: vec![
            ServerInvite::Proceeding { answered: false },
            ServerInvite::Proceeding { answered: true },
            ServerInvite::Completed { g: 4 },
            ServerInvite::Confirmed,
            ServerInvite::Accepted,
        ],
        events: (SERVER_TIMERS.map(Event::Timer).into_iter())
            .chain([Event::Invite, Event::Ack, Event::Provisional, Event::Success, Event::Refusal])
            .collect(),
        start: |_| ServerInvite::start(),
        step: ServerInvite::step,
    }
}

fn server_non_invite() -> Figure<ServerNonInvite, server_non_invite::Event, ServerEffect> {
    use server_non_invite::Event;
    Figure {
        name: "server non-INVITE",
        table: SERVER_NON_INVITE,
        states: vec![ServerNonInvite::Trying, ServerNonInvite::Proceeding, ServerNonInvite::Completed],
        events: (SERVER_TIMERS.map(Event::Timer).into_iter())
            .chain([Event::Request, Event::Provisional, Event::Final])
            .collect(),
        start: |_| ServerNonInvite::start(),
        step: ServerNonInvite::step,
    }
}

/// Prints what `Counts` has, for people who ask what the tables cover.
#[test]
fn every_state_event_and_transport_is_as_in_the_rfcs() {
    let machines = [
        (client_invite().name, client_invite().walk()),
        (client_non_invite().name, client_non_invite().walk()),
        (server_invite().name, server_invite().walk()),
        (server_non_invite().name, server_non_invite().walk()),
    ];
    let mut sum = Counts::default();
    for (name, counts) in machines {
        let Counts { triples, rfc, own, absorbed, never } = counts;
        println!(
            "{name}: {triples} triples; transitions in RFC {}, exercised {}; own {}; absorbed {}; \
             forbidden {}, reached {}",
            rfc.0, rfc.1, own.0, absorbed.0, never.0, never.1
        );
        assert_eq!(
            (rfc.0, own.0, absorbed.0, 0),
            (rfc.1, own.1, absorbed.1, never.1),
            "{name}: reached or not"
        );
        sum.triples += triples;
        sum.rfc.0 += rfc.0;
        sum.rfc.1 += rfc.1;
        sum.never.0 += never.0;
        sum.never.1 += never.1;
    }
    println!(
        "{} triples; transitions in RFC {}, exercised {}; forbidden {}, reached {}",
        sum.triples, sum.rfc.0, sum.rfc.1, sum.never.0, sum.never.1
    );
    assert_eq!(sum.triples, 6 * 14 * 2 + 3 * 13 * 2 + 5 * 11 * 2 + 3 * 9 * 2);
}
