//! Users who may log in, each with one role and nothing else.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::support::postgres::TestDatabase;

/// The group roles, without their common beginning.
pub(crate) const ROLES: [&str; 5] = ["worker", "scheduler", "api", "operator", "reader"];

/// A database whose owner is the one who migrated it, and a login for each role.
pub(crate) struct Home {
    database: TestDatabase,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let home = Self {
            database: TestDatabase::create().await,
        };
        let mut owner = home.owner().await;
        for role in ROLES {
            // Users belong to the server, which other tests of this process may use, too.
            let user = format!(
                "DO $$ BEGIN CREATE ROLE {role}_login LOGIN IN ROLE polar_sync_{role};
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            );
            execute(&mut owner, &user).await.unwrap();
        }
        home
    }

    /// A connection of whoever migrated.
    pub(crate) async fn owner(&self) -> PgConnection {
        connect(self.database.url()).await
    }

    /// A connection of the user who has a role.
    pub(crate) async fn login(&self, role: &str) -> PgConnection {
        connect(&of_user(self.database.url(), &format!("{role}_login"))).await
    }
}

/// The URL of the same database for another user.
pub(crate) fn of_user(url: &str, user: &str) -> String {
    url.replacen("postgres://postgres@", &format!("postgres://{user}@"), 1)
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}

pub(crate) async fn execute(
    db: &mut PgConnection,
    statement: &str,
) -> Result<(), Box<sqlx::Error>> {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(db)
        .await;
    done.map(drop).map_err(Box::new)
}

/// The first column of every row.
pub(crate) async fn texts(db: &mut PgConnection, query: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned()))
        .fetch_all(db)
        .await;
    rows.expect(query).iter().map(|row| row.get(0)).collect()
}

/// The SQLSTATE of a statement that fails.
pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}
