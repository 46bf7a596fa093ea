//! The keys of a hundred thousand users changed by `keys rotate`, as an operator runs it.

use std::time::Instant;

use futures::{StreamExt as _, stream};
use polar_sync::{
    accesslink::oauth::TokenSet,
    connection::{NewTokens, Replace, connect},
    job::request::plain,
    model::{Cause, ConnectionId, Lane, UserId},
    secret::Keyring,
    store::Store,
};

use crate::{Scale, servers::Servers, table::Row, world::World};

/// Users with an access token and a refresh token each.
const USERS: usize = 100_000;

/// How long it may take.
const AIM_S: f64 = 30.0;

/// Users connected at once before it is measured.
const CONNECTING_MAX: usize = 16;

/// Keys of measurements.
const KEYS: [&str; 2] = [
    "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
];

pub(crate) async fn measure(servers: &Servers, scale: Scale) -> Vec<Row> {
    let users = scale.count(USERS);
    let mut world = World::new(servers, "rotate", "single-summary", 1).await;
    connect_all(&world, users).await;
    let mut elapsed_s = Vec::new();
    for repetition in 0..scale.repetitions(3) {
        let (old, new) = (KEYS[repetition % 2], KEYS[(repetition + 1) % 2]);
        world.set("SECURITY__KEYS", &format!("{new},{old}"));
        let begun = Instant::now();
        let said = world.command(&["keys", "rotate"]).await;
        elapsed_s.push(begun.elapsed().as_secs_f64());
        assert!(
            said.contains(&format!("of {users} more connections")),
            "{said}"
        );
    }
    vec![
        Row::of(
            format!("keys rotate: {users} users with two tokens each"),
            "s",
            &elapsed_s,
        )
        .at_most(AIM_S)
        .note("from the start of the command to its end"),
    ]
}

/// Connects users with tokens that nobody uses.
async fn connect_all(world: &World<'_>, users: usize) {
    let connections = u32::try_from(CONNECTING_MAX).unwrap();
    let store = Store::connect(&world.database, connections).await.unwrap();
    let keyring = world.keyring();
    stream::iter(0..users)
        .map(|number| connect_one(&store, &keyring, number))
        .buffer_unordered(CONNECTING_MAX)
        .collect::<()>()
        .await;
    store.close().await;
}

async fn connect_one(store: &Store, keyring: &Keyring, number: usize) {
    let user_id: UserId = format!("user_{number:06}").parse().unwrap();
    let polar_user_id = i64::try_from(number).unwrap() + 1;
    let tokens = TokenSet {
        access_token: format!("access-token-of-{number:024}").into(),
        refresh_token: Some(format!("refresh-token-of-{number:024}").into()),
        expires_at: None,
        polar_user_id: Some(polar_user_id),
    };
    let new = NewTokens {
        user_id: &user_id,
        polar_user_id,
        tokens: &tokens,
        registered: true,
        connection_id: ConnectionId::new(),
    };
    let request = plain(Lane::Periodic, Cause::Connect, Vec::new());
    let connected = connect(store, keyring, &new, Replace::Reject, &request).await;
    connected.unwrap();
}
