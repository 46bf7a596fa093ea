//! `webhook`: the webhook by which Polar tells of new data.
//!
//! Polar allows a client one webhook, and tells its secret once, when it is made.

use std::{io::Write, time::Duration};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use url::Url;

use super::{
    Output, consent,
    when::{Present, utc},
};
use crate::{
    accesslink::{
        Answer, Call, Credential, Error, Urgency,
        error::Meaning,
        wire::{self, CreatedWebhook, Webhook},
    },
    cli::{WebhookCommand, WebhookCreateArgs},
    config::Config,
    exit::{Code, Failure, WithExit},
    http::{EVENTS, webhook_url},
    role::Ground,
    secret::Keyring,
    store::{
        operator::Deed,
        webhook::{NewWebhook, WebhookRow, secret_aad},
    },
};

/// The status of an answer to a ping that failed. Source: observed (`WebhookPingFailedException`).
const PING_FAILED: Meaning = Meaning::Unexpected(400);

/// Runs the command.
pub async fn run(
    config: &Config,
    command: WebhookCommand,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    config.for_polar("webhook")?;
    let ground = Ground::lay(config, Duration::ZERO).await?;
    let desk = Desk {
        config,
        ground: &ground,
        operator,
    };
    let done = match command {
        WebhookCommand::Create(args) => desk.create(&args, output).await,
        WebhookCommand::Status => desk.status(output).await,
        WebhookCommand::Activate => desk.activate(output).await,
        WebhookCommand::Delete(args) => desk.delete(args.consent, output).await,
    };
    // What these calls took of the quota is told to everybody.
    ground.permits.give_back().await;
    done
}

/// What every command works with.
struct Desk<'a> {
    config: &'a Config,
    ground: &'a Ground,
    operator: &'a str,
}

/// The webhook as both sides know it.
#[derive(Serialize)]
struct Status {
    at_polar: Option<AtPolar>,
    here: Option<WebhookRow>,
    /// Whether the one at Polar is ours, so that its events are believed.
    is_ours: bool,
}

#[derive(Serialize)]
struct AtPolar {
    id: String,
    url: Option<String>,
    events: Vec<String>,
    active: Option<bool>,
}

impl From<Webhook> for AtPolar {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            events: webhook.events,
            active: webhook.active,
        }
    }
}

impl Desk<'_> {
    async fn create(
        &self,
        args: &WebhookCreateArgs,
        output: &mut Output<impl Write>,
    ) -> anyhow::Result<()> {
        let keyring = Keyring::from_config(&self.config.security)?;
        self.ground.store.check_keys(&keyring).await?;
        let url = args.url.clone().unwrap_or_else(|| webhook_url(self.config));
        let old = self.listed().await?;
        if let Some(old) = old.first().filter(|_| !args.replace) {
            let cause = format!("Polar has the webhook {} already, and allows one", old.id);
            let next_step =
                "`polar-sync webhook status` shows it; --replace makes a new one in its place";
            return Err(Failure::new(Code::Refused, cause, next_step).into());
        }
        if !old.is_empty() {
            self.remove_all(&old, "webhook create --replace").await?;
        }
        let made = self.made(&url).await?;
        if let Err(error) = self.keep(&keyring, &made, &url).await {
            // A webhook whose secret nobody knows only stands in the way of the next one.
            let removed = self.remove(&made.id).await;
            return Err(removed.err().unwrap_or(error)).context("keep the webhook's secret");
        }
        let told = json!({ "id": made.id, "url": url, "events": EVENTS });
        output.show(&told, |_, out| {
            writeln!(
                out,
                "Polar sends events to {url} from now on: {}",
                EVENTS.join(", ")
            )
        })?;
        Ok(())
    }

    /// Makes the webhook: Polar pings the URL before it answers.
    async fn made(&self, url: &Url) -> anyhow::Result<CreatedWebhook> {
        let call = Call::create_webhook(url, &EVENTS);
        let answer = self.send(&call).await.map_err(|error| match error.meaning {
            PING_FAILED => Failure::of(error, Code::Refused, ping_failed(url)),
            Meaning::Unauthorized | Meaning::Forbidden => unusable(error),
            _ => Failure::of(
                error,
                Code::Fails,
                "nobody knows whether it was made: `polar-sync webhook create --replace` makes sure",
            ),
        })?;
        let body = match answer {
            Answer::Body(body) => body,
            Answer::Done | Answer::Empty => Vec::new().into(),
        };
        let read = wire::created_webhook(&body).context("read the webhook that was made");
        let next_step =
            "its secret is lost with that: `polar-sync webhook create --replace` makes another one";
        Ok(read.exit(Code::Fails, next_step)?)
    }

    /// Keeps the secret of the webhook that was just made.
    async fn keep(
        &self,
        keyring: &Keyring,
        made: &CreatedWebhook,
        url: &Url,
    ) -> anyhow::Result<()> {
        let secret = made.signature_secret_key.as_bytes();
        let sealed = keyring.seal(&secret_aad(&made.id), secret)?;
        let mut tx = self.ground.store.begin("webhook_create").await?;
        tx.end_webhook().await?;
        tx.insert_webhook(&NewWebhook {
            webhook_id: &made.id,
            url: url.as_str(),
            events: &EVENTS,
            secret: &sealed.bytes,
            key_id: &sealed.key_id,
        })
        .await?;
        tx.log_deed(&self.deed("webhook create", &made.id)).await?;
        Ok(tx.commit().await?)
    }

    async fn status(&self, output: &mut Output<impl Write>) -> anyhow::Result<()> {
        let here = self.ground.store.webhook().await?;
        let at_polar = self.listed().await?.into_iter().next().map(AtPolar::from);
        let ids = (at_polar.as_ref(), here.as_ref());
        let is_ours = matches!(ids, (Some(there), Some(here)) if there.id == here.webhook_id);
        let status = Status {
            at_polar,
            here,
            is_ours,
        };
        let now = Present(self.ground.store.now().await?);
        output.show(&status, |status, out| write(status, now, out))?;
        Ok(())
    }

    async fn activate(&self, output: &mut Output<impl Write>) -> anyhow::Result<()> {
        let call = Call::activate_webhook();
        let row = self.ground.store.webhook().await?;
        let url = row.and_then(|row| row.url.parse().ok());
        let url = url.unwrap_or_else(|| webhook_url(self.config));
        let answer = self
            .send(&call)
            .await
            .map_err(|error| match error.meaning {
                PING_FAILED => Failure::of(error, Code::Refused, ping_failed(&url)),
                _ => unusable(error),
            })?;
        if answer == Answer::Empty {
            return Err(no_webhook().into());
        }
        let mut tx = self.ground.store.begin("log").await?;
        tx.log_deed(&self.deed("webhook activate", "")).await?;
        tx.commit().await?;
        output.show(&json!({ "active": true }), |_, out| {
            writeln!(out, "the webhook is active")
        })?;
        Ok(())
    }

    async fn delete(
        &self,
        consent: crate::cli::Consent,
        output: &mut Output<impl Write>,
    ) -> anyhow::Result<()> {
        let listed = self.listed().await?;
        if listed.is_empty() && self.ground.store.webhook().await?.is_none() {
            return Err(no_webhook().into());
        }
        consent::ask(
            consent,
            "this deletes the webhook, and Polar's events are lost until there is a new one",
        )?;
        self.remove_all(&listed, "webhook delete").await?;
        output.show(&json!({ "deleted": listed.len() }), |_, out| {
            writeln!(
                out,
                "the webhook is deleted; users are polled as often as without one"
            )
        })?;
        Ok(())
    }

    /// The webhooks that Polar has of our client.
    async fn listed(&self) -> anyhow::Result<Vec<Webhook>> {
        match self.send(&Call::list_webhooks()).await.map_err(unusable)? {
            Answer::Body(body) => {
                Ok(wire::webhooks(&body).context("read Polar's list of webhooks")?)
            }
            Answer::Done | Answer::Empty => Ok(Vec::new()),
        }
    }

    /// Removes the webhooks at Polar, and then the one in use here.
    async fn remove_all(&self, webhooks: &[Webhook], command: &'static str) -> anyhow::Result<()> {
        for webhook in webhooks {
            self.remove(&webhook.id).await?;
        }
        let mut tx = self.ground.store.begin("webhook_delete").await?;
        tx.end_webhook().await?;
        tx.log_deed(&self.deed(command, "")).await?;
        Ok(tx.commit().await?)
    }

    async fn remove(&self, id: &str) -> anyhow::Result<()> {
        let call =
            Call::delete_webhook(id).with_context(|| format!("{id:?} is no webhook's id"))?;
        match self.send(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.meaning == Meaning::NotFound => Ok(()),
            Err(error) => Err(unusable(error).into()),
        }
    }

    async fn send(&self, call: &Call) -> Result<Answer, Error> {
        let client = &self.ground.client;
        client
            .send(call, Credential::Client, Urgency::Interactive)
            .await
    }

    fn deed<'a>(&'a self, command: &'static str, detail: &'a str) -> Deed<'a> {
        Deed {
            operator: self.operator,
            command,
            connection: None,
            detail,
        }
    }
}

/// Polar gave no answer that a command can go on with.
fn unusable(error: Error) -> Failure {
    let (code, next_step) = match error.meaning {
        Meaning::Unauthorized | Meaning::Forbidden => (
            Code::Configuration,
            "check accesslink.client_id and accesslink.client_secret",
        ),
        _ => (
            Code::Fails,
            "call it again in a while; `polar-sync webhook status` tells what is so far",
        ),
    };
    Failure::of(error, code, next_step)
}

fn ping_failed(url: &Url) -> String {
    format!(
        "Polar pinged {url} and was not answered with 200: start `polar-sync api`, and see that Polar reaches \
         api.public_url"
    )
}

fn no_webhook() -> Failure {
    let next_step = "`polar-sync webhook create` makes one";
    Failure::new(Code::NotFound, "there is no webhook", next_step)
}

fn write(status: &Status, now: Present, out: &mut dyn Write) -> std::io::Result<()> {
    match &status.at_polar {
        None => writeln!(
            out,
            "Polar has no webhook; `polar-sync webhook create` makes one"
        )?,
        Some(webhook) => {
            let active = match webhook.active {
                Some(true) => "active",
                Some(false) => "NOT active; `polar-sync webhook activate` changes that",
                None => "Polar does not say whether it is active",
            };
            let url = webhook.url.as_deref().unwrap_or("an unknown address");
            writeln!(
                out,
                "{} sends {} to {url}: {active}",
                webhook.id,
                webhook.events.join(", ")
            )?;
        }
    }
    if status.at_polar.is_some() && !status.is_ours {
        writeln!(
            out,
            "its secret is not known here, so no event of it is believed; `polar-sync webhook create --replace` makes \
             one whose secret is"
        )?;
    }
    let Some(here) = &status.here else {
        return Ok(());
    };
    writeln!(out, "made {}", utc(here.created_at))?;
    match here.last_event_at {
        Some(at) => writeln!(out, "the last event came {}", now.distance(at))?,
        None => writeln!(out, "no event has come yet")?,
    }
    if let Some(since) = here.silent_since {
        writeln!(
            out,
            "silent for {}: there is data that no event told of, so users are polled as often as without it, until the \
             next event",
            now.since(since)
        )?;
    }
    Ok(())
}
