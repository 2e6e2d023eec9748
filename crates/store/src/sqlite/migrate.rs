//! Numbered steps from every earlier schema to this one. Forward only: a file of a newer program is refused, and a
//! copy is made before an existing file is touched.

use std::path::Path;

use rusqlite::Connection;

use super::fault::{Outcome, Trouble};
use crate::Error;

/// Step `n` (from 0) leads from version `n` to `n + 1`. Never edited once released.
pub(super) const STEPS: &[&str] = &[
    include_str!("migrations/001.sql"),
    include_str!("migrations/002.sql"),
    include_str!("migrations/003.sql"),
    include_str!("migrations/004.sql"),
    include_str!("migrations/005.sql"),
];

/// In the file's header, so that a database of another program is not taken for ours: `TCSN`.
pub(super) const APPLICATION_ID: i32 = 0x5443_534e;

/// Version in the file; 0 for an empty one.
pub(super) fn version(conn: &Connection) -> Outcome<u32> {
    let version: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Error::Damaged("it is a database of another program".into()).into());
    }
    Ok(version)
}

/// Brings the file to the newest version. `file` is copied to `file.v<N>` first when it holds something older.
pub(super) fn migrate(conn: &mut Connection, file: &Path, steps: &[&str]) -> Outcome<()> {
    let found = version(conn)?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(Error::Newer { found, known }.into());
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        copy_aside(conn, file, found)?;
    }
    for (number, step) in (found + 1..).zip(&steps[found as usize..]) {
        // One transaction per step, its version included: a kill leaves a whole version behind.
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    Ok(())
}

fn copy_aside(conn: &Connection, file: &Path, version: u32) -> Outcome<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".v{version}"));
    let copy = Path::new(&name);
    // A copy left by an interrupted migration is of the same version: make it again from the file itself.
    if copy.exists() {
        std::fs::remove_file(copy)
            .map_err(|error| Error::Unavailable(format!("{}: {error}", copy.display())))?;
    }
    super::copy::vacuum_into(conn, copy).map_err(|fault| match fault {
        super::fault::Fault::Broken(error) => Trouble::of(&error).error().into(),
        refused @ super::fault::Fault::Refused(_) => refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> (std::path::PathBuf, Connection) {
        let file = dir.join("t.db");
        let conn = Connection::open(&file).unwrap();
        (file, conn)
    }

    #[test]
    fn every_earlier_version_migrates_and_is_copied_first() {
        let later = "CREATE TABLE later (x INTEGER); INSERT INTO later VALUES (7);";
        let mut steps = STEPS.to_vec();
        steps.push(later);
        for from in 1..steps.len() {
            let dir = tempfile::tempdir().unwrap();
            let (file, mut conn) = open(dir.path());
            migrate(&mut conn, &file, &steps[..from]).unwrap();
            conn.execute(
                "INSERT INTO user (name, display_name, admin, created_at) VALUES ('ann', 'Ann', 1, 5)",
                [],
            )
            .unwrap();
            migrate(&mut conn, &file, &steps).unwrap();
            assert_eq!(version(&conn).unwrap() as usize, steps.len());
            assert_eq!(conn.query_row("SELECT x FROM later", [], |r| r.get::<_, i64>(0)).unwrap(), 7);
            let copy = Connection::open(dir.path().join(format!("t.db.v{from}"))).unwrap();
            assert_eq!(version(&copy).unwrap() as usize, from);
            assert_eq!(
                copy.query_row("SELECT name FROM user", [], |r| r.get::<_, String>(0)).unwrap(),
                "ann"
            );
        }
    }

    #[test]
    fn a_failing_step_leaves_the_version_before() {
        let dir = tempfile::tempdir().unwrap();
        let (file, mut conn) = open(dir.path());
        migrate(&mut conn, &file, STEPS).unwrap();
        let mut steps = STEPS.to_vec();
        steps.push("CREATE TABLE half (x); NOT SQL;");
        assert!(migrate(&mut conn, &file, &steps).is_err());
        assert_eq!(version(&conn).unwrap() as usize, STEPS.len());
        assert!(conn.prepare("SELECT * FROM half").is_err());
    }

    #[test]
    fn a_newer_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (file, mut conn) = open(dir.path());
        migrate(&mut conn, &file, STEPS).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        let error: Error = migrate(&mut conn, &file, STEPS).unwrap_err().into();
        assert!(
            matches!(error, Error::Newer { found: 99, known } if known as usize == STEPS.len()),
            "{error}"
        );
    }
}
