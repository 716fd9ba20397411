//! JSON of one meaning: no doubled names, and not nested without end. Two readers can take such a text for one value only.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Deepest nesting.
const DEEPEST: u32 = 100;

/// The value of a text; `None` where it is not JSON, or could be read in two ways.
pub(super) fn parse(text: &[u8]) -> Option<Value> {
    let mut from = serde_json::Deserializer::from_slice(text);
    let value = Strict(DEEPEST).deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some(value)
}

#[derive(Clone, Copy)]
struct Strict(u32);

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            let value = from.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a doubled name"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_value_or_none() {
        assert_eq!(
            parse(br#"{"a":[1,-2,2.5,"x\u00e9",null,true],"b":{}}"#),
            Some(json!({"a": [1, -2, 2.5, "xé", null, true], "b": {}}))
        );
        for bad in [
            "",
            "{\"a\":1,\"a\":1}",
            "[1]]",
            "NaN",
            "1e400",
            "\"\\ud800\"",
            "{\"a\":{\"b\":1,\"b\":2}}",
            "\u{feff}1",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(100).as_bytes()).is_some());
        assert!(parse(nested(101).as_bytes()).is_none());
        assert!(parse(nested(100_000).as_bytes()).is_none());
    }
}
