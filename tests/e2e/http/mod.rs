//! The HTTP interface from outside: platforms, browsers, Polar.

mod browser;
mod connect;
mod fuzz;
mod keys;
mod limits;
mod polar_events;
mod trigger;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::{
    processes::{Role, free_address},
    world::World,
};

/// The key that every test's interface is configured with.
const KEY: &str = "your_key";

/// A running interface.
pub(crate) struct Api {
    pub(crate) base: Url,
    pub(crate) role: Role,
    http: reqwest::Client,
}

impl World {
    /// Spawns a role that answers calls, on a port of its own, and waits until it does.
    pub(crate) async fn spawn_api(&mut self, role: &str) -> Api {
        self.set("API__BOOTSTRAP_KEY", KEY);
        self.spawn_api_as_it_is(role).await
    }

    /// The same, with the key that is configured.
    pub(crate) async fn spawn_api_as_it_is(&mut self, role: &str) -> Api {
        let address = free_address();
        let base = format!("http://127.0.0.1:{}", address.port());
        self.set("API__LISTEN", &address.to_string());
        self.set("API__PUBLIC_URL", &base);
        self.set("API__REDIRECT_ALLOW", "http://localhost:*");
        let api = Api {
            base: base.parse().unwrap(),
            role: self.spawn(role),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        };
        self.until_true("the interface to answer", async || {
            let ready = api.bare(Method::GET, "/readyz").send().await;
            ready.is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
        api
    }
}

impl Api {
    /// A call without a key.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        self.http.request(method, url)
    }

    /// A call with the bootstrap key.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("X-Open-Wearables-API-Key", KEY)
    }

    /// Status and JSON of an answer.
    pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), json(answer).await)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        Self::answer(self.call(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        Self::answer(self.call(Method::POST, path)).await
    }

    /// Where a user is sent to consent.
    pub(crate) async fn consent_page(&self, user: &str, redirect_uri: Option<&str>) -> Url {
        let mut url = Url::parse("http://x/api/v1/oauth/polar/authorize").unwrap();
        url.query_pairs_mut().append_pair("user_id", user);
        if let Some(target) = redirect_uri {
            url.query_pairs_mut().append_pair("redirect_uri", target);
        }
        let path = format!("{}?{}", url.path(), url.query().unwrap());
        let (status, body) = self.get(&path).await;
        assert_eq!(status, 200, "{body}");
        body["authorization_url"].as_str().unwrap().parse().unwrap()
    }

    /// What a browser gets that comes back from the consent page.
    pub(crate) async fn come_back(&self, target: &Url) -> Response {
        let path = format!("{}?{}", target.path(), target.query().unwrap());
        self.bare(Method::GET, &path).send().await.unwrap()
    }
}

async fn json(answer: Response) -> Value {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// What a refusal says.
fn code(body: &Value) -> &str {
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| detail.len() > 10),
        "{body}"
    );
    body["code"].as_str().unwrap()
}
