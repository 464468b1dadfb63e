//! Call records on disk: one row for each call, one for each party.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, Transaction, params, params_from_iter};
use serde::Serialize;
use telex_engine::cdr::{CallRecord, LegRecord};
use telex_engine::event::{EndCause, Rejection, Side};
use telex_engine::time::WallTime;

use super::StoreError;
use crate::config::Records;

/// Times are milliseconds since 1970 in UTC. A call without `ended_ms` is going on, unless it is `unfinished`: then
/// the exchange stopped dead during it.
pub(super) const SCHEMA: &str = "
    CREATE TABLE calls (
        id TEXT NOT NULL PRIMARY KEY,
        number INTEGER NOT NULL,
        caller TEXT NOT NULL,
        name TEXT NOT NULL,
        dialled TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        answered_ms INTEGER,
        ended_ms INTEGER,
        duration_ms INTEGER NOT NULL,
        talked_ms INTEGER NOT NULL,
        disposition TEXT NOT NULL,
        cause INTEGER,
        ended_by TEXT NOT NULL,
        unfinished INTEGER NOT NULL DEFAULT 0,
        recording TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX calls_started ON calls (started_ms);
    CREATE TABLE call_legs (
        call TEXT NOT NULL,
        leg INTEGER NOT NULL,
        contact TEXT NOT NULL,
        asked_ms INTEGER NOT NULL,
        answered_ms INTEGER,
        refused INTEGER,
        codec TEXT NOT NULL,
        received INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        late INTEGER NOT NULL,
        jitter_us INTEGER NOT NULL,
        remote_lost INTEGER NOT NULL,
        round_trip_us INTEGER NOT NULL,
        mos INTEGER NOT NULL,
        remote_mos INTEGER NOT NULL,
        PRIMARY KEY (call, leg)
    ) STRICT, WITHOUT ROWID;
";

/// The number that was dialled from outside; it came later than the rest.
pub(super) const WITH_DID: &str = "ALTER TABLE calls ADD COLUMN did TEXT NOT NULL DEFAULT '';";
/// The form of the database that first has it.
const DID_SINCE: u32 = 4;
/// Whose phone a party was, and when it was gone.
pub(super) const WITH_EXTENSIONS: &str = "
    ALTER TABLE call_legs ADD COLUMN extension TEXT NOT NULL DEFAULT '';
    ALTER TABLE call_legs ADD COLUMN ended_ms INTEGER;
";
const EXTENSIONS_SINCE: u32 = 5;

/// What became of calls that were going on when the exchange stopped dead.
pub(crate) const UNFINISHED: &str = "UNFINISHED";

/// Marks calls that were going on when the exchange stopped dead.
pub(super) fn mark_unfinished(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    transaction.execute("UPDATE calls SET unfinished = 1 WHERE ended_ms IS NULL", [])
}

/// Writes the record of a call over what was known of it.
pub(super) fn write(transaction: &Transaction<'_>, record: &CallRecord) -> rusqlite::Result<usize> {
    let id = record.unique();
    transaction
        .prepare_cached(
            "INSERT INTO calls (id, number, caller, name, dialled, started_ms, answered_ms, ended_ms, duration_ms, \
             talked_ms, disposition, cause, ended_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
             ON CONFLICT (id) DO UPDATE SET answered_ms = ?7, ended_ms = ?8, duration_ms = ?9, talked_ms = ?10, \
             disposition = ?11, cause = ?12, ended_by = ?13",
        )?
        .execute(params![
            id.as_str(),
            number(record.id),
            record.from.as_str(),
            record.name.as_str(),
            record.to.as_str(),
            millis(record.started),
            record.answered.map(millis),
            record.ended.map(millis),
            number(record.duration.as_millis()),
            number(record.talked.as_millis()),
            record.disposition().as_str(),
            record.cause.as_ref().map(EndCause::q850),
            ended_by(record),
        ])?;
    if !record.did.is_empty() {
        let sql = "UPDATE calls SET did = ?2 WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute([id.as_str(), record.did.as_str()])?;
    }
    if record.ended.is_some() {
        for (leg, party) in record.legs.iter().enumerate() {
            write_leg(transaction, &id, leg, party)?;
        }
    }
    Ok(1)
}

fn write_leg(
    transaction: &Transaction<'_>,
    call: &str,
    leg: usize,
    party: &LegRecord,
) -> rusqlite::Result<usize> {
    let stats = &party.stats;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO call_legs VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            call,
            number(leg as u64),
            party.contact.as_str(),
            millis(party.asked),
            party.answered.map(millis),
            party.refused,
            party.codec.as_str(),
            number(stats.received),
            number(stats.sent),
            number(stats.lost),
            number(stats.late),
            stats.jitter_us,
            stats.remote_lost,
            stats.round_trip_us,
            stats.mos,
            stats.remote_mos,
            party.extension.as_str(),
            party.ended.map(millis),
        ])
}

/// Call records that are deleted in one transaction.
pub(crate) const PRUNED_AT_ONCE: usize = 2000;

/// Deletes records that are too old, and the oldest beyond the most there may be; never those of calls that go on. At
/// most [`PRUNED_AT_ONCE`]; how many went.
pub(super) fn prune(transaction: &Transaction<'_>, now: WallTime, keep: Records) -> rusqlite::Result<usize> {
    let old = keep.keep.map_or(i64::MIN, |keep| millis(now).saturating_sub(number(keep.as_millis())));
    // The call that is the first too many, counted from the last.
    let many: Option<i64> = transaction
        .query_row(
            "SELECT started_ms FROM calls ORDER BY started_ms DESC LIMIT 1 OFFSET ?1",
            [number(keep.most)],
            |row| row.get(0),
        )
        .optional()?;
    let many = many.unwrap_or(i64::MIN);
    let sql = "SELECT id FROM calls WHERE (started_ms < ?1 OR started_ms <= ?2) \
               AND (ended_ms IS NOT NULL OR unfinished = 1) ORDER BY started_ms LIMIT ?3";
    let ids: Vec<String> = transaction
        .prepare_cached(sql)?
        .query_map(params![old, many, number(PRUNED_AT_ONCE)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        transaction.prepare_cached("DELETE FROM call_legs WHERE call = ?1")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM calls WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids.len())
}

/// Adds a file that a call is recorded in; they stand one to a line.
pub(super) fn recorded(connection: &Connection, call: &str, path: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE calls SET recording = CASE recording WHEN '' THEN ?2 ELSE recording || char(10) || ?2 END \
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([call, path]).map(drop)
}

fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn millis(at: WallTime) -> i64 {
    number(at.as_unix_millis())
}

/// Who ended it, or what. A caller is refused by a callee who said so, or by the exchange.
fn ended_by(record: &CallRecord) -> &'static str {
    let Some(cause) = &record.cause else { return "" };
    match cause {
        EndCause::HungUp(Side::Caller) | EndCause::Cancelled => "caller",
        EndCause::HungUp(Side::Callee) => "callee",
        EndCause::Refused(Rejection { status, cause }) => {
            let said = |leg: &LegRecord| match leg.refused {
                // What a callee finds wrong with us is told as its absence or our error.
                Some(refused) => refused == *status || matches!((status, cause), (480, 18) | (500, _)),
                None => false,
            };
            if record.legs.iter().skip(1).any(said) { "callee" } else { "exchange" }
        }
        EndCause::NoAnswer => "no answer",
        EndCause::Lost(_) => "lost",
        EndCause::Silent(_) => "silence",
        EndCause::Operator => "operator",
        EndCause::TimeUp => "time",
        EndCause::Joined { .. } => "joined",
        EndCause::Dialplan(_) => "dialplan",
        EndCause::Stopping => "exchange",
    }
}

/// Which calls are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Begun at this time or later, in milliseconds since 1970.
    pub(crate) since: Option<i64>,
    /// Begun before this time.
    pub(crate) before: Option<i64>,
    /// The caller, what was dialled, or the extension or the number in the contact of who was asked.
    pub(crate) number: Option<String>,
    /// At most so many: the last ones.
    pub(crate) most: Option<u32>,
}

/// A call as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Call {
    /// Its name among all calls of all runs.
    pub(crate) id: String,
    /// Its number in its run.
    pub(crate) number: i64,
    /// Who called.
    pub(crate) from: String,
    /// The name it showed.
    pub(crate) name: String,
    /// What was dialled.
    pub(crate) to: String,
    /// The number dialled from outside; empty when there is none.
    pub(crate) did: String,
    /// Milliseconds since 1970.
    pub(crate) started_ms: i64,
    /// The same; none when nobody answered.
    pub(crate) answered_ms: Option<i64>,
    /// The same; none while it goes on, or unfinished.
    pub(crate) ended_ms: Option<i64>,
    /// From beginning to end.
    pub(crate) duration_ms: i64,
    /// From the answer to the end.
    pub(crate) talked_ms: i64,
    /// What became of it.
    pub(crate) disposition: String,
    /// By Q.850.
    pub(crate) cause: Option<i64>,
    /// Who ended it, or what.
    pub(crate) ended_by: String,
    /// The files it was recorded in, a line each; empty without.
    #[serde(rename = "recordings", serialize_with = "lines")]
    pub(crate) recording: String,
    /// The caller, then everybody who was asked.
    pub(crate) legs: Vec<Leg>,
}

/// Lines as an array.
fn lines<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(text.lines())
}

/// A party as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Leg {
    /// The extension that it is a phone of; empty where it is none.
    pub(crate) extension: String,
    /// Its contact.
    pub(crate) contact: String,
    /// When it was asked, in milliseconds since 1970.
    pub(crate) asked_ms: i64,
    /// When it was connected.
    pub(crate) answered_ms: Option<i64>,
    /// When it was gone.
    pub(crate) ended_ms: Option<i64>,
    /// Its final response, when it refused.
    pub(crate) refused: Option<i64>,
    /// The codec in use.
    pub(crate) codec: String,
    /// Packets received of it.
    pub(crate) received: i64,
    /// Packets sent to it.
    pub(crate) sent: i64,
    /// Packets of it that did not arrive.
    pub(crate) lost: i64,
    /// Packets of it that came too late.
    pub(crate) late: i64,
    /// Jitter of its packets in microseconds.
    pub(crate) jitter_us: i64,
    /// Packets of ours that it missed.
    pub(crate) remote_lost: i64,
    /// Round-trip time in microseconds; 0 when unknown.
    pub(crate) round_trip_us: i64,
    /// How it was heard: mean opinion score in hundredths; 0 when unknown.
    pub(crate) mos: i64,
    /// How it heard.
    pub(crate) remote_mos: i64,
}

/// Reads calls, oldest first. The exchange may be running or not.
pub(crate) fn read(path: &Path, wanted: &Wanted) -> Result<Vec<Call>, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    // Only the exchange brings a database into its form, when it starts.
    let form: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let did = if form < DID_SINCE { "''" } else { "did" };
    let (extension, ended) = if form < EXTENSIONS_SINCE { ("''", "NULL") } else { ("extension", "ended_ms") };
    let numbered = format!(
        "(caller = ? OR dialled = ? OR {did} = ? OR id IN \
         (SELECT call FROM call_legs WHERE {extension} = ? OR substr(contact, 1, length(?)) = ?))"
    );
    let (mut conditions, mut values) = (vec!["1"], Vec::new());
    for (condition, value) in [("started_ms >= ?", wanted.since), ("started_ms < ?", wanted.before)] {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(Value::Integer(value));
        }
    }
    if let Some(number) = &wanted.number {
        conditions.push(&numbered);
        let contact = format!("sip:{number}@");
        values.extend(
            [number, number, number, number, &contact, &contact].map(|text| Value::Text(text.clone())),
        );
    }
    values.push(Value::Integer(wanted.most.map_or(-1, i64::from)));
    let sql = format!(
        "SELECT * FROM (SELECT id, number, caller, name, dialled, started_ms, answered_ms, ended_ms, duration_ms, \
         talked_ms, disposition, cause, ended_by, recording, unfinished, {did} FROM calls WHERE {} \
         ORDER BY started_ms DESC, number DESC LIMIT ?) ORDER BY started_ms, number",
        conditions.join(" AND ")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut calls =
        statement.query_map(params_from_iter(values), call)?.collect::<Result<Vec<_>, rusqlite::Error>>()?;
    let sql = format!(
        "SELECT contact, asked_ms, answered_ms, refused, codec, received, sent, lost, late, jitter_us, remote_lost, \
         round_trip_us, mos, remote_mos, {extension}, {ended} FROM call_legs WHERE call = ?1 ORDER BY leg"
    );
    let mut legs = connection.prepare(&sql)?;
    for call in &mut calls {
        call.legs = legs.query_map([&call.id], leg)?.collect::<Result<_, _>>()?;
    }
    Ok(calls)
}

fn call(row: &Row<'_>) -> rusqlite::Result<Call> {
    let unfinished: bool = row.get(14)?;
    Ok(Call {
        id: row.get(0)?,
        number: row.get(1)?,
        from: row.get(2)?,
        name: row.get(3)?,
        to: row.get(4)?,
        did: row.get(15)?,
        started_ms: row.get(5)?,
        answered_ms: row.get(6)?,
        ended_ms: row.get(7)?,
        duration_ms: row.get(8)?,
        talked_ms: row.get(9)?,
        disposition: if unfinished { UNFINISHED.to_owned() } else { row.get(10)? },
        cause: row.get(11)?,
        ended_by: row.get(12)?,
        recording: row.get(13)?,
        legs: Vec::new(),
    })
}

fn leg(row: &Row<'_>) -> rusqlite::Result<Leg> {
    Ok(Leg {
        contact: row.get(0)?,
        asked_ms: row.get(1)?,
        answered_ms: row.get(2)?,
        refused: row.get(3)?,
        codec: row.get(4)?,
        received: row.get(5)?,
        sent: row.get(6)?,
        lost: row.get(7)?,
        late: row.get(8)?,
        jitter_us: row.get(9)?,
        remote_lost: row.get(10)?,
        round_trip_us: row.get(11)?,
        mos: row.get(12)?,
        remote_mos: row.get(13)?,
        extension: row.get(14)?,
        ended_ms: row.get(15)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smol_str::SmolStr;
    use telex_engine::border::{Lsn, Record};
    use telex_engine::mediactl::LegStats;

    use super::super::Store;
    use super::*;

    fn record(id: u64, to: &str) -> CallRecord {
        let leg = |contact: &str| LegRecord {
            extension: contact
                .strip_prefix("sip:")
                .and_then(|rest| rest.split('@').next())
                .unwrap_or("100")
                .into(),
            contact: contact.into(),
            codec: "PCMU".into(),
            stats: LegStats { received: 100, lost: 3, mos: 438, ..LegStats::default() },
            ..LegRecord::default()
        };
        CallRecord {
            id,
            from: "100".into(),
            name: "Robert'); DROP TABLE calls;--".into(),
            to: to.into(),
            did: if to == "101" { "0301101".into() } else { SmolStr::default() },
            started: WallTime::from_unix_millis(1_000_000 + id * 1000),
            answered: None,
            ended: None,
            duration: Duration::ZERO,
            talked: Duration::ZERO,
            cause: None,
            legs: vec![leg("192.0.2.1:5060"), leg(&format!("sip:{to}@192.0.2.2"))],
        }
    }

    fn over(record: CallRecord) -> CallRecord {
        CallRecord {
            answered: Some(record.started + Duration::from_secs(5)),
            ended: Some(record.started + Duration::from_secs(65)),
            duration: Duration::from_secs(65),
            talked: Duration::from_secs(60),
            cause: Some(EndCause::HungUp(Side::Callee)),
            ..record
        }
    }

    fn keep(store: &mut Store, records: Vec<CallRecord>) {
        let records = records.into_iter().map(|record| (Lsn(1), Record::Call(Box::new(record))));
        store.write(&records.collect::<Vec<_>>()).unwrap();
    }

    #[test]
    fn a_crash_loses_no_finished_call_and_marks_the_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        let now = WallTime::default();
        let (mut store, _) = Store::open(&path, now).unwrap();
        keep(&mut store, vec![record(1, "101"), record(2, "102")]);
        keep(&mut store, vec![over(record(1, "101"))]);
        let outcomes = |path: &Path| -> Vec<(i64, String, i64)> {
            let calls = read(path, &Wanted::default()).unwrap();
            calls.into_iter().map(|call| (call.number, call.disposition, call.talked_ms)).collect()
        };
        // Somebody looks while the exchange runs.
        assert_eq!(outcomes(&path), [(1, "ANSWERED".into(), 60_000), (2, "OPEN".into(), 0)]);
        drop(store);
        let (mut store, _) = Store::open(&path, now).unwrap();
        keep(&mut store, vec![record(3, "103")]);
        let expected = [(1, "ANSWERED".into(), 60_000), (2, UNFINISHED.into(), 0), (3, "OPEN".into(), 0)];
        assert_eq!(outcomes(&path), expected);
    }

    #[test]
    fn calls_are_found_by_time_number_and_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        let (mut store, _) = Store::open(&path, WallTime::default()).unwrap();
        keep(&mut store, (1..=4).map(|id| over(record(id, &format!("10{id}")))).collect());
        let found = |wanted: Wanted| -> Vec<i64> {
            read(&path, &wanted).unwrap().into_iter().map(|call| call.number).collect()
        };
        assert_eq!(found(Wanted { since: Some(1_003_000), ..Wanted::default() }), [3, 4]);
        assert_eq!(found(Wanted { before: Some(1_003_000), ..Wanted::default() }), [1, 2]);
        assert_eq!(found(Wanted { most: Some(2), ..Wanted::default() }), [3, 4], "the last, oldest first");
        assert_eq!(found(Wanted { number: Some("103".into()), ..Wanted::default() }), [3]);
        assert_eq!(found(Wanted { number: Some("100".into()), ..Wanted::default() }).len(), 4);
        assert_eq!(found(Wanted { number: Some("10".into()), ..Wanted::default() }), [] as [i64; 0]);
        let all = read(&path, &Wanted::default()).unwrap();
        assert_eq!(all[0].name, "Robert'); DROP TABLE calls;--");
        assert_eq!((all[0].legs.len(), all[0].legs[1].lost, all[0].legs[1].mos), (2, 3, 438));
        assert_eq!((all[0].did.as_str(), all[1].did.as_str()), ("0301101", ""));
        assert_eq!(found(Wanted { number: Some("0301101".into()), ..Wanted::default() }), [1]);
        assert_eq!(SmolStr::new(&all[0].id), record(1, "101").unique());
    }

    #[test]
    fn records_that_are_too_old_or_too_many_go_and_calls_that_go_on_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        let (mut store, _) = Store::open(&path, WallTime::default()).unwrap();
        keep(&mut store, (1..=6).map(|id| over(record(id, "101"))).collect());
        keep(&mut store, vec![record(7, "101")]);
        let left = || -> Vec<i64> {
            read(&path, &Wanted::default()).unwrap().iter().map(|call| call.number).collect()
        };
        let now = WallTime::from_unix_millis(1_010_000);
        assert_eq!(store.prune(now, Records::default()).unwrap(), 0);
        let old = Records { keep: Some(Duration::from_millis(7500)), ..Records::default() };
        assert_eq!(store.prune(now, old).unwrap(), 2);
        assert_eq!(left(), [3, 4, 5, 6, 7]);
        assert_eq!(store.prune(now, Records { keep: None, most: 3 }).unwrap(), 2);
        assert_eq!(left(), [5, 6, 7]);
        let nothing = Records { keep: Some(Duration::ZERO), most: 0 };
        store.prune(now, nothing).unwrap();
        assert_eq!(left(), [7], "it goes on");
        let legs: i64 = Connection::open(&path)
            .unwrap()
            .query_row("SELECT count(*) FROM call_legs", [], |row| row.get(0))
            .unwrap();
        assert_eq!(legs, 0, "parties go with their calls");
    }

    #[test]
    fn nobody_else_on_the_host_reads_who_called_whom() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        let (mut store, _) = Store::open(&path, WallTime::default()).unwrap();
        keep(&mut store, vec![record(1, "101")]);
        for name in ["telex.db", "telex.db-wal", "telex.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn who_refused_a_call_is_told() {
        let refused_so = |by: Option<u16>, status, cause| {
            let mut call = over(record(1, "101"));
            (call.answered, call.cause) = (None, Some(EndCause::Refused(Rejection { status, cause })));
            call.legs[1].refused = by;
            ended_by(&call)
        };
        let refused = |by, status| refused_so(by, status, 18);
        assert_eq!(refused(Some(486), 486), "callee");
        assert_eq!(refused_so(Some(486), 480, 20), "exchange", "the dialplan has rung nobody after that");
        assert_eq!(refused(Some(503), 500), "callee");
        assert_eq!(refused(None, 404), "exchange");
        assert_eq!(refused(None, 480), "exchange");
        assert_eq!(refused(Some(486), 403), "exchange", "the dialplan said something else");
    }

    /// Set for the copy of the tests that is killed: the database it writes to.
    const KILLED: &str = "TELEX_TEST_KILLED_STORE";

    /// Runs only in a process that is to be killed: keeps calls, and says of each when it is safe.
    #[test]
    fn one_who_is_killed_keeps_calls() {
        use std::io::Write as _;
        let Some(path) = std::env::var_os(KILLED) else { return };
        let (mut store, _) = Store::open(Path::new(&path), WallTime::default()).unwrap();
        for id in 1.. {
            keep(&mut store, vec![record(id, "101"), record(id + 1_000_000, "102")]);
            keep(&mut store, vec![over(record(id, "101"))]);
            let mut out = std::io::stdout().lock();
            writeln!(out, "safe {id}").unwrap();
            out.flush().unwrap();
        }
    }

    #[test]
    fn who_is_killed_at_any_moment_loses_no_finished_call_and_the_others_are_marked() {
        use std::io::{BufRead as _, BufReader};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        // After another number of calls each time, and wherever it is then.
        for after in [1, 2, 3, 5, 8, 13, 21, 40] {
            let _ = std::fs::remove_file(&path);
            let mut child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "store::calls::tests::one_who_is_killed_keeps_calls", "--nocapture"])
                .env(KILLED, &path)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let number = |line: &str| line.split("safe ").nth(1)?.trim().parse::<i64>().ok();
            let mut safe = lines.by_ref().filter_map(|line| number(&line)).take(after).last().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            // What it still said was safe before it died.
            safe = lines.filter_map(|line| number(&line)).last().unwrap_or(safe);
            drop(Store::open(&path, WallTime::default()).unwrap());
            let calls = read(&path, &Wanted::default()).unwrap();
            let of = |number: i64| calls.iter().find(|call| call.number == number).unwrap();
            for number in 1..=safe {
                assert_eq!((of(number).disposition.as_str(), of(number).talked_ms), ("ANSWERED", 60_000));
                assert_eq!(of(number).legs.len(), 2);
            }
            let open = calls.iter().filter(|call| call.ended_ms.is_none());
            assert!(
                open.clone().count() >= safe as usize && open.clone().all(|c| c.disposition == UNFINISHED)
            );
        }
    }
}
