//! Messages to people in Slack, by an app of leaver's own: a bot that may write messages and look people up, and nothing
//! else. Its token is another one than the one with which access is revoked.

mod blocks;
#[cfg(test)]
mod tests;

pub use blocks::{blocks, fallback};

use crate::{
    auth::Auth,
    http::{Answer, Clock, Command, Hosts, Query, Writer, receive, unreachable},
    settings::Settings,
    slack::web,
};
use async_trait::async_trait;
use leaver_domain::{
    approval::Shown,
    fault::{Fault, FaultKind},
    messages::Message,
    ports::{Identity, Messenger, Place, Recipient, StoreError},
    text,
};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;
use url::{Origin, Url};

/// The name under which the app's secret is known. It is no row of the registry: nothing is revoked through it. The app's bot
/// needs the scopes `chat:write`, `users:read` and `users:read.email` (Slack Web API 1.7.0; Block Kit and interactivity,
/// docs.slack.dev), and its secret holds `bot_token` and `signing_secret`.
pub const ID: &str = "slack_app";

const HOSTS: Hosts = &[("", "https://slack.com/api")];

/// Where Slack takes answers to a press.
const HOOKS: &str = "https://hooks.slack.com";
/// How long an answer to a press may take: Slack gives the whole exchange three seconds.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_500);
/// Longest answer to a press, in characters.
const MAX_ANSWER: usize = 1_000;

/// Slack, as a messenger. Good until the deadline that its connection has.
pub struct SlackMessenger {
    http: Writer,
    client: reqwest::Client,
    hooks: Vec<Origin>,
}

#[derive(Deserialize)]
struct Posted {
    channel: String,
    ts: String,
}

#[derive(Deserialize)]
struct Found {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    is_bot: bool,
    /// Somebody of another company in a shared channel.
    #[serde(default)]
    is_stranger: bool,
    is_email_confirmed: Option<bool>,
    profile: Profile,
}

#[derive(Deserialize)]
struct Profile {
    email: Option<String>,
}

impl SlackMessenger {
    /// From the app's secret: `bot_token`, and for a workspace elsewhere `base_url` and `hooks_url`.
    ///
    /// # Errors
    /// `CredentialRejected` where the token is missing or an address is unusable.
    pub fn open(
        client: reqwest::Client,
        settings: &Settings,
        clock: Clock,
        budget: Duration,
    ) -> Result<Self, Fault> {
        let auth = Auth::bearer(settings.secret("bot_token")?.clone());
        let hooks = settings.url("hooks", HOOKS)?;
        let http = Writer::open(client.clone(), HOSTS, settings, auth, clock, budget)?;
        Ok(Self { http, client, hooks: vec![hooks.origin()] })
    }

    async fn user_by_email(&self, email: &str) -> Result<String, Fault> {
        let query = Query::get(["users.lookupByEmail"]).query("email", email);
        let found: Found = web::ask(&self.http, "users.lookupByEmail", query).await?;
        Ok(found.user.id)
    }

    /// Calls a method that writes.
    async fn tell(&self, method: &str, body: serde_json::Value) -> Result<Answer, Fault> {
        let command = Command::post([method]).json_as("application/json; charset=utf-8", body);
        let answer = self.http.tell(command).await?;
        web::check(method, &answer)?;
        Ok(answer)
    }

    async fn post(&self, channel: &str, message: &Message) -> Result<Place, Fault> {
        let body = json!({
            "channel": channel, "text": fallback(message), "blocks": blocks(message),
            "unfurl_links": false, "unfurl_media": false,
        });
        let posted: Posted = self.tell("chat.postMessage", body).await?.json()?;
        Ok(Place { channel: posted.channel, ts: posted.ts })
    }

    async fn update(&self, shown: &Shown, message: &Message) -> Result<Place, Fault> {
        let body = json!({
            "channel": shown.channel, "ts": shown.ts, "text": fallback(message), "blocks": blocks(message),
        });
        let posted: Posted = self.tell("chat.update", body).await?.json()?;
        Ok(Place { channel: posted.channel, ts: posted.ts })
    }

    async fn try_show(
        &self,
        to: &Recipient,
        message: &Message,
        replace: Option<&Shown>,
    ) -> Result<Place, Fault> {
        if let Some(shown) = replace {
            match self.update(shown, message).await {
                // Somebody deleted it: what was decided, or is asked, has to stand somewhere.
                Err(fault) if fault.kind == FaultKind::NotFound => {}
                other => return other,
            }
        }
        match to {
            // A message to a user's id opens the conversation with them.
            Recipient::Person { email, .. } => self.post(&self.user_by_email(email).await?, message).await,
            Recipient::Channel(channel) => self.post(channel, message).await,
        }
    }

    async fn try_who(&self, user: &str) -> Result<Option<Identity>, Fault> {
        let found =
            web::ask::<Found>(&self.http, "users.info", Query::get(["users.info"]).query("user", user));
        let user = match found.await {
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
            other => other?.user,
        };
        let ours =
            !user.deleted && !user.is_bot && !user.is_stranger && user.is_email_confirmed != Some(false);
        let email = user.profile.email.filter(|email| ours && !email.is_empty());
        Ok(email.map(|email| Identity { id: user.id, email: email.to_lowercase() }))
    }

    /// The address of an answer, if it is Slack's. A press names it; nothing is ever sent anywhere else.
    fn address(&self, text: &str) -> Option<Url> {
        let url: Url = text.parse().ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        (plain && self.hooks.contains(&url.origin())).then_some(url)
    }
}

fn failed(fault: Fault) -> StoreError {
    match fault.kind {
        FaultKind::UnexpectedShape => StoreError::Corrupt(fault.detail),
        _ => StoreError::Unavailable(fault.detail),
    }
}

#[async_trait]
impl Messenger for SlackMessenger {
    async fn show(
        &self,
        to: &Recipient,
        message: &Message,
        replace: Option<&Shown>,
    ) -> Result<Place, StoreError> {
        self.try_show(to, message, replace).await.map_err(failed)
    }

    async fn who(&self, user: &str) -> Result<Option<Identity>, StoreError> {
        self.try_who(user).await.map_err(failed)
    }

    async fn answer(&self, address: &str, text: &str) -> Result<(), StoreError> {
        let failed = |why: &str| StoreError::Unavailable(format!("the answer to a press: {why}"));
        let url = self.address(address).ok_or_else(|| failed("its address is not one of Slack's"))?;
        let text = blocks::escaped(&text::line(text, MAX_ANSWER));
        let body = json!({"response_type": "ephemeral", "replace_original": false, "text": text});
        let sent = async {
            let what = "POST response_url".to_owned();
            let request = self.client.post(url).json(&body).send().await;
            receive(request.map_err(|error| unreachable(&what, &error))?, what).await
        };
        let answer = timeout(ANSWER_LIMIT, sent).await.map_err(|_| failed("not in time"))?;
        let answer = answer.map_err(|fault| failed(&fault.detail))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(failed(&format!("HTTP {}", answer.status)))
    }
}
