//! Call records on disk: one row for each call, one for each party.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, Transaction, params, params_from_iter};
use serde::Serialize;
use telex_engine::cdr::{CallRecord, LegRecord};
use telex_engine::event::{EndCause, Side};
use telex_engine::time::WallTime;

use super::StoreError;

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

/// What became of calls that were going on when the exchange stopped dead.
const UNFINISHED: &str = "UNFINISHED";

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
            record.cause.as_ref().map_or("", ended_by),
        ])?;
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
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
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
        ])
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

fn ended_by(cause: &EndCause) -> &'static str {
    match cause {
        EndCause::HungUp(Side::Caller) | EndCause::Cancelled => "caller",
        EndCause::HungUp(Side::Callee) | EndCause::Refused(_) => "callee",
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
    /// The caller, what was dialled, or a contact that was asked begins with this, after `sip:` where it has one.
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
    /// The file it was recorded in; empty without.
    pub(crate) recording: String,
    /// The caller, then everybody who was asked.
    pub(crate) legs: Vec<Leg>,
}

/// A party as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Leg {
    /// Its contact.
    pub(crate) contact: String,
    /// When it was asked, in milliseconds since 1970.
    pub(crate) asked_ms: i64,
    /// When it was connected.
    pub(crate) answered_ms: Option<i64>,
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
    let (mut conditions, mut values) = (vec!["1"], Vec::new());
    for (condition, value) in [("started_ms >= ?", wanted.since), ("started_ms < ?", wanted.before)] {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(Value::Integer(value));
        }
    }
    if let Some(number) = &wanted.number {
        conditions.push(
            "(caller = ? OR dialled = ? OR id IN \
             (SELECT call FROM call_legs WHERE substr(contact, 1, length(?)) = ?))",
        );
        let contact = format!("sip:{number}@");
        values.extend([number, number, &contact, &contact].map(|text| Value::Text(text.clone())));
    }
    values.push(Value::Integer(wanted.most.map_or(-1, i64::from)));
    let sql = format!(
        "SELECT * FROM (SELECT id, number, caller, name, dialled, started_ms, answered_ms, ended_ms, duration_ms, \
         talked_ms, disposition, cause, ended_by, recording, unfinished FROM calls WHERE {} \
         ORDER BY started_ms DESC, number DESC LIMIT ?) ORDER BY started_ms, number",
        conditions.join(" AND ")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut calls =
        statement.query_map(params_from_iter(values), call)?.collect::<Result<Vec<_>, rusqlite::Error>>()?;
    let mut legs = connection.prepare(
        "SELECT contact, asked_ms, answered_ms, refused, codec, received, sent, lost, late, jitter_us, remote_lost, \
         round_trip_us, mos, remote_mos FROM call_legs WHERE call = ?1 ORDER BY leg",
    )?;
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
        assert_eq!(SmolStr::new(&all[0].id), record(1, "101").unique());
    }
}
