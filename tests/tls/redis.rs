//! Redis over TLS: `rediss://` and `redis.ca_file`.

use polar_sync::ops::servers::{DATABASE, Durability, Keeps, Postgres, Redis, TemporaryFolder};

use super::{Said, authority::Files, free_port, polar_sync};

/// Postgres with the schema, and a Redis that listens with TLS and without.
struct World {
    _postgres: Postgres,
    _redis: Redis,
    database_url: String,
    files: Files,
    tls_port: u16,
    plain_port: u16,
    folder: TemporaryFolder,
}

impl World {
    async fn start() -> Self {
        let folder = TemporaryFolder::create().await.unwrap();
        let postgres = Postgres::start(folder.path(), Durability::Fast)
            .await
            .unwrap();
        let database_url = postgres.url(DATABASE);
        let said = polar_sync("migrate", &[("DATABASE_URL", &database_url)]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let files = Files::make(folder.path());
        let (tls_port, plain_port) = (free_port(), free_port());
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let options = [
            ("--tls-port", tls_port.to_string()),
            ("--port", plain_port.to_string()),
            ("--tls-cert-file", path(&files.certificate)),
            ("--tls-key-file", path(&files.key)),
            ("--tls-ca-cert-file", path(&files.authority)),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        let options = options
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value]);
        let redis = Redis::start_with(folder.path(), Keeps::Nothing, options.collect()).await;
        Self {
            _postgres: postgres,
            _redis: redis.unwrap(),
            database_url,
            files,
            tls_port,
            plain_port,
            folder,
        }
    }

    /// A command that talks to Redis, with this URL and file of authorities.
    async fn command(&self, redis_url: &str, ca_file: Option<&str>) -> Said {
        let mut settings = vec![
            ("DATABASE_URL", self.database_url.as_str()),
            ("REDIS_URL", redis_url),
        ];
        settings.extend(ca_file.map(|path| ("POLAR_SYNC__REDIS__CA_FILE", path)));
        polar_sync("dead retry --all", &settings).await
    }
}

#[track_caller]
fn is_unreachable(said: &Said, why: &str) {
    assert_eq!(said.code, Some(13), "{said:?}");
    assert!(
        said.stderr.contains("Redis does not answer") && said.stderr.contains(why),
        "{said:?}"
    );
}

#[track_caller]
fn is_wrong(said: &Said, why: &str) {
    assert_eq!(said.code, Some(10), "{said:?}");
    assert!(
        said.stderr.contains("redis.ca_file") && said.stderr.contains(why),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_private_authority_is_trusted_and_no_other() {
    let world = World::start().await;
    let (ours, stranger) = (&world.files.authority, &world.files.stranger);
    let (ours, stranger) = (ours.to_str().unwrap(), stranger.to_str().unwrap());
    let url = format!("rediss://localhost:{}", world.tls_port);

    let said = world.command(&url, Some(ours)).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    is_unreachable(&world.command(&url, Some(stranger)).await, "certificate");
    // The authorities that everybody trusts did not sign it either.
    is_unreachable(&world.command(&url, None).await, "certificate");
    let other_name = format!("rediss://127.0.0.1:{}", world.tls_port);
    is_unreachable(&world.command(&other_name, Some(ours)).await, "certificate");
    // What the URL says of itself is no reason to trust it.
    let insecure = format!("{url}/#insecure");
    assert_ne!(world.command(&insecure, Some(stranger)).await.code, Some(0));
    let open = format!("rediss://localhost:{}", world.plain_port);
    is_unreachable(&world.command(&open, Some(ours)).await, "");
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let world = World::start().await;
    let url = format!("rediss://localhost:{}", world.tls_port);
    is_wrong(
        &world.command(&url, Some("/nowhere/ca.pem")).await,
        "/nowhere/ca.pem",
    );
    let empty = world.folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    is_wrong(
        &world.command(&url, empty.to_str()).await,
        "it holds no certificate",
    );
    let open = format!("redis://localhost:{}", world.plain_port);
    let ours = world.files.authority.to_str().unwrap();
    is_wrong(&world.command(&open, Some(ours)).await, "rediss://");
    let said = world.command(&open, None).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}
