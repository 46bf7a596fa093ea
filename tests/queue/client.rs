//! Whether a Redis may be used.

use std::time::Duration;

use polar_sync::queue::{ClientLimits, Redis, RedisFault};

use super::harness::Server;

fn impatient() -> ClientLimits {
    ClientLimits {
        response_timeout: Duration::from_secs(2),
        connection_timeout: Duration::from_secs(2),
        reconnect_attempts: 1,
        reconnect_pause_max: Duration::from_millis(10),
    }
}

#[tokio::test]
async fn a_plain_redis_is_fine() {
    let server = Server::start().await;
    let redis = server.redis().await;
    redis.check().await.unwrap();
    redis.ping().await.unwrap();
}

#[tokio::test]
async fn an_evicting_redis_is_unsuitable_not_unreachable() {
    let server = Server::start().await;
    let redis = server.redis().await;
    let () = server
        .command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])
        .await;
    let fault = redis.check().await.unwrap_err();
    assert!(matches!(&fault, RedisFault::Evicts { policy } if policy == "allkeys-lru"));
    assert!(!fault.is_unreachable());
}

#[tokio::test]
async fn a_redis_that_is_gone_is_unreachable() {
    let mut server = Server::start().await;
    let redis = Redis::connect(&server.url(), impatient()).await.unwrap();
    server.kill().await;
    assert!(redis.check().await.unwrap_err().is_unreachable());
    assert!(redis.ping().await.is_err());
    let fault = Redis::connect(&server.url(), impatient())
        .await
        .err()
        .unwrap();
    assert!(fault.is_unreachable());
}

#[tokio::test]
async fn tls_to_a_plain_port_is_an_error_and_no_panic() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let url = format!("rediss://:hunter2@127.0.0.1:{port}/");
    let fault = Redis::connect(&url, impatient()).await.err().unwrap();
    assert!(fault.is_unreachable());
    assert!(!format!("{fault} {fault:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_address_that_is_none_says_how_to_write_one() {
    let fault = Redis::connect("localhost", impatient())
        .await
        .err()
        .unwrap();
    assert!(matches!(fault, RedisFault::Address(_)));
    assert!(fault.to_string().contains("redis://HOST:PORT"));
}
