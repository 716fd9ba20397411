//! A messenger that only remembers, for tests.

use async_trait::async_trait;
use leaver_domain::{
    approval::Shown,
    messages::Message,
    ports::{Identity, Messenger, Place, Recipient, StoreError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What it holds.
#[derive(Debug, Default)]
struct Held {
    messages: BTreeMap<(String, String), (Recipient, Vec<Message>)>,
    answers: Vec<(String, String)>,
    users: BTreeMap<String, String>,
    failing: BTreeSet<String>,
}

/// Conversations in memory.
#[derive(Debug, Default)]
pub struct MemoryMessenger(Mutex<Held>);

impl MemoryMessenger {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a user known by their e-mail address.
    pub fn know(&self, user: &str, email: &str) {
        self.held().users.insert(user.to_owned(), email.to_owned());
    }

    /// Fails from now on for whoever has this e-mail address, or this channel; an empty set mends everything.
    pub fn fail_for(&self, who: &[&str]) {
        self.held().failing = who.iter().map(|who| (*who).to_owned()).collect();
    }

    /// Every message as it stands now, with its first recipient and how often it was replaced, oldest first.
    pub fn messages(&self) -> Vec<(Place, Recipient, Message, usize)> {
        let held = self.held();
        let one = |((channel, ts), (to, versions)): (&(String, String), &(Recipient, Vec<Message>))| {
            let place = Place { channel: channel.clone(), ts: ts.clone() };
            Some((place, to.clone(), versions.last()?.clone(), versions.len() - 1))
        };
        held.messages.iter().filter_map(one).collect()
    }

    /// What was told to whoever pressed a button: the address and the text, oldest first.
    pub fn answers(&self) -> Vec<(String, String)> {
        self.held().answers.clone()
    }
}

#[async_trait]
impl Messenger for MemoryMessenger {
    async fn show(
        &self,
        to: &Recipient,
        message: &Message,
        replace: Option<&Shown>,
    ) -> Result<Place, StoreError> {
        let mut held = self.held();
        let channel = match (to, replace) {
            (_, Some(shown)) => shown.channel.clone(),
            (Recipient::Person { email, .. }, None) => format!("D-{email}"),
            (Recipient::Channel(channel), None) => channel.clone(),
        };
        if held.failing.iter().any(|who| channel.ends_with(who.as_str())) {
            return Err(StoreError::Unavailable("the messenger is made to fail".to_owned()));
        }
        if let Some(shown) = replace
            && let Some((_, versions)) = held.messages.get_mut(&(channel.clone(), shown.ts.clone()))
        {
            versions.push(message.clone());
            return Ok(Place { channel, ts: shown.ts.clone() });
        }
        let ts = format!("{:010}.000000", held.messages.len() + 1);
        held.messages.insert((channel.clone(), ts.clone()), (to.clone(), vec![message.clone()]));
        Ok(Place { channel, ts })
    }

    async fn who(&self, user: &str) -> Result<Option<Identity>, StoreError> {
        let held = self.held();
        if held.failing.contains(user) {
            return Err(StoreError::Unavailable("the messenger is made to fail".to_owned()));
        }
        Ok(held.users.get(user).map(|email| Identity { id: user.to_owned(), email: email.clone() }))
    }

    async fn answer(&self, address: &str, text: &str) -> Result<(), StoreError> {
        self.held().answers.push((address.to_owned(), text.to_owned()));
        Ok(())
    }
}
