//! Self-checks: the tables, the workflow, and each adapter's reach.

use crate::{Api, Call, Reply, Role};
use leaver_domain::{brake::Brake, problem::Problem};
use serde_json::{Value, json};

/// `GET /api/v1/doctor`
pub(crate) async fn check(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Operator, Role::Security])?;
    let mut checks = vec![
        told("case table", api.cases.cases(None, 1).await.map(|_| "readable".to_owned())),
        told("brake", api.cases.brake().await.map(|brake| standing(&brake))),
        told("ledger", api.ledger.head().await.map(|head| format!("{} rows", head.tree.size))),
    ];
    checks.push(canary(api).await);
    let name =
        format!("check-{}-{}", api.now.millis(), call.caller.username.as_str().replace(['@', '+'], "_"));
    match api.workflow.check(&name).await {
        Ok(output) => {
            checks.push(json!({"name": "workflow", "ok": true, "detail": "ran"}));
            checks.extend(output["systems"].as_array().into_iter().flatten().map(system));
        }
        Err(error) => checks.push(json!({"name": "workflow", "ok": false, "detail": error.to_string()})),
    }
    Reply::json(200, &json!({"checks": checks}))
}

fn told(name: &str, result: Result<String, leaver_domain::ports::StoreError>) -> Value {
    match result {
        Ok(detail) => json!({"name": name, "ok": true, "detail": detail}),
        Err(error) => json!({"name": name, "ok": false, "detail": error.to_string()}),
    }
}

/// When the canary was let go last, and how that ended.
async fn canary(api: &Api<'_>) -> Value {
    let (ok, detail) = match (api.cases.canary().await, &api.policy.canary) {
        (Err(error), _) => (false, error.to_string()),
        (Ok(_), None) => (true, "none is set up".to_owned()),
        (Ok(None), Some(_)) => (true, "no night has been held yet".to_owned()),
        (Ok(Some(night)), Some(_)) => night.verdict(api.now),
    };
    json!({"name": "canary", "ok": ok, "detail": detail})
}

/// Whether cases are let through now. One that holds them is no fault of the deployment, and whoever looks should know.
fn standing(brake: &Brake) -> String {
    match &brake.engaged {
        Some(measure) => format!("engaged: every case is held until {measure} is decided"),
        None => "not engaged".to_owned(),
    }
}

/// What one adapter's check came to: an answer without a fault, a fault, or no answer of the function at all.
fn system(result: &Value) -> Value {
    let name = &result["system"];
    if let Some(missing) = result["missing"].as_object().filter(|missing| !missing.is_empty()) {
        let scopes: Vec<&str> = missing.keys().map(String::as_str).collect();
        let detail = format!("its credential lacks {}", scopes.join(", "));
        return json!({"name": name, "ok": false, "detail": detail, "missing": missing});
    }
    match (result.get("fault"), result["status"].as_str()) {
        (Some(fault), _) => json!({"name": name, "ok": false, "detail": fault["detail"]}),
        (None, Some("failed")) => {
            json!({"name": name, "ok": false, "detail": "its function failed: see its log"})
        }
        (None, _) => json!({"name": name, "ok": true, "detail": "address, credential and scopes work"}),
    }
}
