//! As much of GraphQL as leaver's requests need: an operation as a tree of fields, and an answer cut to what was asked.

use serde_json::{Map, Value};

/// One field of an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    /// What stands between its parentheses.
    pub(super) arguments: String,
    pub(super) fields: Vec<Field>,
}

/// The root fields of an operation; `None` for a text that is none.
pub(super) fn parse(operation: &str) -> Option<Vec<Field>> {
    let start = operation.find('{')?;
    // The variables' types hold no braces: what follows them is the first selection.
    let (head, body) = operation.split_at(start);
    if !head.is_empty() && !head.starts_with("query") && !head.starts_with("mutation") {
        return None;
    }
    let mut rest = body.get(1..)?;
    let fields = selection(&mut rest)?;
    rest.trim().is_empty().then_some(fields)
}

fn selection(rest: &mut &str) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return (!fields.is_empty()).then_some(fields);
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        let (arguments, after) = arguments(after)?;
        *rest = after.trim_start();
        let inner = match rest.strip_prefix('{') {
            Some(after) => {
                *rest = after;
                selection(rest)?
            }
            None => Vec::new(),
        };
        fields.push(Field { name: name.to_owned(), arguments: arguments.to_owned(), fields: inner });
    }
}

fn arguments(text: &str) -> Option<(&str, &str)> {
    let Some(inside) = text.strip_prefix('(') else { return Some(("", text)) };
    inside.split_once(')')
}

/// A value with the fields that were asked for and no others; `None` where one of them does not exist.
pub(super) fn shaped(value: &Value, fields: &[Field]) -> Option<Value> {
    match value {
        Value::Array(items) => items.iter().map(|item| shaped(item, fields)).collect(),
        Value::Object(all) if !fields.is_empty() => {
            let kept: Option<Map<String, Value>> = fields
                .iter()
                .map(|field| Some((field.name.clone(), shaped(all.get(&field.name)?, &field.fields)?)))
                .collect();
            kept.map(Value::Object)
        }
        Value::Object(_) => None,
        Value::Null => Some(Value::Null),
        scalar => fields.is_empty().then(|| scalar.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_holds_what_was_asked_for_and_nothing_else() {
        let asked =
            parse("query($id:ID!){users(first:2,filter:{id:{eq:$id}}){nodes{id team{name}}}}").unwrap();
        assert_eq!(asked[0].name, "users");
        assert_eq!(asked[0].arguments, "first:2,filter:{id:{eq:$id}}");
        let held = json!({"nodes": [{"id": 1, "email": "x", "team": {"name": "a", "key": "b"}}]});
        let told = json!({"nodes": [{"id": 1, "team": {"name": "a"}}]});
        assert_eq!(shaped(&held, &asked[0].fields), Some(told));
        let unknown = parse("{users{nodes{secret}}}").unwrap();
        assert_eq!(shaped(&held, &unknown[0].fields), None);
        assert_eq!(parse("{users{}}"), None);
        assert_eq!(parse("users{id}"), None);
    }
}
