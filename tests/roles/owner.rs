//! Who migrates: no superuser, and with no right to make roles once they are there.

use polar_sync::{
    ops::servers::DATABASE,
    store::{SchemaError, Store},
};

use super::{
    logins::{connect, execute, of_user},
    support::postgres::{migrate, start},
};

/// Takes the last migration back.
const BACK: &str = "DROP FUNCTION polar_sync.erase_stragglers;
    DELETE FROM polar_sync.schema_migration WHERE version = 6";

async fn migrated(url: &str) -> Result<i64, SchemaError> {
    let store = Store::connect(url, 1).await.unwrap();
    let result = store.migrate().await;
    store.close().await;
    result
}

#[tokio::test]
async fn the_owner_of_the_database_migrates_and_may_lose_the_right_to_make_roles() {
    let (postgres, _folder) = start().await;
    let url = postgres.url(DATABASE);
    let mut admin = connect(&url).await;
    let make =
        format!("CREATE ROLE owner LOGIN CREATEROLE; ALTER DATABASE {DATABASE} OWNER TO owner");
    execute(&mut admin, &make).await.unwrap();
    let owner = of_user(&url, "owner");
    migrate(&owner).await;

    execute(
        &mut admin,
        &format!("{BACK}; ALTER ROLE owner NOCREATEROLE"),
    )
    .await
    .unwrap();
    migrated(&owner).await.unwrap();

    let dropped =
        format!("{BACK}; DROP OWNED BY polar_sync_operator; DROP ROLE polar_sync_operator");
    execute(&mut admin, &dropped).await.unwrap();
    let error = migrated(&owner).await.unwrap_err();
    let said = polar_sync::telemetry::chain(&error);
    assert!(
        said.contains("the role polar_sync_operator is missing, and owner may not make roles"),
        "{said}"
    );
    execute(&mut admin, "CREATE ROLE polar_sync_operator NOLOGIN")
        .await
        .unwrap();
    migrated(&owner).await.unwrap();
}
