//! As much of Salesforce's query language as leaver's requests need, over rows held in memory.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Rows by the object that they are of. All rows of an object have the same fields.
pub(super) type Tables = BTreeMap<&'static str, Vec<Value>>;

/// A query, taken apart.
#[derive(Debug)]
pub(super) struct Select {
    fields: Vec<String>,
    pub(super) object: String,
    pub(super) scope: Option<String>,
    conditions: Vec<Condition>,
    /// Whether one condition is enough.
    any: bool,
    limit: usize,
}

#[derive(Debug)]
struct Condition {
    field: String,
    operator: &'static str,
    value: Value,
}

/// What Salesforce says of a query that it does not understand.
pub(super) type Malformed = &'static str;
const MALFORMED: Malformed = "MALFORMED_QUERY";
const FIELD: Malformed = "INVALID_FIELD";

/// The field that points to a relation's row, and the object of that row.
fn relation(name: &str) -> (String, &str) {
    (format!("{name}Id"), if name == "Assignee" { "User" } else { name })
}

/// The places of a word outside quotes.
fn outside(text: &str, word: &str) -> Vec<usize> {
    let mut places = Vec::new();
    let (mut inside, mut escaped) = (false, false);
    for (place, c) in text.char_indices() {
        match c {
            '\'' if !escaped => inside = !inside,
            _ if !inside && text.get(place..).is_some_and(|rest| rest.starts_with(word)) => {
                places.push(place)
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    places
}

fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for place in outside(text, word) {
        parts.extend(text.get(from..place));
        from = place + word.len();
    }
    parts.extend(text.get(from..));
    parts
}

fn literal(text: &str) -> Option<Value> {
    if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Some(Value::String(inner.replace("\\'", "'").replace("\\\\", "\\")));
    }
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        date if date.starts_with(|c: char| c.is_ascii_digit()) => Some(Value::String(date.to_owned())),
        _ => None,
    }
}

fn condition(text: &str) -> Option<Condition> {
    let operator =
        ["!=", ">=", "="].into_iter().find(|operator| text.split(' ').nth(1) == Some(*operator))?;
    let (field, value) = text.split_once(&format!(" {operator} "))?;
    Some(Condition { field: field.to_owned(), operator, value: literal(value.trim())? })
}

impl Select {
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let rest = text.trim().strip_prefix("SELECT ").ok_or(MALFORMED)?;
        let (fields, rest) = rest.split_once(" FROM ").ok_or(MALFORMED)?;
        let (rest, limit) = match split(rest, " LIMIT ").as_slice() {
            [rest, limit] => (*rest, limit.trim().parse().map_err(|_| MALFORMED)?),
            _ => (rest, usize::MAX),
        };
        let (from, filter) = rest.split_once(" WHERE ").unwrap_or((rest, ""));
        let (object, scope) = match from.split_once(" USING SCOPE ") {
            Some((object, scope)) => (object, Some(scope.trim().to_owned())),
            None => (from, None),
        };
        let any = !outside(filter, " OR ").is_empty();
        if any && !outside(filter, " AND ").is_empty() {
            return Err(MALFORMED);
        }
        let parts = split(filter, if any { " OR " } else { " AND " });
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let conditions: Option<Vec<Condition>> = parts.map(|part| condition(part.trim())).collect();
        Ok(Self {
            fields: fields.split(',').map(|field| field.trim().to_owned()).collect(),
            object: object.trim().to_owned(),
            scope,
            conditions: conditions.ok_or(MALFORMED)?,
            any,
            limit,
        })
    }

    /// Whether it asks for a number only.
    pub(super) fn counts(&self) -> bool {
        self.fields == ["COUNT()"]
    }

    /// The records that it finds, as Salesforce shows them.
    pub(super) fn run(&self, tables: &Tables) -> Result<Vec<Value>, Malformed> {
        let rows = tables.get(self.object.as_str()).ok_or("INVALID_TYPE")?;
        let mut found = Vec::new();
        for row in rows {
            if found.len() < self.limit && self.meets(tables, row)? {
                found.push(if self.counts() { Value::Null } else { self.shown(tables, row)? });
            }
        }
        Ok(found)
    }

    fn meets(&self, tables: &Tables, row: &Value) -> Result<bool, Malformed> {
        let mut met = Vec::new();
        for condition in &self.conditions {
            let held = value(tables, row, &condition.field)?;
            let same = match (held.as_str(), condition.value.as_str()) {
                (Some(held), Some(wanted)) => held.eq_ignore_ascii_case(wanted),
                _ => held == condition.value,
            };
            met.push(match condition.operator {
                "=" => same,
                "!=" => !same,
                _ => held.as_str() >= condition.value.as_str(),
            });
        }
        Ok(if self.any { met.contains(&true) } else { !met.contains(&false) })
    }

    fn shown(&self, tables: &Tables, row: &Value) -> Result<Value, Malformed> {
        let mut record = json!({"attributes": attributes(&self.object, row)});
        for field in &self.fields {
            put(&mut record, tables, row, field)?;
        }
        Ok(record)
    }
}

fn attributes(object: &str, row: &Value) -> Value {
    let id = row["Id"].as_str().unwrap_or_default();
    json!({"type": object, "url": format!("/services/data/v66.0/sobjects/{object}/{id}")})
}

/// The row that a relation of another row points to, and its object.
fn related<'a, 'b>(
    tables: &'a Tables,
    row: &Value,
    name: &'b str,
) -> Result<(&'b str, Option<&'a Value>), Malformed> {
    let (key, object) = relation(name);
    let id = row.get(&key).ok_or(FIELD)?;
    let found = tables.get(object).ok_or(FIELD)?.iter().find(|other| other["Id"] == *id);
    Ok((object, found))
}

/// What a field holds, which may be one of a related row.
fn value(tables: &Tables, row: &Value, field: &str) -> Result<Value, Malformed> {
    match field.split_once('.') {
        None => row.get(field).cloned().ok_or(FIELD),
        Some((name, rest)) => match related(tables, row, name)?.1 {
            Some(other) => value(tables, other, rest),
            None => Ok(Value::Null),
        },
    }
}

/// Adds a field to a record, inside the records of its relations.
fn put(record: &mut Value, tables: &Tables, row: &Value, field: &str) -> Result<(), Malformed> {
    let Some(fields) = record.as_object_mut() else { return Err(MALFORMED) };
    let Some((name, rest)) = field.split_once('.') else {
        fields.insert(field.to_owned(), row.get(field).cloned().ok_or(FIELD)?);
        return Ok(());
    };
    let (object, other) = related(tables, row, name)?;
    let Some(other) = other else {
        fields.insert(name.to_owned(), Value::Null);
        return Ok(());
    };
    let inner = fields.entry(name).or_insert_with(|| {
        Value::Object(Map::from_iter([("attributes".to_owned(), attributes(object, other))]))
    });
    put(inner, tables, other, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        let users = vec![json!({"Id": "1", "Name": "O'Neill OR Son", "Active": true, "ProfileId": "9"})];
        BTreeMap::from([("User", users), ("Profile", vec![json!({"Id": "9", "Name": "Standard"})])])
    }

    #[test]
    fn a_query_finds_rows_and_tells_the_fields_that_it_names() {
        let text = r"SELECT Id, Profile.Name FROM User WHERE Name = 'o\'neill or son' AND Active = true";
        let found = Select::parse(text).unwrap().run(&tables()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["Id"], &found[0]["Profile"]["Name"]), (&json!("1"), &json!("Standard")));
        assert_eq!(found[0].get("Name"), None);
    }

    #[test]
    fn unknown_fields_and_objects_are_refused() {
        let run = |text: &str| Select::parse(text).and_then(|select| select.run(&tables())).unwrap_err();
        assert_eq!(run("SELECT Nick FROM User"), "INVALID_FIELD");
        assert_eq!(run("SELECT Id FROM Lead"), "INVALID_TYPE");
        assert_eq!(run("SELECT Id FROM User WHERE Name LIKE 'x'"), "MALFORMED_QUERY");
    }
}
