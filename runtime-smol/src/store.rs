//! Registrations and calls on disk: one SQLite file, written in groups.

pub(crate) mod calls;

use std::fmt;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row, Transaction, params};
use smol_str::SmolStr;
use telex_engine::border::{Lsn, Record, StoredBinding, Transport};
use telex_engine::time::WallTime;

use crate::config::{NO_STORE, Records};

/// Steps from one form of the database to the next. `PRAGMA user_version` counts those taken; none is ever changed.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE bindings (
        aor TEXT NOT NULL,
        contact TEXT NOT NULL,
        transport TEXT NOT NULL,
        source TEXT NOT NULL,
        local TEXT NOT NULL,
        expires_ms INTEGER NOT NULL,
        call_id TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        q INTEGER NOT NULL,
        path TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        instance TEXT NOT NULL,
        PRIMARY KEY (aor, contact)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE log (one INTEGER PRIMARY KEY CHECK (one = 1), lsn INTEGER NOT NULL) STRICT;
    INSERT INTO log VALUES (1, 0);
",
    calls::SCHEMA,
    "
    CREATE TABLE dialplan (
        family TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (family, key)
    ) STRICT, WITHOUT ROWID;
",
    calls::WITH_DID,
    calls::WITH_EXTENSIONS,
];

/// Call records that are deleted in one transaction.
pub(crate) use calls::PRUNED_AT_ONCE;

/// An open database.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    /// Other processes may read, but none may write. Closed after the connection, whose own locks would go with it.
    _lock: Option<File>,
}

/// What was in the database when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// Registrations that have not run out.
    pub(crate) bindings: Vec<StoredBinding>,
    /// Lasting values of dialplans: family, key and value.
    pub(crate) values: Vec<(SmolStr, SmolStr, SmolStr)>,
    /// The last record that was stored.
    pub(crate) last: Lsn,
}

/// Why a database cannot be used.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// It is no database, or damaged.
    Damaged(String),
    /// It was written by a later version.
    Newer(usize),
    /// Another process holds it.
    Busy,
    /// Anything else the system said.
    Other(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(
                f,
                "it is no database or damaged ({what}); move it away and start again, or put a copy of it back: phones register anew by \
                 themselves, but call records and what was switched by code (forwarding, do not disturb) are in it"
            ),
            Self::Newer(version) => write!(
                f,
                "it has form {version}, this version of telex knows {}; start the newer telex, or name another file \
                 in [store] path",
                MIGRATIONS.len()
            ),
            Self::Busy => {
                f.write_str("another process is using it; is telex already running with this configuration?")
            }
            Self::Other(what) => write!(f, "{what}; check that [store] path can be written"),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(_) => Self::Other(error.to_string()),
            // Not from SQLite itself: a value that is not what the schema promises.
            None => Self::Damaged(error.to_string()),
        }
    }
}

impl Store {
    /// Opens or creates the database and reads what has not run out at `now`.
    pub(crate) fn open(path: &Path, now: WallTime) -> Result<(Self, Saved), StoreError> {
        let (connection, lock) = match path.to_str() {
            Some(NO_STORE) => (Connection::open_in_memory()?, None),
            _ => {
                let lock = lock(path)?;
                (Connection::open(path)?, Some(lock))
            }
        };
        connection.busy_timeout(Duration::from_millis(200))?;
        connection.pragma_update(None, "cache_size", -256)?;
        // A crash of telex loses nothing, one of the host the last moment.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let mut store = Self { connection, _lock: lock };
        store.migrate()?;
        let saved = store.read(now)?;
        Ok((store, saved))
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let version: u32 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let version = version as usize;
        let Some(missing) = MIGRATIONS.get(version..) else { return Err(StoreError::Newer(version)) };
        for (step, sql) in missing.iter().enumerate() {
            let transaction = self.connection.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", format!("{}", version + step + 1))?;
            transaction.commit()?;
        }
        Ok(())
    }

    fn read(&mut self, now: WallTime) -> Result<Saved, StoreError> {
        let transaction = self.connection.transaction()?;
        let now = i64::try_from(now.as_unix_millis()).unwrap_or(i64::MAX);
        transaction.execute("DELETE FROM bindings WHERE expires_ms <= ?1", [now])?;
        calls::mark_unfinished(&transaction)?;
        let last: i64 = transaction.query_row("SELECT lsn FROM log", [], |row| row.get(0))?;
        let columns = "aor, contact, transport, source, local, expires_ms, call_id, cseq, q, path, user_agent, instance";
        let sql = format!("SELECT {columns} FROM bindings");
        let bindings = transaction.prepare(&sql)?.query_map([], binding)?.collect::<Result<Vec<_>, _>>()?;
        let value = |row: &Row<'_>| {
            let text = |column| Ok::<SmolStr, rusqlite::Error>(row.get_ref(column)?.as_str()?.into());
            Ok((text(0)?, text(1)?, text(2)?))
        };
        let values = transaction
            .prepare("SELECT family, key, value FROM dialplan")?
            .query_map([], value)?
            .collect::<Result<Vec<_>, _>>()?;
        transaction.commit()?;
        Ok(Saved { bindings, values, last: Lsn(u64::try_from(last).unwrap_or(0)) })
    }

    /// Keeps where a call is recorded, in addition to what is known.
    pub(crate) fn recorded(&self, call: &str, path: &str) -> Result<(), StoreError> {
        Ok(calls::recorded(&self.connection, call, path)?)
    }

    /// Deletes call records that need not be kept, at most [`PRUNED_AT_ONCE`]; how many went.
    pub(crate) fn prune(&mut self, now: WallTime, keep: Records) -> Result<usize, StoreError> {
        let transaction = self.connection.transaction()?;
        let pruned = calls::prune(&transaction, now, keep)?;
        transaction.commit()?;
        Ok(pruned)
    }

    /// Writes records in one transaction: all or none.
    pub(crate) fn write(&mut self, records: &[(Lsn, Record)]) -> Result<(), StoreError> {
        let Some((last, _)) = records.last() else { return Ok(()) };
        let transaction = self.connection.transaction()?;
        for (_, record) in records {
            apply(&transaction, record)?;
        }
        transaction
            .prepare_cached("UPDATE log SET lsn = ?1")?
            .execute([i64::try_from(last.0).unwrap_or(i64::MAX)])?;
        transaction.commit()?;
        Ok(())
    }
}

/// Makes sure that no other exchange uses the file.
fn lock(path: &Path) -> Result<File, StoreError> {
    let other = |error: std::io::Error| StoreError::Other(error.to_string());
    // Who talked to whom is nobody's business but the exchange's. What SQLite puts beside it gets the same mode.
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let file = options.open(path).map_err(other)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
        Err(TryLockError::Error(error)) => Err(other(error)),
    }
}

fn apply(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<usize> {
    match record {
        Record::Bind(b) => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO bindings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                b.aor.as_str(),
                b.contact.as_str(),
                b.transport.as_str(),
                b.source.to_string(),
                b.local.to_string(),
                i64::try_from(b.expires.as_unix_millis()).unwrap_or(i64::MAX),
                b.call_id.as_str(),
                b.cseq,
                b.q,
                b.path.as_str(),
                b.user_agent.as_str(),
                b.instance.as_str(),
            ]),
        Record::Unbind { aor, contact } => transaction
            .prepare_cached("DELETE FROM bindings WHERE aor = ?1 AND contact = ?2")?
            .execute([aor.as_str(), contact.as_str()]),
        Record::Keep { family, key, value } => transaction
            .prepare_cached("INSERT OR REPLACE INTO dialplan VALUES (?1, ?2, ?3)")?
            .execute([family.as_str(), key.as_str(), value.as_str()]),
        Record::Forget { family, key } => transaction
            .prepare_cached("DELETE FROM dialplan WHERE family = ?1 AND key = ?2")?
            .execute([family.as_str(), key.as_str()]),
        Record::Call(record) => calls::write(transaction, record),
    }
}

fn binding(row: &Row<'_>) -> rusqlite::Result<StoredBinding> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?.into());
    let address = |column: usize| {
        let text = row.get_ref(column)?.as_str()?;
        text.parse::<SocketAddr>().map_err(|e| wrong(column, e.into()))
    };
    let transport = match row.get_ref(2)?.as_str()? {
        "UDP" => Transport::Udp,
        "TCP" => Transport::Tcp,
        other => return Err(wrong(2, format!("unknown transport {other}").into())),
    };
    Ok(StoredBinding {
        aor: text(0)?,
        contact: text(1)?,
        transport,
        source: address(3)?,
        local: address(4)?,
        expires: WallTime::from_unix_millis(u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0)),
        call_id: text(6)?,
        cseq: row.get(7)?,
        q: row.get(8)?,
        path: text(9)?,
        user_agent: text(10)?,
        instance: text(11)?,
    })
}

fn wrong(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(aor: &str, contact: &str, expires: u64) -> StoredBinding {
        StoredBinding {
            aor: aor.into(),
            contact: contact.into(),
            transport: Transport::Tcp,
            source: "192.0.2.10:4711".parse().unwrap(),
            local: "[2001:db8::1]:5060".parse().unwrap(),
            expires: WallTime::from_unix_millis(expires),
            call_id: "abc@phone".into(),
            cseq: u32::MAX,
            q: 500,
            path: "<sip:edge.example.com;lr>".into(),
            user_agent: "Phone \"1\"".into(),
            instance: "<urn:uuid:1>;1".into(),
        }
    }

    fn saved(path: &Path, now: u64) -> Saved {
        Store::open(path, WallTime::from_unix_millis(now)).unwrap().1
    }

    #[test]
    fn registrations_survive_and_run_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        let (mut store, empty) = Store::open(&path, WallTime::default()).unwrap();
        assert_eq!((empty.bindings.len(), empty.last), (0, Lsn(0)));
        let (first, second) = (bind("100", "sip:100@a", 5_000), bind("100", "sip:100@b", 9_000));
        let refreshed = StoredBinding { cseq: 7, ..first.clone() };
        store
            .write(&[
                (Lsn(1), Record::Bind(first)),
                (Lsn(2), Record::Bind(second.clone())),
                (Lsn(3), Record::Bind(bind("101", "sip:101@c", 9_000))),
                (Lsn(4), Record::Bind(refreshed.clone())),
            ])
            .unwrap();
        store.write(&[(Lsn(5), Record::Unbind { aor: "101".into(), contact: "sip:101@c".into() })]).unwrap();
        drop(store);
        let kept = saved(&path, 4_999);
        assert_eq!((kept.bindings, kept.last), (vec![refreshed, second.clone()], Lsn(5)));
        assert_eq!(saved(&path, 5_000).bindings, [second]);
    }

    #[test]
    fn what_is_no_database_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        std::fs::write(&path, "this is a letter, not a database, and it is long enough to look at").unwrap();
        let error = Store::open(&path, WallTime::default()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
        assert!(error.to_string().contains("move it away"), "{error}");
    }

    #[test]
    fn a_later_form_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        drop(saved(&path, 0));
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Store::open(&path, WallTime::default()), Err(StoreError::Newer(99))));
    }

    #[test]
    fn two_exchanges_cannot_share_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telex.db");
        let first = Store::open(&path, WallTime::default()).unwrap();
        let second = Store::open(&path, WallTime::default());
        assert!(matches!(second, Err(StoreError::Busy)), "{second:?}");
        drop(first);
    }

    #[test]
    fn a_memory_store_leaves_no_file() {
        let (mut store, _) = Store::open(Path::new(NO_STORE), WallTime::default()).unwrap();
        store.write(&[(Lsn(1), Record::Bind(bind("100", "sip:100@a", 1)))]).unwrap();
        assert!(!Path::new(NO_STORE).exists());
    }
}
