//! Reading a policy and a list of people from files, and what is wrong with the policy in each environment.

use crate::failure::Failure;
use leaver_domain::{
    person::Person,
    policy::{Known, Level, Policy, Remark, named, remarks},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The environment in which nothing is laid over the document.
const PLAIN: &str = "prod";

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The environments that were looked at.
    pub environments: Vec<String>,
    /// Each remark once, the errors first, with the environments that it is about.
    pub remarks: Vec<(Remark, Vec<String>)>,
}

impl Checked {
    /// Whether the policy can be used: there may be warnings.
    pub fn is_good(&self) -> bool {
        self.count(Level::Error) == 0
    }

    /// How many remarks weigh so much.
    pub fn count(&self, level: Level) -> usize {
        self.remarks.iter().filter(|(remark, _)| remark.level == level).count()
    }

    /// As JSON.
    pub fn json(&self, file: &str) -> Value {
        let remark = |(remark, environments): &(Remark, Vec<String>)| {
            let mut shown = json!(remark);
            shown["environments"] = json!(environments);
            shown
        };
        json!({
            "file": file, "good": self.is_good(), "environments": self.environments,
            "errors": self.count(Level::Error), "warnings": self.count(Level::Warning),
            "remarks": self.remarks.iter().map(remark).collect::<Vec<_>>(),
        })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::Usage(format!("{}: {why}", path.display()));
    let length = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if length > MAX_BYTES {
        return Err(failed(&format!("is larger than {MAX_BYTES} bytes")));
    }
    fs::read_to_string(path).map_err(|error| failed(&error))
}

/// The document of a file, or the remark that it is no YAML.
///
/// # Errors
/// Where the file cannot be read.
pub fn document(path: &Path) -> Result<Result<Value, Checked>, Failure> {
    Ok(serde_norway::from_str(&read(path)?).map_err(|error| {
        let fix = Some("mend the YAML first: nothing else could be looked at".to_owned());
        let remark =
            Remark { level: Level::Error, place: "the document".into(), what: error.to_string(), fix };
        Checked { environments: Vec::new(), remarks: vec![(remark, Vec::new())] }
    }))
}

/// The environments to look at: the one that is named, otherwise the plain one and all of which the document speaks.
pub fn environments(document: &Value, named: Option<&str>) -> Vec<String> {
    if let Some(named) = named {
        return vec![named.to_owned()];
    }
    let mut found = vec![PLAIN.to_owned()];
    let spoken_of = document.get("environments").and_then(Value::as_object);
    found
        .extend(spoken_of.into_iter().flat_map(serde_json::Map::keys).filter(|name| *name != PLAIN).cloned());
    found
}

/// What is wrong with a document in these environments.
pub fn check(document: &Value, environments: &[String], known: Option<Known<'_>>) -> Checked {
    let mut found: BTreeMap<Remark, Vec<String>> = BTreeMap::new();
    for environment in environments {
        for remark in remarks(document, environment, known) {
            found.entry(remark).or_default().push(environment.clone());
        }
    }
    Checked { environments: environments.to_vec(), remarks: found.into_iter().collect() }
}

/// Everybody whom the policy names in one of the environments.
pub fn names(document: &Value, environments: &[String]) -> Vec<String> {
    let good = environments.iter().filter_map(|one| Policy::parse(document.clone(), one).ok());
    let mut found: Vec<String> =
        good.flat_map(|policy| named(&policy)).map(|(_, name)| name.to_string()).collect();
    found.sort();
    found.dedup();
    found
}

/// The people of a list in YAML or JSON. Of each it needs `username`, `role` and `department`; what else it says of them is taken
/// where a rule can ask for it.
///
/// # Errors
/// What is wrong with it, for whoever made the list.
pub fn people(path: &Path) -> Result<Vec<Person>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", path.display()));
    let list: Value = serde_norway::from_str(&read(path)?).map_err(|error| wrong(error.to_string()))?;
    let rows = list.as_array().ok_or_else(|| wrong("is no list of people".to_owned()))?;
    rows.iter()
        .enumerate()
        .map(|(index, row)| person(row).map_err(|why| wrong(format!("person {}: {why}", index + 1))))
        .collect()
}

/// A person out of what a rule can ask for.
///
/// # Errors
/// What is missing or wrong.
pub fn person(row: &Value) -> Result<Person, String> {
    let mut fields = json!({
        "employee_id": "unknown", "email": "", "name": "", "employment": "employee", "status": "active",
    });
    for name in ["username", "employment", "role", "department", "manager", "location", "clearance", "status"]
    {
        if let Some(value) = row.get(name).filter(|value| !value.is_null()) {
            fields[name] = value.clone();
        }
    }
    serde_json::from_value(fields).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Value {
        serde_norway::from_str(include_str!("../../infra/policy.yaml")).unwrap()
    }

    #[test]
    fn a_remark_of_several_environments_stands_there_once() {
        let mut document = shipped();
        document["timing"]["termination_seconds"] = 1.into();
        document["environments"]["staging"] = json!({"brake": {"max_people": 0}});
        let all = environments(&document, None);
        assert_eq!(all, ["prod", "local", "staging"]);
        let checked = check(&document, &all, None);
        let of = |place: &str| -> Vec<String> {
            let found = checked.remarks.iter().find(|(remark, _)| remark.place == place);
            found.map(|(_, environments)| environments.clone()).unwrap_or_default()
        };
        assert_eq!(of("timing.termination_seconds"), all);
        assert_eq!(of("brake.max_people"), ["staging"]);
        assert_eq!((checked.is_good(), checked.count(Level::Error)), (false, 2));
        assert_eq!(environments(&document, Some("local")), ["local"]);
        assert_eq!(checked.json("f")["remarks"][0]["level"], "error");
    }

    #[test]
    fn the_shipped_policy_is_good_for_the_sample_people() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra");
        let people = people(&folder.join("sandbox/people.yaml")).unwrap();
        assert!(people.len() > 10);
        let document = document(&folder.join("policy.yaml")).unwrap().unwrap();
        let known = Known { people: &people, all: true };
        let checked = check(&document, &environments(&document, None), Some(known));
        assert!(checked.is_good(), "{:#?}", checked.remarks);
    }

    #[test]
    fn a_file_that_is_no_yaml_is_a_remark_and_one_that_is_not_there_a_wrong_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.yaml");
        fs::write(&path, "a: [b\nc: d").unwrap();
        let checked = document(&path).unwrap().unwrap_err();
        assert!(!checked.is_good() && checked.remarks[0].0.what.contains("line"), "{checked:?}");
        assert!(matches!(document(&dir.path().join("none")), Err(Failure::Usage(_))));
        fs::write(&path, "- {username: a.b, role: r}").unwrap();
        let refused = people(&path).unwrap_err().to_string();
        assert!(refused.contains("person 1") && refused.contains("department"), "{refused}");
    }
}
