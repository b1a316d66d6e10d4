//! An identity provider of an organization: another realm of the same server, by which a person logs in through a
//! browser. Used by the tests of managed users.

use std::collections::BTreeMap;

use reqwest::{Client, Method, Url, redirect::Policy};
use serde_json::json;

use super::{Keycloak, id, server::browser};

/// Address to which a browser is finally sent; no server responds there.
const END: &str = "http://127.0.0.1:9/";

impl Keycloak<'_> {
    /// Gives an organization an identity provider that knows one person, and logs them in by it for the first time;
    /// Keycloak then makes a user, a *managed* member. Returns the id of this user.
    pub async fn log_in_by_provider(&self, organization: &str, email: &str) -> String {
        let provider = format!("{}-provider", self.realm);
        let login = email.split('@').next().unwrap();
        let realm = json!({
            "realm": provider, "enabled": true, "sslRequired": "none",
            "clients": [{"clientId": "broker", "secret": "hush", "redirectUris": ["*"]}],
            "users": [{
                "username": login, "email": email, "emailVerified": true, "enabled": true, "firstName": "Some",
                "lastName": "Body", "credentials": [{"type": "password", "value": "pw"}],
            }],
        });
        self.server.send(Method::POST, "", realm).await;
        let url = format!("{}/realms/{provider}/protocol/openid-connect", self.server.url());
        let known = json!({
            "alias": "corp", "providerId": "oidc", "enabled": true, "trustEmail": true,
            "config": {
                "clientId": "broker", "clientSecret": "hush", "clientAuthMethod": "client_secret_post",
                "authorizationUrl": format!("{url}/auth"), "tokenUrl": format!("{url}/token"),
            },
        });
        self.send(Method::POST, "/identity-provider/instances", known).await;
        let path = format!("/organizations/{organization}/identity-providers");
        self.send(Method::POST, &path, json!("corp")).await;
        let door = json!({"clientId": "door", "publicClient": true, "redirectUris": [format!("{END}*")]});
        self.send(Method::POST, "/clients", door).await;
        let start = format!("{}/realms/{}/protocol/openid-connect/auth", self.server.url(), self.realm);
        let asked = [
            ("client_id", "door"),
            ("redirect_uri", END),
            ("response_type", "code"),
            ("scope", "openid"),
            ("kc_idp_hint", "corp"),
        ];
        let start = Url::parse_with_params(&start, asked).unwrap();
        Browser::new().log_in(start, &[("username", login), ("password", "pw")]).await;
        id(&self.get(&format!("/users?exact=true&email={email}")).await[0])
    }
}

/// The parts of a browser that a login needs.
struct Browser {
    client: Client,
    /// Cookies by path and name.
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    fn new() -> Self {
        Self { client: browser().redirect(Policy::none()).build().unwrap(), cookies: BTreeMap::new() }
    }

    /// Follows redirections to the end, and fills in the one form that is on the way.
    async fn log_in(&mut self, start: Url, form: &[(&str, &str)]) {
        let (mut url, mut filled_in) = (start, None);
        for _ in 0..20 {
            if url.as_str().starts_with(END) {
                return;
            }
            let (location, text) = self.ask(&url, filled_in.take()).await;
            url = match location {
                Some(location) => url.join(&location).unwrap(),
                None => {
                    filled_in = Some(form);
                    let action = text.split("action=\"").nth(1).unwrap_or_else(|| panic!("no form at {url}: {text}"));
                    Url::parse(&action.split('"').next().unwrap().replace("&amp;", "&")).unwrap()
                }
            };
        }
        panic!("it does not end: {url}");
    }

    async fn ask(&mut self, url: &Url, form: Option<&[(&str, &str)]>) -> (Option<String>, String) {
        let request = match form {
            Some(form) => self.client.post(url.clone()).form(form),
            None => self.client.get(url.clone()),
        };
        let here = self.cookies.iter().filter(|((path, _), _)| url.path().starts_with(path.as_str()));
        let cookies: Vec<String> = here.map(|((_, name), value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let path = cookie.split(';').find_map(|part| part.trim().strip_prefix("Path=")).unwrap_or("/");
            self.cookies.insert((path.to_owned(), name.to_owned()), value.to_owned());
        }
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        (location, answer.text().await.unwrap())
    }
}
