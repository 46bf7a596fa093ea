//! The schema: bringing it up to date, and checking that it fits this version.

use std::sync::LazyLock;

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::{Store, StoreError};

/// Which migrations are applied. Named with its schema: an unqualified name would be looked for in a
/// schema of the user's name first, and a user `polar_sync` has one after the first migration.
const TABLE: &str = "polar_sync.schema_migration";

/// The migrations of this version.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.create_schema("polar_sync");
    migrations.dangerous_set_table_name(TABLE);
    migrations
});

/// The schema does not fit.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is older than this version.
    #[error(
        "the schema is at version {found}, and this version needs {needed}; run `polar-sync migrate`"
    )]
    TooOld {
        /// The newest migration that is applied; 0 for none.
        found: i64,
        /// The newest migration of this version.
        needed: i64,
    },
    /// It is newer than this version.
    #[error(
        "the schema is at version {found}, newer than this version's {needed}; run a newer polar-sync"
    )]
    TooNew {
        /// The newest migration that is applied.
        found: i64,
        /// The newest migration of this version.
        needed: i64,
    },
    /// A migration could not be applied.
    #[error("a migration could not be applied")]
    Failed(#[source] MigrateError),
    /// The server may lose what it committed.
    #[error(
        "Postgres runs with fsync off, so it may lose what Polar has deleted; switch fsync on, or set \
         database.allow_unsafe for a test"
    )]
    FsyncOff,
    /// Postgres failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Brings the schema up to date; the version it is at then. Several processes may do so at once.
    pub async fn migrate(&self) -> Result<i64, SchemaError> {
        let (found, needed) = (self.schema_version().await?, needed());
        if found > needed {
            return Err(SchemaError::TooNew { found, needed });
        }
        let connection = self.pool().acquire().await;
        let mut connection = connection.map_err(StoreError::while_doing("migrate"))?;
        // A migration takes the time that it takes.
        sqlx::raw_sql("SET statement_timeout = 0")
            .execute(&mut *connection)
            .await
            .map_err(StoreError::while_doing("lift the limit of statements"))?;
        let migrated = MIGRATIONS.run(&mut *connection).await;
        // Not to be used again without the limit.
        connection.detach();
        migrated.map_err(SchemaError::Failed)?;
        Ok(needed)
    }

    /// Checks that the schema is the one of this version.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let (found, needed) = (self.schema_version().await?, needed());
        match found.cmp(&needed) {
            std::cmp::Ordering::Less => Err(SchemaError::TooOld { found, needed }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(SchemaError::TooNew { found, needed }),
        }
    }

    /// Checks that the server keeps what it commits.
    pub async fn check_durability(&self) -> Result<(), SchemaError> {
        let fsync = sqlx::query_scalar!(r#"SELECT current_setting('fsync') AS "fsync!""#)
            .fetch_one(self.pool())
            .await
            .map_err(StoreError::while_doing("read the setting fsync"))?;
        if fsync == "on" {
            Ok(())
        } else {
            Err(SchemaError::FsyncOff)
        }
    }

    async fn schema_version(&self) -> Result<i64, SchemaError> {
        let reading = "read the schema's version";
        let exists = sqlx::query_scalar!(
            r#"SELECT to_regclass($1::text) IS NOT NULL AS "exists!""#,
            TABLE
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing(reading))?;
        if !exists {
            return Ok(0);
        }
        let connection = self.pool().acquire().await;
        let applied = connection
            .map_err(StoreError::while_doing(reading))?
            .list_applied_migrations(TABLE)
            .await
            .map_err(SchemaError::Failed)?;
        Ok(applied
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or_default())
    }
}

fn needed() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}
