//! The client of AccessLink, in front of a server of the test's own.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _, ready};
use polar_sync::{
    accesslink::{
        Answer, Call, Client, ClientSettings, Closed, Credential, Meter, Permit, RateLimit,
        Urgency, error::Meaning,
    },
    clock::Clock,
    config::Live,
    model::{TransactionAddress, TransactionalKind},
    secret::Token,
};

use crate::server::Server;

/// What must not leave the configured origin.
pub(crate) const ACCESS_TOKEN: &str = "canary-access-token";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";

/// Largest body that the test's client takes.
pub(crate) const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

/// A transaction of the user whose token it is.
pub(crate) const TRANSACTION: TransactionAddress = TransactionAddress {
    polar_user_id: 21,
    kind: TransactionalKind::Exercise,
    transaction_id: 122,
};

/// Grants everything.
#[derive(Debug)]
struct Open;

impl Meter for Open {
    fn acquire(&self, _: Urgency) -> BoxFuture<'_, Result<Box<dyn Permit>, Closed>> {
        ready(Ok(Box::new(Open) as Box<dyn Permit>)).boxed()
    }

    fn room_for(&self, _: u32, _: Urgency) -> BoxFuture<'_, Result<(), Closed>> {
        ready(Ok(())).boxed()
    }
}

impl Permit for Open {
    fn answered(self: Box<Self>, _: Option<RateLimit>) {}

    fn refused(
        self: Box<Self>,
        _: Option<Duration>,
        _: Option<RateLimit>,
    ) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

/// A client whose origin is this server.
pub(crate) fn client(server: &Server, request_timeout: Duration) -> Client {
    let settings = ClientSettings {
        origin: server.url("").parse().unwrap(),
        client_id: "client".to_owned(),
        client_secret: Live::new(CLIENT_SECRET.to_owned().into()),
        request_timeout,
        body_max_bytes: BODY_MAX_BYTES,
    };
    Client::new(settings, Arc::new(Open), Clock::default()).unwrap()
}

/// Sends a call for the user.
pub(crate) async fn send(client: &Client, call: &Call) -> Result<Answer, Meaning> {
    let token = Token::from(ACCESS_TOKEN.to_owned());
    let answer = client.send(call, Credential::User(&token), Urgency::Normal);
    answer.await.map_err(|error| error.meaning)
}
