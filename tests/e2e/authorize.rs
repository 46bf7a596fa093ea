//! Users who connect through OAuth, and everything that may come between.

use std::time::Duration;

use polar_sync::{
    accesslink::oauth::OAuthError,
    connection::{
        Access, AuthorizeError, Authorized, ConnectError, Connected, Grant, Registration, Replace,
        authorize,
    },
    job::request::plain,
    model::{Cause, Lane, UserId},
    role::Ground,
};
use serde_json::json;
use url::Url;

use super::world::{FIRST_ACCOUNT, World, user};

const STORED: &str = "SELECT count(*) FROM api_v1.connections";
const UNREGISTERED: &str = "SELECT count(*) FROM polar_sync.connection WHERE registered_at IS NULL";
const FIRST_SYNCS: &str =
    "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'connect' AND state = 'open'";

/// A platform that sends its users to the consent page of a world.
struct Platform {
    world: World,
    access: Access,
    callback: Url,
}

impl Platform {
    async fn start() -> Self {
        let world = World::start(2, "small", &[]).await;
        let config = world.config();
        let ground = Ground::lay(&config, Duration::ZERO).await.unwrap();
        let access = ground.access(&config).await.unwrap();
        Self {
            world,
            access,
            callback: Url::parse("http://localhost:8000/callback").unwrap(),
        }
    }

    /// The code that the consent of an account's owner brings.
    async fn code(&self, account: i64) -> String {
        let page = self.access.oauth.authorize_url(&self.callback, "state");
        let account = account.to_string();
        let decision = [("account", account.as_str()), ("decision", "allow")];
        let target = self.world.sim.redirect(page, &decision).await;
        let code = target.query_pairs().find(|(key, _)| key == "code");
        code.expect("a code").1.into_owned()
    }

    async fn redeem(
        &self,
        user_id: &UserId,
        code: &str,
        replace: Replace,
    ) -> Result<Authorized, AuthorizeError> {
        let grant = Grant {
            user_id,
            code,
            redirect_uri: &self.callback,
        };
        let first_sync = plain(Lane::Interactive, Cause::Connect, Vec::new());
        authorize(&self.access, grant, replace, &first_sync).await
    }

    async fn connect(&self, number: u32, account: i64) -> Result<Authorized, AuthorizeError> {
        let code = self.code(account).await;
        self.redeem(&user(number), &code, Replace::Reject).await
    }
}

#[tokio::test]
async fn a_user_connects_and_again_under_the_same_connection() {
    let platform = Platform::start().await;
    let first = platform.connect(0, FIRST_ACCOUNT).await.unwrap();
    assert_eq!(first.registration, Registration::Done);
    // Polar answers 409 now: it has the user registered already.
    let again = platform.connect(0, FIRST_ACCOUNT).await.unwrap();
    assert_eq!(again.connected, Connected::Again(first.connected.id()));
    assert_eq!(again.registration, Registration::Done);
    let world = &platform.world;
    assert_eq!(world.number(STORED).await, 1);
    assert_eq!(world.number(UNREGISTERED).await, 0);
    assert_eq!(world.number(FIRST_SYNCS).await, 2);
    world.assert_honest().await;
}

#[tokio::test]
async fn a_code_is_never_sent_twice() {
    let platform = Platform::start().await;
    let world = &platform.world;
    let fault =
        json!({ "op": "token", "times": null, "action": { "type": "status", "status": 503 } });
    world.sim.post("/faults", fault).await;
    let error = platform.connect(0, FIRST_ACCOUNT).await.unwrap_err();
    assert!(
        matches!(error, AuthorizeError::Exchange(OAuthError::NoAnswer)),
        "{error:?}"
    );
    assert_eq!(world.sim.requests("token").await, 1);
    world.sim.delete("/faults").await;
    let refused = platform
        .redeem(&user(0), "no-such-code", Replace::Reject)
        .await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, AuthorizeError::Exchange(OAuthError::InvalidGrant)),
        "{refused:?}"
    );
    assert_eq!(world.number(STORED).await, 0);
}

#[tokio::test]
async fn an_answer_that_does_not_say_whose_tokens_they_are_connects_nobody() {
    let platform = Platform::start().await;
    let body = json!({ "access_token": "t", "token_type": "bearer", "expires_in": 60 }).to_string();
    let fault = json!({ "op": "token", "action": { "type": "body", "body": body } });
    platform.world.sim.post("/faults", fault).await;
    let error = platform.connect(0, FIRST_ACCOUNT).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::Nobody), "{error:?}");
    assert_eq!(platform.world.number(STORED).await, 0);
}

#[tokio::test]
async fn a_missing_consent_does_not_throw_the_tokens_away() {
    let platform = Platform::start().await;
    let consent = format!("/users/{FIRST_ACCOUNT}/consent");
    let sim = &platform.world.sim;
    sim.post(&consent, json!({ "given": false })).await;
    let authorized = platform.connect(0, FIRST_ACCOUNT).await.unwrap();
    assert_eq!(authorized.registration, Registration::ConsentMissing);
    assert_eq!(platform.world.number(UNREGISTERED).await, 1);
}

#[tokio::test]
async fn a_registration_without_an_answer_is_left_to_the_first_run() {
    let platform = Platform::start().await;
    let world = &platform.world;
    let action = json!({ "type": "status", "status": 503 });
    let fault = json!({ "op": "users.register", "times": 3, "action": action });
    world.sim.post("/faults", fault).await;
    let authorized = platform.connect(0, FIRST_ACCOUNT).await.unwrap();
    assert_eq!(authorized.registration, Registration::Unanswered);
    assert_eq!(world.number(UNREGISTERED).await, 1);
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until("the registration", UNREGISTERED, 0).await;
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn an_account_has_one_user_and_a_user_one_account() {
    let platform = Platform::start().await;
    let first = platform.connect(0, FIRST_ACCOUNT).await.unwrap();
    let taken = platform.connect(1, FIRST_ACCOUNT).await.unwrap_err();
    assert!(
        matches!(
            taken,
            AuthorizeError::Connect(ConnectError::AccountTaken { .. })
        ),
        "{taken:?}"
    );
    let other = platform.connect(0, FIRST_ACCOUNT + 1).await.unwrap_err();
    assert!(
        matches!(
            other,
            AuthorizeError::Connect(ConnectError::OtherAccount { .. })
        ),
        "{other:?}"
    );
    // Who is refused is not registered at Polar on the way.
    assert_eq!(platform.world.sim.requests("users.register").await, 1);
    let code = platform.code(FIRST_ACCOUNT + 1).await;
    let replaced = platform
        .redeem(&user(0), &code, Replace::New)
        .await
        .unwrap();
    assert_ne!(replaced.connected.id(), first.connected.id());
    assert_eq!(platform.world.number(STORED).await, 1);
}
