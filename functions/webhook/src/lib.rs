//! `POST /api/v1/webhooks/hr-events`: HR events in. Authenticated over the raw bytes, parsed, recorded once, started.

mod authentic;
mod handle;
mod rehire;
mod take;

pub use authentic::{BadSecret, Credentials};
pub use handle::{Webhook, handle};
