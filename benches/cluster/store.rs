//! Reads the store's file, as a portal would. Used by the measurements (`rows`).

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{runtime::Handle, task::spawn_blocking};

/// Pause between two polls: short compared with a round trip, and long enough to leave the cores to the controller.
const PAUSE: Duration = Duration::from_micros(300);

/// State of a store that shows whether anybody wrote to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    version: i64,
    /// Records of the audit.
    pub audited: i64,
}

impl Writes {
    /// Number of writes between two states: records of the audit, or at least one.
    pub fn since(self, earlier: Self) -> i64 {
        (self.audited - earlier.audited).max(i64::from(self.version != earlier.version))
    }
}

/// Read-only connection to the store.
pub struct StoreReader(SqliteConnection);

impl StoreReader {
    pub async fn open(folder: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(folder.join("bench.db")).read_only(true);
        Ok(Self(options.disable_statement_logging().connect().await?))
    }

    pub async fn writes(&mut self) -> Result<Writes> {
        let version = sqlx::query_scalar("SELECT data_version FROM pragma_data_version").fetch_one(&mut self.0).await?;
        let audited = sqlx::query_scalar("SELECT seq FROM audit_head").fetch_one(&mut self.0).await?;
        Ok(Writes { version, audited })
    }

    /// Polls until the audit has more than `more_than` records.
    pub async fn until_audited(&mut self, more_than: i64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(300);
        while self.writes().await?.audited <= more_than {
            ensure!(Instant::now() < deadline, "the store was never written");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Polls until the member has the role; returns the reader and the instant.
    pub async fn until_role(self, account: String, email: String, role: &'static str) -> Result<(Self, Instant)> {
        const SQL: &str = "SELECT role FROM members JOIN account_ids ON id = account_id WHERE key = ?1 AND email = ?2";
        self.until(SQL, account, email, role).await
    }

    /// Waits until the member's access is explicitly revoked; returns the reader and the instant.
    pub async fn until_ended(self, account: String, email: String) -> Result<(Self, Instant)> {
        const SQL: &str = "SELECT iif(ended IS NULL, 'held', 'ended') FROM members \
                           JOIN account_ids ON id = account_id WHERE key = ?1 AND email = ?2";
        self.until(SQL, account, email, "ended").await
    }

    /// Polls until a query about a member gives this value. Runs in its own thread, so that other work of the benchmark
    /// does not delay it.
    async fn until(
        mut self,
        sql: &'static str,
        account: String,
        email: String,
        wanted: &'static str,
    ) -> Result<(Self, Instant)> {
        let handle = Handle::current();
        spawn_blocking(move || {
            let deadline = Instant::now() + Duration::from_secs(300);
            loop {
                let query = sqlx::query_scalar::<_, Option<String>>(sql).bind(&account).bind(&email);
                let found = handle.block_on(query.fetch_optional(&mut self.0))?.flatten();
                let now = Instant::now();
                if found.as_deref() == Some(wanted) {
                    return Ok((self, now));
                }
                ensure!(now < deadline, "the store never had {email} as {wanted}");
                std::thread::sleep(PAUSE);
            }
        })
        .await?
    }
}
