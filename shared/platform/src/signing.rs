//! KMS: the ledger's signatures, by a key that never leaves it.

use crate::connect::Aws;
use async_trait::async_trait;
use aws_sdk_kms::{
    Client,
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use leaver_domain::ports::{Signer, StoreError};
use tokio::sync::OnceCell;

/// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 key in KMS.
#[derive(Debug, Clone)]
pub struct KmsSigner {
    client: Client,
    key: String,
    public: OnceCell<[u8; 32]>,
}

impl KmsSigner {
    /// The key of this id or ARN.
    pub fn new(aws: &Aws, key: &str) -> Self {
        Self { client: aws.kms(), key: key.to_owned(), public: OnceCell::new() }
    }
}

fn trouble(error: &impl ProvideErrorMetadata) -> StoreError {
    StoreError::Unavailable(format!("KMS: {}", error.code().unwrap_or("no answer")))
}

fn raw(spki: &[u8]) -> Result<[u8; 32], StoreError> {
    let key = spki.strip_prefix(&SPKI).and_then(|key| key.try_into().ok());
    key.ok_or_else(|| StoreError::Corrupt("the signing key is no Ed25519 key".to_owned()))
}

#[async_trait]
impl Signer for KmsSigner {
    async fn public_key(&self) -> Result<[u8; 32], StoreError> {
        let read = || async {
            let answer = self.client.get_public_key().key_id(&self.key).send().await;
            let answer = answer.map_err(|error| trouble(&error))?;
            raw(answer.public_key.as_ref().map(Blob::as_ref).unwrap_or_default())
        };
        self.public.get_or_try_init(read).await.copied()
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], StoreError> {
        // RAW: KMS signs the message itself. DIGEST would be Ed25519ph, which no reader of a checkpoint verifies.
        let sign = self.client.sign().key_id(&self.key).message(Blob::new(message));
        let sign = sign.message_type(MessageType::Raw).signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512);
        let answer = sign.send().await.map_err(|error| trouble(&error))?;
        let signature = answer.signature.as_ref().map(Blob::as_ref).unwrap_or_default();
        signature.try_into().map_err(|_| StoreError::Corrupt("a signature is not 64 bytes long".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ed25519_key_is_read() {
        let good: Vec<u8> = SPKI.iter().copied().chain([7; 32]).collect();
        assert_eq!(raw(&good), Ok([7; 32]));
        assert!(raw(&good[..43]).is_err());
        assert!(raw(&[0x30; 44]).is_err());
        assert!(raw(&[]).is_err());
    }
}
