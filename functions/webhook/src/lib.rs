//! `POST /api/v1/webhooks/hr-events`: HR events in. Authenticated over the raw bytes, parsed, recorded once, started.

mod authentic;
mod handle;

pub use authentic::{BadSecret, Credentials};
pub use handle::{Webhook, handle};
