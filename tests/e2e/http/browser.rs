//! Users who connect with a browser as people have it: Chromium, through its driver.

use std::{process::Stdio, time::Duration};

use axum::{Router, response::Html};
use polar_sync::ops::servers::TemporaryFolder;
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
    components::SelectElement, extensions::query::ElementWaitable as _,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
};
use url::Url;

use super::Api;
use crate::world::{FIRST_ACCOUNT, World, within};

/// What makes a Chromium that asks nobody but the servers of the test.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    // Chromium has no sandbox for root.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// The longest wait for the next page, and between two looks for it.
const DEADLINE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The line in which chromedriver tells its port.
const STARTED: &str = "started successfully on port ";

/// A Chromium of the test's own.
struct Browser {
    chromedriver: Chromedriver,
    page: WebDriver,
    _profile: TemporaryFolder,
}

impl Browser {
    async fn start() -> Self {
        let (chromedriver, port) = Chromedriver::start().await;
        let profile = TemporaryFolder::create().await.unwrap();
        let mut wish = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            wish.add_arg(argument).unwrap();
        }
        let folder = format!("--user-data-dir={}", profile.path().display());
        wish.add_arg(&folder).unwrap();
        wish.set_browser_log_level(LoggingPrefsLogLevel::All)
            .unwrap();
        let server = format!("http://127.0.0.1:{port}");
        let page = within("the start of Chromium", WebDriver::new(server, wish)).await;
        Self {
            chromedriver,
            page: page.unwrap(),
            _profile: profile,
        }
    }

    /// Goes to the consent page, chooses an account there, and clicks a button.
    async fn decide(&self, consent: Url, account: i64, button: &str) {
        self.page.goto(consent.as_str()).await.unwrap();
        assert_eq!(self.page.title().await.unwrap(), "Polar Flow (simulated)");
        let accounts = self.page.find(By::Name("account")).await.unwrap();
        let accounts = SelectElement::new(&accounts).await.unwrap();
        accounts
            .select_by_value(&account.to_string())
            .await
            .unwrap();
        // What the consent page is not pleased with is not ours.
        self.complaints().await;
        let button = By::XPath(format!("//button[text()='{button}']"));
        let button = self.page.find(button).await.unwrap();
        button.click().await.unwrap();
        // A click is over before the page that it leads to has begun.
        let gone = button.wait_until().wait(DEADLINE, LOOK_EVERY).stale();
        gone.await.unwrap();
    }

    /// Title, heading and text of a page of ours.
    async fn told(&self) -> (String, String, String) {
        let heading = self.page.find(By::Css("main h1")).await.unwrap();
        let text = self.page.find(By::Css("main p")).await.unwrap();
        (
            self.page.title().await.unwrap(),
            heading.text().await.unwrap(),
            text.text().await.unwrap(),
        )
    }

    /// What Chromium has written to the console since somebody looked: errors of scripts, what a policy forbade,
    /// what could not be loaded.
    async fn complaints(&self) -> Vec<String> {
        let log = self.page.browser_log().await.unwrap();
        log.into_iter()
            .map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }

    async fn stop(mut self) {
        self.page.clone().quit().await.unwrap();
        self.chromedriver.stop().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Whoever did not quit is killed; the page would wait for an answer of Chromium's.
        _ = self.page.clone().leak();
    }
}

/// Runs chromedriver, and kills it with everything that it started when the standard input ends: with the test,
/// however that ends.
/// It is started again when its port was taken by somebody else in between.
const KEEPER: &str = "
(chromedriver --port=0 || chromedriver --port=0 || chromedriver --port=0) &
exec >/dev/null
read -r _
kill -KILL 0
";

/// What Chromium is driven through, with Chromium itself.
struct Chromedriver {
    keeper: Child,
    // It would end at its next line if nobody held this.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Chromedriver {
    async fn start() -> (Self, u16) {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
        let port = within("chromedriver's port", async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once(STARTED) {
                    return port.trim_end_matches('.').parse().unwrap();
                }
            }
            panic!("chromedriver does not start; `make test` installs it with Chromium");
        });
        let port = port.await;
        let started = Self {
            keeper,
            _lines: lines,
        };
        (started, port)
    }

    async fn stop(&mut self) {
        drop(self.keeper.stdin.take());
        within("the end of chromedriver", self.keeper.wait())
            .await
            .unwrap();
    }
}

async fn start() -> (World, Api, Browser) {
    let mut world = World::start(2, "small", &[]).await;
    let api = world.spawn_api("all").await;
    (world, api, Browser::start().await)
}

#[tokio::test]
async fn a_person_who_allows_it_sees_that_it_worked() {
    let (world, api, browser) = start().await;
    let consent = api.consent_page("user_001", None).await;
    // Not the one that is chosen already.
    browser.decide(consent, FIRST_ACCOUNT + 1, "Allow").await;
    let (title, heading, text) = browser.told().await;
    assert_eq!(
        (title.as_str(), heading.as_str()),
        ("You are connected", "You are connected")
    );
    assert!(text.contains("your data is on its way"), "{text}");
    assert_eq!(browser.complaints().await, [""; 0]);
    let (_, connections) = api.get("/api/v1/users/user_001/connections").await;
    let account = (FIRST_ACCOUNT + 1).to_string();
    assert_eq!(connections[0]["provider_user_id"], account);
    // The way back leads to the consent page; the way forth to a link that was used.
    browser.page.refresh().await.unwrap();
    assert_eq!(browser.told().await.0, "This link does not work");
    assert_eq!(world.sim.requests("token").await, 1);
    browser.stop().await;
    world.assert_honest().await;
}

#[tokio::test]
async fn a_person_who_denies_it_sees_that_nothing_changed() {
    let (world, api, browser) = start().await;
    let consent = api.consent_page("user_001", None).await;
    browser.decide(consent, FIRST_ACCOUNT, "Deny").await;
    let (title, heading, text) = browser.told().await;
    assert_eq!(
        (title.as_str(), heading.as_str()),
        ("You are not connected", "You are not connected")
    );
    assert!(text.contains("Nothing was changed"), "{text}");
    // Chromium notes each page that is not a 200, and that is all.
    let complaints = browser.complaints().await;
    let is_status = |told: &String| told.contains("the server responded with a status of 403");
    assert!(
        complaints.len() == 1 && is_status(&complaints[0]),
        "{complaints:?}"
    );
    assert_eq!(world.sim.requests("token").await, 0);
    browser.stop().await;
}

#[tokio::test]
async fn a_person_ends_where_the_platform_wants() {
    let (world, api, browser) = start().await;
    let platform = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = platform.local_addr().unwrap().port();
    let page = Router::new().fallback(async || Html("<title>The platform</title>"));
    tokio::spawn(async move { axum::serve(platform, page).await });
    let target = format!("http://localhost:{port}/done?mine=1");
    let consent = api.consent_page("user_001", Some(&target)).await;
    browser.decide(consent, FIRST_ACCOUNT, "Allow").await;
    assert_eq!(browser.page.title().await.unwrap(), "The platform");
    assert_eq!(
        browser.page.current_url().await.unwrap().as_str(),
        format!("{target}&user_id=user_001&provider=polar&status=connected")
    );
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.stop().await;
    world.until_in_step().await;
    world.assert_honest().await;
}
