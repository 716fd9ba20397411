//! `oscal.json`: the same answers as OSCAL assessment results (NIST OSCAL 1.1.2), for tools that collect them.
//!
//! Every id follows from the checkpoint's root, so that the same pack always has the same file.

use crate::{
    controls::{Control, controls},
    figures::Figures,
    layout,
    tables::Look,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Version of the model.
const VERSION: &str = "1.1.2";

struct Ids(Uuid);

impl Ids {
    fn of(&self, what: &str) -> String {
        Uuid::new_v5(&self.0, what.as_bytes()).hyphenated().to_string()
    }
}

/// The file.
///
/// # Errors
/// None that input can reach: every part can be written as JSON.
pub fn text(look: &Look<'_>, figures: &Figures) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&document(look, figures))? + "\n")
}

fn document(look: &Look<'_>, figures: &Figures) -> Value {
    let context = look.context;
    // Two packs over one checkpoint differ in their periods and their rows.
    let seed = format!("{} {} {} {}", context.log, context.period.from, context.period.to, look.end());
    let of_log = Uuid::new_v5(&Uuid::NAMESPACE_URL, &context.checkpoint.root.0);
    let ids = Ids(Uuid::new_v5(&of_log, seed.as_bytes()));
    let controls = controls(figures);
    let title = format!("Offboarding evidence of {}", context.log);
    json!({"assessment-results": {
        "uuid": ids.of("results"),
        "metadata": {
            "title": title,
            "last-modified": context.generated_at,
            "version": format!("{}", context.checkpoint.size),
            "oscal-version": VERSION,
            "roles": [{"id": "tool", "title": "The tool that recorded and assessed"}],
            "parties": [{"uuid": ids.of("party"), "type": "organization", "name": "leaver"}],
            "responsible-parties": [{"role-id": "tool", "party-uuids": [ids.of("party")]}],
        },
        "import-ap": {
            "href": format!("#{}", ids.of("resource controls")),
            "remarks": "There is no assessment plan beyond the list of what is looked at, which lies in the pack.",
        },
        "results": [{
            "uuid": ids.of("result"),
            "title": title,
            "description": crate::completeness::statement(look, figures),
            "start": context.period.from,
            "end": context.period.to,
            "props": [
                {"name": "log-size", "value": context.checkpoint.size.to_string()},
                {"name": "log-root", "value": context.checkpoint.root},
                {"name": "cases", "value": figures.cases.to_string()},
                {"name": "rows", "value": figures.rows.to_string()},
            ],
            "reviewed-controls": {"control-selections": [{
                "include-controls": controls.iter().map(|control| json!({"control-id": control.id})).collect::<Vec<_>>(),
            }]},
            "observations": controls.iter().flat_map(|control| observations(look, &ids, control)).collect::<Vec<_>>(),
            "findings": controls.iter().map(|control| finding(&ids, control)).collect::<Vec<_>>(),
        }],
        "back-matter": {"resources": resources(&ids)},
    }})
}

fn observation_id(ids: &Ids, control: &Control, place: usize) -> String {
    ids.of(&format!("observation {} {place}", control.id))
}

fn observations(look: &Look<'_>, ids: &Ids, control: &Control) -> Vec<Value> {
    let evidence = |file: &&str| json!({"href": format!("#{}", ids.of(&format!("resource {file}"))), "description": format!("{file} of the pack")});
    let evidence: Vec<_> = control.files.iter().filter(|file| !file.ends_with('/')).map(evidence).collect();
    let one = |(place, answer): (usize, &crate::controls::Answer)| {
        json!({
            "uuid": observation_id(ids, control, place),
            "title": answer.what,
            "description": answer.found,
            "methods": ["EXAMINE"],
            "types": [if answer.holds { "control-objective" } else { "finding" }],
            "relevant-evidence": evidence,
            "collected": look.context.generated_at,
        })
    };
    control.answers.iter().enumerate().map(one).collect()
}

fn finding(ids: &Ids, control: &Control) -> Value {
    let related = |place| json!({"observation-uuid": observation_id(ids, control, place)});
    json!({
        "uuid": ids.of(&format!("finding {}", control.id)),
        "title": control.name,
        "description": control.asks,
        "target": {
            "type": "objective-id",
            "target-id": format!("{}_obj", control.id),
            "status": {"state": if control.holds() { "satisfied" } else { "not-satisfied" }},
        },
        "related-observations": (0..control.answers.len()).map(related).collect::<Vec<_>>(),
    })
}

fn resources(ids: &Ids) -> Vec<Value> {
    let files = [
        ("resource controls", layout::CONTROLS, "text/markdown"),
        ("", layout::ROWS_JSONL, "application/jsonl"),
        ("", layout::POPULATION, "text/csv"),
        ("", layout::CASES, "text/csv"),
        ("", layout::SYSTEMS, "text/csv"),
        ("", layout::APPROVALS, "text/csv"),
        ("", layout::EXCEPTIONS, "text/csv"),
        ("", layout::COMPLETENESS, "application/json"),
        ("", layout::CHECKPOINT, "text/plain"),
    ];
    let one = |(id, path, media): (&str, &str, &str)| {
        let id = if id.is_empty() { ids.of(&format!("resource {path}")) } else { ids.of(id) };
        json!({"uuid": id, "title": path, "rlinks": [{"href": format!("./{path}"), "media-type": media}]})
    };
    files.into_iter().map(one).collect()
}
