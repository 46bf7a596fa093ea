//! The read contract: which columns there are, and who may read what.

use sqlx::{AssertSqlSafe, error::DatabaseError};

use crate::fixtures::{Home, connect, run, texts, workout_with_parts};

/// SQLSTATE of a missing privilege.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

#[tokio::test]
async fn the_columns_are_those_of_the_contract() {
    let home = Home::new().await;
    let columns = home
        .texts(
            "SELECT table_name || '.' || column_name || ' ' || data_type
            FROM information_schema.columns WHERE table_schema = 'api_v1'
            ORDER BY table_name, ordinal_position",
        )
        .await;
    insta::assert_snapshot!("api_v1", columns.join("\n"));
}

#[tokio::test]
async fn every_column_is_explained() {
    let home = Home::new().await;
    let unexplained = home
        .texts(
            "SELECT c.relname || '.' || a.attname FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace = 'api_v1'::regnamespace AND col_description(c.oid, a.attnum) IS NULL",
        )
        .await;
    assert_eq!(unexplained, [""; 0]);
}

#[tokio::test]
async fn a_reader_reads_the_views_and_nothing_else() {
    let home = Home::new().await;
    home.workout(&workout_with_parts()).await;
    let mut reader = home.sql().await;
    let relations = |schema: &str| {
        format!(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'v')
            AND relnamespace = '{schema}'::regnamespace ORDER BY 1"
        )
    };
    let views = texts(&mut reader, &relations("api_v1")).await;
    let tables = texts(&mut reader, &relations("polar_sync")).await;
    assert!(views.len() >= 13 && tables.len() >= 20);
    run(&mut reader, "SET ROLE polar_sync_reader").await;

    for view in views {
        texts(&mut reader, &format!("SELECT v::text FROM api_v1.{view} v")).await;
    }
    let samples = "SELECT value::text FROM api_v1.timeseries_between('user_001', NULL, NULL, NULL)";
    assert_eq!(texts(&mut reader, samples).await.len(), 11);

    let mut forbidden: Vec<_> = tables
        .iter()
        .map(|table| format!("SELECT FROM polar_sync.{table}"))
        .collect();
    forbidden.push("SELECT polar_sync.now()".to_owned());
    forbidden.push("DELETE FROM api_v1.changes".to_owned());
    forbidden.push("CREATE TABLE api_v1.own (a int)".to_owned());
    for statement in forbidden {
        let refused = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut reader)
            .await
            .expect_err(&statement);
        let code = refused.as_database_error().and_then(DatabaseError::code);
        assert_eq!(code.as_deref(), Some(INSUFFICIENT_PRIVILEGE), "{statement}");
    }
}

#[tokio::test]
async fn a_connection_shows_what_is_due_first_and_disappears_when_it_is_over() {
    let home = Home::new().await;
    connect(&home.db, "user_002", 2).await;
    connect(&home.db, "user_003", 3).await;
    let connection = home.connection;
    run(
        &mut home.sql().await,
        &format!(
            "INSERT INTO polar_sync.kind_state (connection_id, kind, next_due_at) VALUES
                ('{connection}', 'exercise', '2026-03-01 07:00Z'), ('{connection}', 'sleep', NULL),
                ('{connection}', 'activity', '2026-03-01 06:00Z');
            UPDATE polar_sync.connection SET state = 'erased' WHERE user_id = 'user_002';
            UPDATE polar_sync.connection SET ended_at = now() WHERE user_id = 'user_003';"
        ),
    )
    .await;
    let connections = home
        .texts(
            "SELECT concat_ws(' ', user_id, state, to_char(next_due_at AT TIME ZONE 'UTC', 'HH24:MI')) \
            FROM api_v1.connections",
        )
        .await;
    assert_eq!(connections, ["user_001 active 06:00"]);
}
