//! Users connect: a platform asks for a page, the user agrees there, and comes back.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{loopback::Loopback, polar::Polar, settings::API_KEY};
use crate::model::UserId;

/// Between two looks whether the interface answers.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long it may take to answer for the first time.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// Where a platform asks for a user's consent page.
#[derive(Debug, Deserialize)]
struct Authorization {
    authorization_url: Url,
}

/// Connects every account of the simulated Polar, as `user_001` and so on, through the interface at `api`. Their
/// first syncs are on the lane then.
pub(super) async fn connect_users(api: &Url, polar: &Polar) -> anyhow::Result<()> {
    until_ready(&polar.http, api).await?;
    for (account, number) in polar.accounts().await?.into_iter().zip(1_u32..) {
        let user_id: UserId = format!("user_{number:03}").parse()?;
        let connected = connect_user(api, &polar.http, &user_id, account).await;
        connected.with_context(|| format!("connect {user_id}"))?;
    }
    Ok(())
}

async fn until_ready(browser: &Loopback, api: &Url) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_PATIENCE;
    let ready = api.join("readyz")?;
    while let Err(error) = browser.open(ready.clone()).await {
        if Instant::now() > deadline {
            return Err(error.context("the HTTP interface does not answer"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn connect_user(
    api: &Url,
    browser: &Loopback,
    user_id: &UserId,
    account: i64,
) -> anyhow::Result<()> {
    let mut authorize = api.join("api/v1/oauth/polar/authorize")?;
    authorize
        .query_pairs_mut()
        .append_pair("user_id", user_id.as_str());
    let Authorization { authorization_url } = browser.get_with_key(authorize, API_KEY).await?;
    let sent_back_to = agree(browser, authorization_url, account).await?;
    if sent_back_to.origin() != api.origin() {
        bail!(
            "the browser was sent to {} instead of {api}",
            sent_back_to.origin().ascii_serialization()
        );
    }
    browser.open(sent_back_to).await
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
