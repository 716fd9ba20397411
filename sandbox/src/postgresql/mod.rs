//! PostgreSQL's stand-in is a real server (setting `server_url`, with a superuser's name and password in it), behind a proxy
//! that records what is asked and injects faults. Where none runs beside the sandbox, every connection is refused and says so.

pub(crate) mod proxy;
mod real;
mod sample;

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Reply, Twin, World},
    upstream::Upstream,
};
use real::Real;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// The system's id.
pub(crate) const ID: &str = "postgresql";
/// The role that leaver logs in with.
const USER: &str = "leaver";

struct Postgresql {
    real: Option<Arc<Real>>,
}

/// The address and the credentials with which leaver reaches the proxy.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    let host = base.trim_start_matches("http://").split('/').next().unwrap_or_default();
    pairs([
        ("url", format!("postgres://{host}/postgres")),
        ("user", USER.to_owned()),
        ("password", make.token("")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let url = world.setting(ID, "server_url");
    let real = (!url.is_empty()).then(|| Real::new(&url, sample::all(world), world.setting(ID, "password")));
    Box::new(Postgresql { real: real.map(Arc::new) })
}

impl Twin for Postgresql {
    fn answer(&mut self, _: &Ask) -> Reply {
        Reply::json(404, json!({"error": "PostgreSQL does not speak HTTP"}))
    }

    fn account(&self, _: &str) -> AccountView {
        AccountView::default()
    }

    fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        self.real.clone().map(|real| real as Arc<dyn Upstream>)
    }
}
