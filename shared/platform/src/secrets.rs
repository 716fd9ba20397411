//! Secrets Manager.

use crate::connect::Aws;
use async_trait::async_trait;
use aws_sdk_secretsmanager::{Client, error::ProvideErrorMetadata};
use leaver_domain::{
    ports::{Keeper, StoreError},
    secret::Secret,
};

/// Why a secret could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nobody has put a value into it yet.
    #[error("the secret {0} holds no value yet: put one there")]
    Empty(String),
    /// It could not be read.
    #[error("the secret {id} could not be read: {why}")]
    Unavailable {
        /// Which one.
        id: String,
        /// What AWS said.
        why: String,
    },
}

/// Reads secrets.
#[derive(Debug, Clone)]
pub struct Secrets(Client);

impl Secrets {
    /// With this process's credentials.
    pub fn new(aws: &Aws) -> Self {
        Self(aws.secrets_manager())
    }

    /// The current text of a secret.
    ///
    /// # Errors
    /// Where it holds nothing or cannot be read.
    pub async fn read(&self, id: &str) -> Result<Secret, SecretError> {
        let text = match self.0.get_secret_value().secret_id(id).send().await {
            Ok(answer) => answer.secret_string,
            Err(error) if error.code() == Some("ResourceNotFoundException") => None,
            Err(error) => {
                let why = error.code().unwrap_or("no answer from Secrets Manager").to_owned();
                return Err(SecretError::Unavailable { id: id.to_owned(), why });
            }
        };
        let text = text.filter(|text| !text.trim().is_empty());
        text.map(Secret::new).ok_or_else(|| SecretError::Empty(id.to_owned()))
    }
}

/// One secret that leaver itself renews.
#[derive(Debug, Clone)]
pub struct RenewedSecret {
    secrets: Secrets,
    id: String,
}

impl RenewedSecret {
    /// The secret of this id.
    pub fn new(aws: &Aws, id: String) -> Self {
        Self { secrets: Secrets::new(aws), id }
    }
}

#[async_trait]
impl Keeper for RenewedSecret {
    async fn keep(&self, text: &Secret) -> Result<(), StoreError> {
        let put = self.secrets.0.put_secret_value().secret_id(&self.id).secret_string(text.expose());
        match put.send().await {
            Ok(_) => Ok(()),
            // Without the service's own words, which may repeat what was sent.
            Err(error) => {
                let code = error.code().unwrap_or("no answer from Secrets Manager");
                Err(StoreError::Unavailable(format!("{}: {code}", self.id)))
            }
        }
    }
}
