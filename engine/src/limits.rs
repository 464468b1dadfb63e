#![doc = include_str!("../LIMITS.md")]

use std::time::Duration;

use crate::rate::Rate;

/// Octets of one SIP message. Spans are 16 bits wide; a longer stream message is answered 513.
pub const MESSAGE_OCTETS: usize = 65_535;
/// Header fields of one message; their numbers fit one octet.
pub const MESSAGE_HEADERS: usize = 250;
/// Via header field values of one message: the longest path a request may have come.
pub const MESSAGE_VIAS: usize = 70;
/// Route set entries kept for one dialog or binding.
pub const ROUTES: usize = 32;
/// Lines of one session description.
pub const SDP_LINES: usize = 1024;
/// Media descriptions of one session description.
pub const SDP_MEDIA: usize = 32;
/// Formats of one media description.
pub const SDP_FORMATS: usize = 64;
/// Live transactions. What begins something new is answered 503 from seven eighths on, what belongs to a dialog at the
/// end; a source that holds half of three quarters gets no more.
pub const TRANSACTIONS: usize = 400_000;
/// Live calls; a new INVITE over it is answered 503. A caller who holds half of three quarters gets no more.
pub const CALLS: usize = 50_000;
/// Legs of one call: callers, forks, transfer targets.
pub const LEGS_PER_CALL: usize = 32;
/// How often the callees of one Dial may send it elsewhere (RFC 3261 §8.1.3.4); the next who does is not available.
pub const DIVERSIONS: usize = 10;
/// How many diversions a callee is told of, the last ones, so that its INVITE fits a datagram.
pub const DIVERSIONS_TOLD: usize = 3;
/// Contacts of a redirection that are read; the rest is left out.
pub const DIVERTED_TO: usize = 4;
/// Calls that are wanted when a phone is free, one for each who wants any; more are refused.
pub const CALL_BACKS: usize = 1000;
/// How long such a call is wanted.
pub const CALL_BACK: Duration = Duration::from_secs(3600);
/// Early dialogs kept for one forked INVITE (RFC 3261 §12.1).
pub const EARLY_DIALOGS: usize = 16;
/// Open streams (TCP connections); a new one over it is closed at once, one of a stranger from seven eighths on.
pub const STREAMS: usize = 60_000;
/// Open streams of one source of which no request was accepted yet; a new one over it is closed at once.
pub const STREAMS_OF_STRANGER: usize = 64;
/// A message that has begun on a stream is whole by then, or the stream is closed.
pub const STREAM_MESSAGE: Duration = Duration::from_secs(30);
/// Contacts registered for one address-of-record.
pub const BINDINGS_PER_AOR: usize = 10;
/// Subscriptions in all; one more is answered 503.
pub const SUBSCRIPTIONS: usize = 50_000;
/// Subscriptions of one extension, with all its phones; one more is answered 503.
pub const SUBSCRIPTIONS_OF_ONE: usize = 500;
/// Subscriptions to one extension; one more is answered 503.
pub const WATCHERS: usize = 2000;
/// Octets of a SUBSCRIBE, of which names are kept; a longer one is answered 513.
pub const SUBSCRIBE_OCTETS: usize = 4096;
/// A subscription that is asked for a shorter time is answered 423.
pub const SUBSCRIPTION_LEAST: Duration = Duration::from_secs(30);
/// The longest subscription. After a restart lamps are right again by then, for phones know nothing of it.
pub const SUBSCRIPTION_MOST: Duration = Duration::from_secs(600);
/// Retry-After of a 503 to a SUBSCRIBE, in seconds.
pub const RETRY_SUBSCRIBE_AFTER: u32 = 60;
/// Least time between two NOTIFY of a subscription (RFC 4235 §3.10); of changes in between the last one counts.
pub const NOTIFY_GAP: Duration = Duration::from_secs(1);
/// Calls of one extension that its watchers are told of.
pub const LINES_SHOWN: usize = 8;
/// Texts on their way between phones; one more is answered 503.
pub const TEXTS: usize = 10_000;
/// Those of one extension; one more is answered 503.
pub const TEXTS_OF_ONE: usize = 100;
/// Octets of the user part of a URI at another host; a call is not sent on to a longer one.
pub const AWAY_USER: usize = 128;
/// Octets of the whole of it.
pub const AWAY_URI: usize = 512;
/// How long a caller that was told to call somebody else may take to tell what came of it.
pub const SENT_AWAY: Duration = Duration::from_secs(30);
/// Slots of one parking lot; those beyond do not exist.
pub const SLOTS: usize = 1000;
/// Calls that are parked at one time, in all lots; one more is not.
pub const PARKED: usize = 1000;
/// Octets of one text (RFC 3428 §8); a longer one is answered 513.
pub const TEXT_OCTETS: usize = 1300;
/// Nonces remembered for one extension so that no nonce count is taken twice.
pub const NONCES_PER_EXTENSION: usize = 64;
/// Challenges that one request of ours answers: a stranger may call every nonce stale.
pub const CHALLENGES: usize = 4;
/// Octets of one Contact URI, Path or device name that the registrar keeps.
pub const BINDING_OCTETS: usize = 1024;
/// Timers popped by one wake; what is left keeps the deadline at now.
pub const TIMERS_PER_WAKE: usize = 256;
/// Octets of a request over which a datagram transport gives way to a stream (RFC 3261 §18.1.1: 1300, or 200 under
/// the path MTU).
pub const DATAGRAM_REQUEST_OCTETS: usize = 1300;
/// A new stream that has sent no valid start line by then is closed.
pub const STREAM_START: Duration = Duration::from_secs(10);
/// A stream with no binding, dialog or transaction is closed after this silence.
pub const STREAM_IDLE: Duration = Duration::from_secs(300);
/// A connection of ours that is not established by then is given up.
pub const STREAM_CONNECT: Duration = Duration::from_secs(10);
/// A request that is too long for a datagram goes as one all the same when its stream is not established by then.
pub const STREAM_PATIENCE: Duration = Duration::from_secs(2);
/// How long it is remembered that a peer takes no streams, so that long requests to it need not wait ...
pub const STREAMLESS: Duration = Duration::from_secs(600);
/// ... and for how many peers; the oldest is forgotten for a new one.
pub const STREAMLESS_PEERS: usize = 256;
/// How long an INVITE may go without any answer before it is covered by a 100 (RFC 3261 §17.2.1).
pub const TRYING: Duration = Duration::from_millis(200);
/// Least Timer D over datagrams (RFC 3261 §17.1.1.2).
pub const TIMER_D: Duration = Duration::from_secs(32);
/// Retry-After of a 503, in seconds.
pub const RETRY_AFTER: u32 = 10;
/// Retry-After of a 503 to a call that found no room, in seconds: calls end all the time.
pub const RETRY_CALL_AFTER: u32 = 5;
/// Strangers whose rates are remembered; the oldest is forgotten for a new one.
pub const SOURCES: usize = 16_384;
/// Known sources, of which a request was accepted or that answered one of ours; the oldest is forgotten for a new one.
pub const KNOWN_ADDRESSES: usize = 65_536;
/// Datagrams of one stranger that are read while input waits for [`SHED_STRANGERS`]: 50 at once, then 50 in a second.
pub const CROWD: Rate = Rate::new(50, Duration::from_millis(20));
/// New requests that a source of which none was accepted yet may send: 10,000 at once, then 2,000 in a second.
pub const STRANGERS: Rate = Rate::new(10_000, Duration::from_micros(500));
/// Malformed requests of one source that are answered: 50 at once, then 10 in a second.
pub const NOISE: Rate = Rate::new(50, Duration::from_millis(100));
/// Reports of malformed messages and of refusals: 10 at once, then 5 in a second.
pub const REPORTS: Rate = Rate::new(10, Duration::from_millis(200));
/// Wrong credentials for one extension from one source that is not known for it: 5 at once, then 3 in a minute. Over it
/// credentials are not looked at and answered 503.
pub const GUESSES_OF_PAIR: Rate = Rate::new(5, Duration::from_secs(20));
/// Wrong credentials from one source, for whomever it is not known: 20 at once, then one every two seconds.
pub const GUESSES_OF_SOURCE: Rate = Rate::new(20, Duration::from_secs(2));
/// Wrong credentials for one extension from all sources that are not known for it: 20 at once, then one in a second.
pub const GUESSES_OF_NAME: Rate = Rate::new(20, Duration::from_secs(1));
/// Wrong credentials for one extension from a source that once had the right ones, and as many again from the very port
/// that had them last: 20 at once, then one every two seconds. Strangers cannot use these up.
pub const GUESSES_OF_KNOWN: Rate = Rate::new(20, Duration::from_secs(2));
/// Retry-After, in seconds, of credentials that are not looked at: always the same, for they are answered without
/// memory, and long enough for the slowest of these rates.
pub const GUESS_RETRY_AFTER: u32 = 20;
/// Sources known for one extension; that which proved itself the longest ago is forgotten for a new one.
pub const KNOWN_SOURCES: usize = 16;
/// Sources, extensions and pairs of them (each as many) whose wrong credentials are remembered; the oldest is forgotten
/// for a new one.
pub const GUESSERS: usize = 16_384;
/// Reports of slowed guessing: 10 at once, then one in ten seconds.
pub const GUESS_REPORTS: Rate = Rate::new(10, Duration::from_secs(10));
/// New requests of strangers without credentials are refused when input waits so long: from the first, some, from the
/// second, all.
pub const SHED_STRANGERS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(25));
/// The same for new requests of strangers with credentials.
pub const SHED_CLAIMANTS: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(45));
/// The same for new requests from known sources without credentials.
pub const SHED_KNOWN: (Duration, Duration) = (Duration::from_millis(45), Duration::from_millis(80));
/// The same for new requests from known sources with credentials.
pub const SHED_PROVING: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(130));
/// How long it counts what the driver said about waiting.
pub const LOAD_LASTS: Duration = Duration::from_secs(1);
/// Retry-After, in seconds, of a request refused for lack of time: at least this ...
pub const RETRY_SHED_AFTER: u32 = 5;
/// ... and up to so many more, by chance, so that those refused together do not come back together.
pub const RETRY_SHED_SPREAD: u32 = 20;
/// Reports that requests are refused for lack of time: one in ten seconds.
pub const LOAD_REPORTS: Rate = Rate::new(1, Duration::from_secs(10));
/// A jump of the sequence number beyond this starts the source anew (RFC 3550 A.1).
pub const RTP_DROPOUT: u16 = 3000;
/// A packet this far behind the newest is refused; the window that refuses duplicates is one machine word.
pub const RTP_MISORDER: u16 = 64;
/// Packets in sequence that a stranger must show before its address is learnt: 80 ms of ordinary audio.
pub const LATCH_PROBATION: u8 = 4;
/// After this silence of the learnt source another address may be learnt without a re-offer.
pub const LATCH_RELEARN: Duration = Duration::from_secs(5);
/// Frames of generated audio made up for at a late tick; what is older is skipped.
pub const MEDIA_CATCH_UP: u64 = 3;
/// Milliseconds of audio in the longest packet that is generated.
pub const PTIME_MAX: u8 = 120;
/// How long a digit is that came without its length.
pub const DIGIT_USUAL: Duration = Duration::from_millis(160);
/// The longest digit that is passed on.
pub const DIGIT_LONGEST: Duration = Duration::from_secs(10);
/// Different lists of codecs that phones are remembered by.
pub const CODEC_LISTS: usize = 256;
/// Keys that wait to be pressed into one party's ear; more are not.
pub const PRESSES: usize = 64;
/// A key that is heard in sound is up when no more packets of it have come for so long.
pub const KEY_SILENCE: Duration = Duration::from_millis(200);
/// Keys that wait to be pressed into one leg; more are not pressed.
pub const KEYS_WAITING: usize = 64;
/// Rates of recordings, in samples per second.
pub const RECORDING_RATES: [u32; 3] = [8000, 16_000, 48_000];
/// Pieces of a recording, of 200 ms each, that may wait to be written; later ones are left out.
pub const PIECES_UNWRITTEN: u32 = 50;
/// Recordings of one room; more are not begun.
pub const RECORDINGS: usize = 8;
/// Conferences at one time; a call that would begin one more is answered 503.
pub const CONFERENCES: usize = 10_000;
/// Members of one conference; one more is answered 486.
pub const CONFERENCE_MEMBERS: usize = 1000;
/// Pieces of one list that is played; those beyond are left out.
pub const PIECES: usize = 500;
/// Classes of music that come from outside while they are heard; what comes of further ones is left out.
pub const BROADCASTS: usize = 16;
/// How far music that comes from outside may be ahead; what comes of it beyond is left out.
pub const BROADCAST_AHEAD: Duration = Duration::from_secs(2);
/// Members of a conference who are heard at a time.
pub const SPEAKERS: usize = 10;
/// Frames of 20 ms after which one who was heard in a conference, and is not any more, hears what all others hear.
pub const SHARES_AFTER: u16 = 50;
/// Mean time between RTCP reports of one leg (RFC 3550 §6.2).
pub const RTCP_INTERVAL: Duration = Duration::from_secs(5);
/// A round trip by RTCP above this is a broken clock, not a distance.
pub const RTCP_ROUND_TRIP: Duration = Duration::from_secs(60);
/// Tasks of a dialplan that one call performs without ever waiting; a dialplan that goes round so long ends the call.
pub const TASKS_AT_ONCE: u32 = 1000;
/// How deep extensions may stand within each other as targets of a Dial; deeper ones are left out.
pub const LOCAL_DEPTH: u32 = 8;
/// Extensions that are walked to find whom one Dial rings; further ones are left out.
pub const LOCAL_WALKS: usize = 64;
/// A key that may become a code of a talk waits so long for the next one; then it goes to the other party.
pub const FEATURE_KEYS: Duration = Duration::from_millis(500);
/// Two who talk are told no more often how long they may go on.
pub const WARNING_GAP: Duration = Duration::from_secs(1);
/// How long they may be told at most that they may not.
pub const LAST_WORDS: Duration = Duration::from_secs(20);
/// How long one who transfers by keys may think between two keys of the number.
pub const TRANSFER_DIGITS: Duration = Duration::from_secs(3);
/// Records that are kept of the calls of one caller within an hour that lead nowhere.
pub const REFUSALS_KEPT: u32 = 100;
/// Tasks of a dialplan that are foretold of one call.
pub const FORETOLD_TASKS: usize = 200;
/// Keys that are kept until the dialplan asks for them; later ones are not.
pub const KEYS_AHEAD: usize = 64;
/// How long a dialplan waits at most: for time to pass, a key, the end of a talk.
pub const WAIT: Duration = Duration::from_secs(24 * 3600);
/// How long a dialplan lets phones ring at most, or an unanswered caller listen to one sound.
pub const RING: Duration = Duration::from_secs(3600);
/// How long one who transfers is told at first that it hears of it: longer than anybody rings (RFC 3515 §3.4).
pub const REFERRAL: Duration = Duration::from_secs(3660);
/// Variables of the whole exchange; more cannot be set.
pub const GLOBALS: usize = 1000;
/// Lasting values of dialplans; more cannot be set.
pub const DB_VALUES: usize = 10_000;
/// Groups of one call; it enters no more.
pub const GROUPS_OF_CALL: usize = 16;
/// Facts of its channel that the dialplan of one call may set.
pub const FACTS: usize = 64;
/// Octets of a name that dialplans keep: of a variable, a key, a family, a group.
pub const NAME_OCTETS: usize = 128;
/// Octets of a value that dialplans keep.
pub const VALUE_OCTETS: usize = 4096;
/// Header fields of an INVITE that a dialplan may read, of this many octets together.
pub const HEADER_OCTETS: usize = 8192;
/// Calls that have ended and whose way through the dialplan can be asked for.
pub const TRAILS: usize = 256;
/// Octets of their texts together.
pub const TRAIL_OCTETS: usize = 1 << 20;
