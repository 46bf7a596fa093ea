//! Redirects, in every form: none is followed, and nothing secret leaves the configured origin.

use std::time::Duration;

use polar_sync::{
    accesslink::{
        Call,
        call::ItemPart,
        error::{Broken, Meaning},
        oauth::{OAuth, OAuthError, OAuthSettings},
    },
    clock::Clock,
    config::Live,
    model::Details,
};
use rstest::rstest;

use crate::{
    polar::{ACCESS_TOKEN, CLIENT_SECRET, TRANSACTION, client, send},
    server::{Reply, Request, Server, head},
    thief::Thief,
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Every call that carries a user's token.
fn calls() -> Vec<Call> {
    vec![
        Call::register_user("member"),
        Call::get_user(21),
        Call::delete_user(21),
        Call::create_transaction(21, TRANSACTION.kind),
        Call::list_transaction(&TRANSACTION),
        Call::get_item(&TRANSACTION, 7),
        Call::get_part(&TRANSACTION, 7, &ItemPart::Gpx),
        Call::get_part(&TRANSACTION, 7, &ItemPart::Sample("1".to_owned())),
        Call::commit_transaction(&TRANSACTION),
        Call::list_exercises(),
        Call::get_exercise("PknlZNpd", Details::ALL).unwrap(),
        Call::list_sleep(),
        Call::list_nightly_recharge(),
    ]
}

/// A server that sends everybody elsewhere.
async fn redirecting(status: u16, location: String) -> Server {
    let refresh = format!("0; url={location}");
    Server::start(move |_| {
        let headers = [("Location", location.as_str()), ("Refresh", &refresh)];
        Reply::whole(status, &headers, b"{}")
    })
    .await
}

/// Where a redirect points to: the thief, and other paths of the origin.
fn locations(thief: &Thief) -> [String; 8] {
    let thief = thief.address();
    [
        format!("http://{thief}/v3/users"),
        format!("http://client:canary@{thief}/"),
        format!("//{thief}/v3/users"),
        format!("http://127.0.0.1:{}\\@{thief}/", thief.port()),
        format!("\\\\{thief}\\"),
        "/v3/users/22".to_owned(),
        "?again=1".to_owned(),
        "javascript:0".to_owned(),
    ]
}

#[rstest]
#[tokio::test]
async fn no_redirect_of_the_api_is_followed(
    #[values(300, 301, 302, 303, 304, 305, 307, 308, 399)] status: u16,
) {
    let thief = Thief::lurk().await;
    for location in locations(&thief) {
        let server = redirecting(status, location.clone()).await;
        let client = client(&server, TIMEOUT);
        for call in calls() {
            let answer = send(&client, &call).await;
            assert_eq!(answer, Err(Meaning::Redirected(status)), "{location}");
        }
        let asked: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
        let expected: Vec<_> = calls().iter().map(|call| call.path().to_owned()).collect();
        assert_eq!(asked, expected, "{location}");
    }
    thief.assert_empty_handed().await;
}

#[tokio::test]
async fn no_page_is_followed_that_refreshes_itself() {
    let thief = Thief::lurk().await;
    let page = format!(
        r#"<html><head><meta http-equiv="refresh" content="0; url=http://{0}/"><base href="http://{0}/">
        </head><script src="http://{0}/x.js"></script><img src="http://{0}/x.png"></html>"#,
        thief.address()
    );
    let link = format!("<http://{}/>; rel=preload", thief.address());
    let service = format!("h2=\"{}\"; persist=1", thief.address());
    let server = Server::start(move |_| {
        let headers = [
            ("Content-Type", "text/html"),
            ("Link", &link),
            ("Alt-Svc", &service),
            ("Content-Location", &link),
        ];
        Reply::whole(200, &headers, page.as_bytes())
    })
    .await;
    let client = client(&server, TIMEOUT);
    let answer = send(&client, &Call::get_item(&TRANSACTION, 7)).await;
    assert_eq!(answer, Err(Meaning::Broken(Broken::WrongType)));
    let paths = server.seen().into_iter().map(|seen| seen.target);
    for path in paths {
        assert_eq!(path, Call::get_item(&TRANSACTION, 7).path());
    }
    thief.assert_empty_handed().await;
}

#[tokio::test]
async fn a_token_goes_to_the_origin_in_its_header_alone() {
    let server = Server::start(|_| Reply::nothing()).await;
    let client = client(&server, TIMEOUT);
    for call in calls() {
        let _ = send(&client, &call).await;
    }
    let seen = server.seen();
    assert_eq!(seen.len(), calls().len());
    for Request {
        target, head, body, ..
    } in seen
    {
        let lines = head.lines().filter(|line| line.contains(ACCESS_TOKEN));
        let bearer = format!("authorization: Bearer {ACCESS_TOKEN}");
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 1, "{target}");
        assert!(lines[0].eq_ignore_ascii_case(&bearer), "{target}");
        assert!(!target.contains("canary") && !body.contains("canary"));
        assert!(!head.contains(CLIENT_SECRET));
    }
}

fn oauth(token_url: &str) -> OAuth {
    let settings = OAuthSettings {
        authorize_url: token_url.parse().unwrap(),
        token_url: token_url.parse().unwrap(),
        client_id: "client".to_owned(),
        client_secret: Live::new(CLIENT_SECRET.to_owned().into()),
        request_timeout: TIMEOUT,
    };
    OAuth::new(settings, Clock::default()).unwrap()
}

/// Both exchanges, and whether each gave tokens.
async fn exchange(oauth: &OAuth) -> [Result<(), OAuthError>; 2] {
    let redirect_uri = "http://localhost/callback".parse().unwrap();
    let refresh_token = ACCESS_TOKEN.to_owned().into();
    [
        oauth.exchange("canary-code", &redirect_uri).await.map(drop),
        oauth.refresh(&refresh_token).await.map(drop),
    ]
}

#[rstest]
#[tokio::test]
async fn no_redirect_of_the_token_endpoint_is_followed(
    #[values(300, 301, 302, 303, 307, 308)] status: u16,
) {
    let thief = Thief::lurk().await;
    for location in locations(&thief) {
        let server = redirecting(status, location.clone()).await;
        let results = exchange(&oauth(&server.url("/v2/oauth2/token"))).await;
        assert_eq!(
            results,
            [Err(OAuthError::NoAnswer), Err(OAuthError::NoAnswer)]
        );
        let seen = server.seen();
        assert_eq!(seen.len(), 2, "{location}");
        for request in seen {
            assert_eq!(request.target, "/v2/oauth2/token", "{location}");
            assert_eq!(request.method, "POST");
        }
    }
    thief.assert_empty_handed().await;
}

#[tokio::test]
async fn what_the_token_endpoint_says_has_a_limit() {
    let endless = || Reply::Endless {
        head: [
            head(200, &[("Content-Type", "application/json")]),
            b"\r\n".to_vec(),
        ]
        .concat(),
        piece: vec![b' '; 64 * 1024],
        pieces: 4096,
    };
    let server = Server::start(move |_| endless()).await;
    let results = exchange(&oauth(&server.url("/"))).await;
    assert_eq!(
        results,
        [Err(OAuthError::NoAnswer), Err(OAuthError::NoAnswer)]
    );
    // Twice the limit of 64 KiB, and what the buffers of two sockets hold.
    assert!(server.sent_bytes() < 32 * 1024 * 1024);
}

#[tokio::test]
async fn what_the_token_endpoint_says_has_a_form() {
    for (status, body, expected) in [
        (200, "", Some(OAuthError::NoAnswer)),
        (200, "{}", Some(OAuthError::NoAnswer)),
        (200, "[[[[", Some(OAuthError::NoAnswer)),
        (
            200,
            r#"{"access_token":7,"token_type":"bearer"}"#,
            Some(OAuthError::NoAnswer),
        ),
        (
            200,
            r#"{"access_token":"t","token_type":"bearer","expires_in":-1}"#,
            Some(OAuthError::NoAnswer),
        ),
        (
            200,
            r#"{"access_token":"t","token_type":"bearer","expires_in":18446744073709551615}"#,
            None,
        ),
        (
            200,
            r#"{"access_token":"t","token_type":"bearer","x_user_id":99999999999999999999}"#,
            Some(OAuthError::NoAnswer),
        ),
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            Some(OAuthError::InvalidGrant),
        ),
        (400, r#"{"error":{"a":1}}"#, Some(OAuthError::NoAnswer)),
        (500, "<html>", Some(OAuthError::NoAnswer)),
    ] {
        let body = body.to_owned();
        let server = Server::start({
            let body = body.clone();
            move |_| {
                Reply::whole(
                    status,
                    &[("Content-Type", "application/json")],
                    body.as_bytes(),
                )
            }
        })
        .await;
        for result in exchange(&oauth(&server.url("/"))).await {
            assert_eq!(result.err(), expected, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_token_endpoint_is_repeated_in_plain_characters() {
    let told = format!(r#"{{"error":"evil\n\u001b[31m{}"}}"#, "x".repeat(1000));
    let server = Server::start(move |_| {
        Reply::whole(
            400,
            &[("Content-Type", "application/json")],
            told.as_bytes(),
        )
    })
    .await;
    let [first, _] = exchange(&oauth(&server.url("/"))).await;
    let said = first.unwrap_err().to_string();
    assert!(
        said.len() < 250 && !said.contains(char::is_control),
        "{said:?}"
    );
}
