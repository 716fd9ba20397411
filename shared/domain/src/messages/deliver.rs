//! Showing an approval or a notice to everybody whom it is for, and replacing what is shown when it changed.

use super::Message;
use crate::{
    approval::{Approval, ApprovalPolicy, Shown},
    id::Username,
    ports::{CaseStore, Messenger, Recipient, StoreError},
    presence::{Presence, presence},
};

/// What a delivery came to. What failed is tried again by the next one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Whether [`Approval::shown`] changed, and is to be kept.
    pub changed: bool,
    /// To whom it could not be shown, and why.
    pub failed: Vec<(String, StoreError)>,
}

/// Shows the message to everybody who is asked, and in policy's channel, where it does not stand yet, and replaces it where
/// it stands and shows something else. What is decided is only replaced: nobody new has to be told.
pub async fn deliver(
    messenger: &dyn Messenger,
    store: &dyn CaseStore,
    policy: &ApprovalPolicy,
    approval: &mut Approval,
    message: &Message,
) -> Delivered {
    let mut delivered = refresh(messenger, approval, message).await;
    if approval.is_pending() {
        let people = approval.asked.clone();
        add(messenger, store, policy, &people, &mut approval.shown, message, &mut delivered).await;
    }
    delivered
}

/// Replaces the messages that show something else, in the order in which they are kept.
pub async fn refresh(messenger: &dyn Messenger, approval: &mut Approval, message: &Message) -> Delivered {
    replace(messenger, &mut approval.shown, message).await
}

/// Tells people, and policy's channel, something that nobody is asked to decide, and replaces what they were told before.
pub async fn notify<'a>(
    messenger: &dyn Messenger,
    store: &dyn CaseStore,
    policy: &ApprovalPolicy,
    people: impl IntoIterator<Item = &'a Username>,
    shown: &mut Vec<Shown>,
    message: &Message,
) -> Delivered {
    let mut delivered = replace(messenger, shown, message).await;
    add(messenger, store, policy, people, shown, message, &mut delivered).await;
    delivered
}

async fn replace(messenger: &dyn Messenger, shown: &mut [Shown], message: &Message) -> Delivered {
    let (content, mut delivered) = (message.digest(), Delivered::default());
    for shown in shown.iter_mut().filter(|shown| shown.content != content) {
        // One that stands somewhere is found by its place; only a new one needs the address.
        let to = Recipient::Channel(shown.channel.clone());
        match messenger.show(&to, message, Some(&*shown)).await {
            Ok(place) => {
                (shown.channel, shown.ts, shown.content) = (place.channel, place.ts, content);
                delivered.changed = true;
            }
            Err(error) => delivered.failed.push((label(shown.to.as_ref()), error)),
        }
    }
    delivered
}

async fn add<'a>(
    messenger: &dyn Messenger,
    store: &dyn CaseStore,
    policy: &ApprovalPolicy,
    people: impl IntoIterator<Item = &'a Username>,
    shown: &mut Vec<Shown>,
    message: &Message,
    delivered: &mut Delivered,
) {
    let channel = policy.slack_channel.iter().map(|_| None);
    for to in people.into_iter().cloned().map(Some).chain(channel) {
        if shown.iter().any(|shown| shown.to == to) {
            continue;
        }
        match new(messenger, store, policy, to.clone(), message).await {
            Ok(Some(one)) => {
                shown.push(one);
                delivered.changed = true;
            }
            Ok(None) => {}
            Err(error) => delivered.failed.push((label(to.as_ref()), error)),
        }
    }
}

/// A new message; `None` for somebody who is leaving or has left, or whom nobody knows. Whose own case is only held is told.
async fn new(
    messenger: &dyn Messenger,
    store: &dyn CaseStore,
    policy: &ApprovalPolicy,
    to: Option<Username>,
    message: &Message,
) -> Result<Option<Shown>, StoreError> {
    let recipient = match &to {
        None => policy.slack_channel.clone().map(Recipient::Channel),
        Some(username) => {
            let gone = presence(store, username).await? == Presence::Gone;
            let person = store.person(username).await?.filter(|_| !gone);
            person.map(|person| Recipient::Person { username: username.clone(), email: person.email })
        }
    };
    let Some(recipient) = recipient else { return Ok(None) };
    let place = messenger.show(&recipient, message, None).await?;
    Ok(Some(Shown { to, channel: place.channel, ts: place.ts, content: message.digest() }))
}

fn label(to: Option<&Username>) -> String {
    to.map_or_else(|| "the channel".to_owned(), ToString::to_string)
}
