//! The JSON Schema of the manifest, from the table of its fields.

use serde_json::{Map, Value, json};

use super::fields::{Field, PHASE, SETTINGS, Shape, TASK};

/// What [`TaskId`](crate::base::TaskId) allows, as far as a pattern can say it.
const ID_PATTERN: &str = "^(?!.*\\.\\.)(?!.*\\.[lL][oO][cC][kK]$)[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$";

/// The JSON Schema (draft 2020-12) of a manifest, pretty, with a newline at its end.
pub fn schema() -> String {
    let mut schema = object(SETTINGS);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("orch manifest");
    schema["$defs"] = json!({"phase": object(PHASE), "task": object(TASK)});
    format!("{schema:#}\n")
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.default.is_empty()).map(|field| field.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": true})
}

fn property(field: &Field) -> Value {
    let mut property = shape(field.shape);
    if !field.default.is_empty() {
        optional(&mut property);
        if let Ok(default) = serde_json::from_str::<Value>(field.default) {
            property["default"] = default;
        }
    }
    property["description"] = json!(field.doc);
    property
}

/// Lets null stand for the default.
fn optional(property: &mut Value) {
    if let Some(kind) = property.get("type").cloned() {
        property["type"] = json!([kind, "null"]);
    }
    if let Some(names) = property.get_mut("enum").and_then(Value::as_array_mut) {
        names.push(Value::Null);
    }
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({"type": "string"}),
        Shape::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Shape::Whole { least } => json!({"type": "integer", "minimum": least}),
        Shape::Number => json!({"type": "number", "minimum": 0}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Time => json!({"type": "string", "format": "date-time"}),
        Shape::OneOf(names) => json!({"type": "string", "enum": names}),
        Shape::Id => json!({"type": "string", "pattern": ID_PATTERN}),
        Shape::Ids => json!({"type": "array", "items": {"type": "string", "pattern": ID_PATTERN}}),
        Shape::Phases => json!({"type": "array", "items": {"$ref": "#/$defs/phase"}}),
        Shape::Tasks => json!({"type": "array", "items": {"$ref": "#/$defs/task"}}),
        Shape::Mark => json!({
            "type": "object",
            "properties": {"seq": {"type": "integer", "minimum": 0}, "offset": {"type": "integer", "minimum": 0}},
            "required": ["seq", "offset"],
        }),
    }
}
