//! Exchanges held against a GraphQL schema: the query, its variables, and every field of the answer.

use crate::{exchange::Exchange, openapi::Judged};
use apollo_compiler::{
    ExecutableDocument, Schema,
    ast::Type,
    executable::{Selection, SelectionSet},
    request::coerce_variable_values,
    response::JsonMap,
    schema::ExtendedType,
    validation::Valid,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One GraphQL schema.
pub(crate) struct GraphQl(Valid<Schema>);

impl GraphQl {
    /// Out of a schema's text.
    pub(crate) fn parse(text: &str) -> Self {
        let schema = Schema::parse_and_validate(text, "description.graphql");
        Self(schema.unwrap_or_else(|errors| {
            // GitHub publishes some fields twice; anything else would make the schema no description.
            let twice = |said: String| said.starts_with("duplicate definitions for the ");
            assert!(errors.errors.iter().all(|error| twice(error.error.to_string())), "{}", errors.errors);
            Valid::assume_valid(errors.partial)
        }))
    }

    /// What is wrong with an exchange; `None` where it is no GraphQL request.
    pub(crate) fn judge(&self, exchange: &Exchange) -> Option<Judged> {
        let query = exchange.body["query"].as_str()?;
        let name =
            |first: &str| query.split(['{', '(']).nth(usize::from(query.starts_with(first))).map(str::trim);
        let judged = |operation: String, problems| Some(Judged { operation, problems });
        let fallback = || format!("GraphQL {}", name("query").unwrap_or_default());
        let document = match ExecutableDocument::parse_and_validate(&self.0, query, "request.graphql") {
            Ok(document) => document,
            Err(errors) => {
                let told = errors.errors.iter().map(|error| error.error.to_string()).collect();
                return judged(fallback(), told);
            }
        };
        let Ok(operation) = document.operations.get(exchange.body["operationName"].as_str()) else {
            return judged(fallback(), vec!["there is not one operation".to_owned()]);
        };
        let roots: BTreeSet<String> =
            operation.selection_set.root_fields(&document).map(|field| field.name.to_string()).collect();
        let known: BTreeSet<String> = roots.iter().cloned().collect();
        let title = format!(
            "GraphQL {} {}",
            operation.operation_type,
            known.into_iter().collect::<Vec<_>>().join("+")
        );
        let mut problems = BTreeSet::new();
        let variables = match &exchange.body["variables"] {
            Value::Null => Value::Object(Map::new()),
            other => other.clone(),
        };
        let declared: BTreeSet<&str> =
            operation.variables.iter().map(|variable| variable.name.as_str()).collect();
        for name in variables.as_object().into_iter().flat_map(Map::keys) {
            if !declared.contains(name.as_str()) {
                problems.insert(format!("variable {name} is not declared"));
            }
        }
        let map: JsonMap = serde_json::from_value(variables).expect("an object");
        if let Err(error) = coerce_variable_values(&self.0, operation, &map) {
            problems.insert(error.message().to_string());
        }
        match (&exchange.answer["data"], &exchange.answer["errors"]) {
            (Value::Null, Value::Array(errors)) if !errors.is_empty() => {}
            (Value::Object(data), Value::Null) => {
                self.object(&document, &operation.selection_set, data, "answer ", &mut problems);
            }
            _ => {
                problems.insert("the answer has neither data nor errors".to_owned());
            }
        }
        judged(title, problems.into_iter().collect())
    }

    /// An answered object by what was selected of it.
    fn object(
        &self,
        document: &ExecutableDocument,
        selected: &SelectionSet,
        data: &Map<String, Value>,
        what: &str,
        problems: &mut BTreeSet<String>,
    ) {
        let mut keys = BTreeSet::new();
        self.selection(document, selected, data, what, true, &mut keys, problems);
        let more = data.keys().filter(|key| !keys.contains(key.as_str()));
        problems.extend(more.map(|key| format!("{what}/{key} was not asked for")));
    }

    #[allow(clippy::too_many_arguments, reason = "one walk with what it carries along")]
    fn selection(
        &self,
        document: &ExecutableDocument,
        selected: &SelectionSet,
        data: &Map<String, Value>,
        what: &str,
        always: bool,
        keys: &mut BTreeSet<String>,
        problems: &mut BTreeSet<String>,
    ) {
        for selection in &selected.selections {
            let conditional =
                selection.directives().iter().any(|d| matches!(d.name.as_str(), "include" | "skip"));
            let expected = always && !conditional;
            match selection {
                Selection::Field(field) => {
                    let key = field.response_key().as_str();
                    keys.insert(key.to_owned());
                    let place = format!("{what}/{key}");
                    match data.get(key) {
                        Some(value) => {
                            self.value(document, field.ty(), &field.selection_set, value, &place, problems);
                        }
                        None if expected => {
                            problems.insert(format!("{place} is missing"));
                        }
                        None => {}
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &document.fragments[&spread.fragment_name].selection_set;
                    let same = expected && fragment.ty == selected.ty;
                    self.selection(document, fragment, data, what, same, keys, problems);
                }
                Selection::InlineFragment(inline) => {
                    let same = expected && inline.selection_set.ty == selected.ty;
                    self.selection(document, &inline.selection_set, data, what, same, keys, problems);
                }
            }
        }
    }

    fn value(
        &self,
        document: &ExecutableDocument,
        of: &Type,
        selected: &SelectionSet,
        value: &Value,
        what: &str,
        problems: &mut BTreeSet<String>,
    ) {
        if value.is_null() {
            if of.is_non_null() {
                problems.insert(format!("{what} is null"));
            }
            return;
        }
        match (of, value) {
            (Type::List(inner) | Type::NonNullList(inner), Value::Array(items)) => {
                for item in items {
                    self.value(document, inner, selected, item, &format!("{what}/*"), problems);
                }
            }
            (Type::Named(name) | Type::NonNullNamed(name), value) => match (self.0.types.get(name), value) {
                (Some(ExtendedType::Scalar(scalar)), value) => {
                    let fits = match scalar.name.as_str() {
                        "Int" => value.is_i64(),
                        "Float" => value.is_number(),
                        "Boolean" => value.is_boolean(),
                        "String" | "ID" => value.is_string(),
                        _ => !value.is_null(),
                    };
                    if !fits {
                        problems.insert(format!("{what} is no {name}"));
                    }
                }
                (Some(ExtendedType::Enum(words)), Value::String(word)) => {
                    if !words.values.keys().any(|known| known.as_str() == word) {
                        problems.insert(format!("{what} is no {name}"));
                    }
                }
                (Some(_), Value::Object(data)) => self.object(document, selected, data, what, problems),
                _ => {
                    problems.insert(format!("{what} is no {name}"));
                }
            },
            _ => {
                problems.insert(format!("{what} is no list"));
            }
        }
    }
}
