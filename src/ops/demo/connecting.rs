//! Users connect: each is sent to the consent page, agrees, and comes back with a code.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;
use uuid::Uuid;

use super::{loopback::Loopback, polar::Polar};
use crate::{
    config::Config,
    connection::{Access, Grant, authorize},
    job::request::plain,
    model::{Cause, Lane, UserId},
    role::Ground,
    secret::Keyring,
};

/// Where the consent page sends the browser back to, below `api.public_url`.
const CALLBACK: &str = "api/v1/oauth/polar/callback";

/// Connects every account of the simulated Polar, as `user_001` and so on. Their first syncs are
/// on the lane then.
pub(super) async fn connect_users(
    config: &Config,
    ground: &Ground,
    polar: &Polar,
) -> anyhow::Result<()> {
    let keyring = Keyring::from_config(&config.security)?;
    ground.store.check_keys(&keyring).await?;
    let access = Access {
        client: ground.client.clone(),
        oauth: ground.oauth.clone(),
        keyring: Arc::new(keyring),
        store: ground.store.clone(),
    };
    let redirect_uri = config.api.public_url.as_url().join(CALLBACK)?;
    // Registrations are requests to Polar: what they take of the quota is told to everybody.
    let (counting, counted) = (TaskTracker::new(), CancellationToken::new());
    counting.spawn(ground.permits.clone().keep(counted.clone()));
    counting.close();
    for (account, number) in polar.accounts().await?.into_iter().zip(1_u32..) {
        let user_id: UserId = format!("user_{number:03}").parse()?;
        let connected = connect_user(
            config,
            ground,
            &access,
            polar,
            &redirect_uri,
            &user_id,
            account,
        );
        let connected = Box::pin(connected).await;
        connected.with_context(|| format!("connect {user_id}"))?;
    }
    counted.cancel();
    counting.wait().await;
    Ok(())
}

async fn connect_user(
    config: &Config,
    ground: &Ground,
    access: &Access,
    polar: &Polar,
    redirect_uri: &Url,
    user_id: &UserId,
    account: i64,
) -> anyhow::Result<()> {
    let state = Uuid::new_v4().simple().to_string();
    let page = access.oauth.authorize_url(redirect_uri, &state);
    let sent_back_to = agree(&polar.http, page, account).await?;
    let code = code_of(&sent_back_to, redirect_uri, &state)?;
    let grant = Grant {
        user_id,
        code: &code,
        redirect_uri,
    };
    let first_sync = plain(Lane::Interactive, Cause::Connect, Vec::new());
    let replace = config.connections.replace.into();
    authorize(access, grant, replace, &first_sync).await?;
    let (lane, cause) = (first_sync.lane, first_sync.cause);
    ground
        .desk()
        .wake(user_id, lane, cause, first_sync.task_id)
        .await;
    Ok(())
}

/// What the user does in a browser: opens the page, chooses the account, and allows. Returns where
/// the browser is sent then.
async fn agree(browser: &Loopback, page: Url, account: i64) -> anyhow::Result<Url> {
    browser.open(page.clone()).await?;
    let mut fields: Vec<_> = page.query_pairs().into_owned().collect();
    fields.push(("account".to_owned(), account.to_string()));
    fields.push(("decision".to_owned(), "allow".to_owned()));
    let mut action = page;
    action.set_query(None);
    browser.submit(action, &fields).await
}

/// The code that a redirect brings, if it answers to what was sent.
fn code_of(sent_back_to: &Url, redirect_uri: &Url, state: &str) -> anyhow::Result<String> {
    let mut target = sent_back_to.clone();
    target.set_query(None);
    if target != *redirect_uri {
        bail!("the browser was sent to {target} instead of {redirect_uri}");
    }
    let value = |name: &str| {
        let mut pairs = sent_back_to.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if value("state").as_deref() != Some(state) {
        bail!("the redirect does not bring back its state");
    }
    match (value("code"), value("error")) {
        (Some(code), _) => Ok(code),
        (None, Some(error)) => bail!("Polar refused: {error}"),
        (None, None) => bail!("the redirect brings no code"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_only_from_the_answer_to_what_was_sent() {
        let target = Url::parse("http://localhost:8000/callback").unwrap();
        let code = |query: &str| {
            let back = Url::parse(&format!("http://localhost:8000/{query}")).unwrap();
            code_of(&back, &target, "s1").map_err(|error| error.to_string())
        };
        assert_eq!(code("callback?code=c1&state=s1"), Ok("c1".to_owned()));
        for (query, problem) in [
            ("callback?code=c1&state=s2", "its state"),
            ("callback?code=c1", "its state"),
            (
                "callback?error=access_denied&state=s1",
                "refused: access_denied",
            ),
            ("callback?state=s1", "no code"),
            ("elsewhere?code=c1&state=s1", "instead of"),
        ] {
            let error = code(query).unwrap_err();
            assert!(error.contains(problem), "{query}: {error}");
        }
    }
}
