//! HTTP on this machine: what a user's browser does with the consent page, and the simulator's control port.
//!
//! The only mention of an HTTP client outside of `accesslink`: this one never speaks to Polar, and plays parts that
//! are not polar-sync's.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, Response, header::LOCATION, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

/// The header of a key to polar-sync's interface.
const KEY_HEADER: &str = "X-Open-Wearables-API-Key";

/// Adding up a large population's ledger takes its time.
const PATIENCE: Duration = Duration::from_mins(2);

/// A client that reaches this machine only.
#[derive(Debug, Clone)]
pub(super) struct Loopback {
    http: Client,
}

impl Loopback {
    pub(super) fn new() -> anyhow::Result<Self> {
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build()
            .context("make an HTTP client")?;
        Ok(Self { http })
    }

    /// Reads JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url) -> anyhow::Result<T> {
        let what = format!("GET {}", url.path());
        read(self.http.get(url).send().await, &what).await
    }

    /// Reads JSON of polar-sync's own interface.
    pub(super) async fn get_with_key<T: DeserializeOwned>(
        &self,
        url: Url,
        key: &str,
    ) -> anyhow::Result<T> {
        let what = format!("GET {}", url.path());
        let sent = self.http.get(url).header(KEY_HEADER, key).send().await;
        read(sent, &what).await
    }

    /// Sends JSON, and reads JSON.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        url: Url,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let what = format!("POST {}", url.path());
        read(self.http.post(url).json(body).send().await, &what).await
    }

    /// Opens a page, as a browser would.
    pub(super) async fn open(&self, page: Url) -> anyhow::Result<()> {
        let what = format!("open {}", page.path());
        answered(self.http.get(page).send().await, &what).map(drop)
    }

    /// Sends a form, and returns where the browser is sent then.
    pub(super) async fn submit(
        &self,
        action: Url,
        fields: &[(String, String)],
    ) -> anyhow::Result<Url> {
        let what = format!("submit the form of {}", action.path());
        let answer = self.http.post(action).form(fields).send().await;
        let answer = answer.with_context(|| what.clone())?;
        let target = answer.headers().get(LOCATION);
        let target = target.and_then(|target| target.to_str().ok());
        let Some(target) = target.filter(|_| answer.status().is_redirection()) else {
            bail!("{what}: {} instead of a redirect", answer.status());
        };
        Url::parse(target).with_context(|| format!("{what}: its redirect is no URL"))
    }
}

fn answered(answer: reqwest::Result<Response>, what: &str) -> anyhow::Result<Response> {
    answer
        .and_then(Response::error_for_status)
        .map_err(reqwest::Error::without_url)
        .with_context(|| what.to_owned())
}

async fn read<T: DeserializeOwned>(
    answer: reqwest::Result<Response>,
    what: &str,
) -> anyhow::Result<T> {
    let body = answered(answer, what)?.json().await;
    body.map_err(reqwest::Error::without_url)
        .with_context(|| what.to_owned())
}
