//! The body of a dashboard: what it means, and what CloudWatch would refuse of it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value, json};

use crate::kind::Flaw;

const SORTS: [&str; 6] = ["metric", "text", "log", "alarm", "explorer", "custom"];
const WIDGETS: usize = 500;
const COLUMNS: u64 = 24;
const ROWS: u64 = 1000;

/// A dashboard's document. Two that mean the same are equal: a `null` is as good as nothing, and
/// `1.0` is `1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Body(Value);

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|map| Self(meant(Value::Object(map))))
    }
}

impl JsonSchema for Body {
    fn schema_name() -> Cow<'static, str> {
        "DashboardBody".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let of = |sort: &str, told: &str| json!({ "type": sort, "description": told });
        let text = |told: &str| of("string", told);
        let number = |told: &str| of("integer", told);
        let widget = json!({
            "type": "object",
            "properties": {
                "type": { "enum": SORTS, "description": "What it shows." },
                "x": number("The column where it begins, 0 to 23."),
                "y": number("The row where it begins."),
                "width": number("Columns it takes, of 24."),
                "height": number("Rows it takes, up to 1000."),
                "properties": {
                    "type": "object",
                    "description": "What it shows in detail, in CloudWatch's own words.",
                },
            },
            "required": ["type", "properties"],
            "additionalProperties": false,
        });
        json_schema!({
            "type": "object",
            "properties": {
                "widgets": {
                    "type": "array", "items": widget, "description": "What stands on the page.",
                },
                "start": text("Since when, as `-PT3H` or a time."),
                "end": text("Until when, where `start` is a time."),
                "periodOverride": text("`auto` or `inherit`: whose period a graph has."),
                "variables": {
                    "type": "array",
                    "items": { "type": "object" },
                    "description": "What can be chosen on the page.",
                },
            },
            "additionalProperties": false,
        })
    }
}

fn meant(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, meant(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(meant).collect(),
        Value::Number(number) => Value::Number(whole(number)),
        other => other,
    }
}

/// YAML and JSON both write some whole numbers with a point.
fn whole(number: Number) -> Number {
    /// Beyond it a float does not hold every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64().filter(|float| number.is_f64() && float.abs() < EXACT) {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        Some(float) if float.fract() == 0.0 => Number::from(float as i64),
        _ => number,
    }
}

impl Body {
    /// A text that is no JSON object is shown as it is: different from any that is written.
    pub fn read(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Self(meant(Value::Object(map))),
            _ => Self(json!({ "unreadable": text })),
        }
    }

    pub fn text(&self) -> String {
        self.0.to_string()
    }

    pub fn flaws(&self) -> Vec<Flaw> {
        let widgets = self.0.get("widgets").and_then(Value::as_array);
        let mut flaws = Vec::new();
        if widgets.is_some_and(|widgets| widgets.len() > WIDGETS) {
            let what = format!("a dashboard has at most {WIDGETS} widgets");
            flaws.push(Flaw::error("body.widgets", what));
        }
        for (index, one) in widgets.into_iter().flatten().enumerate() {
            widget(&format!("body.widgets.{index}"), one, &mut flaws);
        }
        flaws
    }
}

fn widget(path: &str, widget: &Value, flaws: &mut Vec<Flaw>) {
    let mut wrong = |field: &str, what: String| {
        let path = if field.is_empty() { path.to_owned() } else { format!("{path}.{field}") };
        flaws.push(Flaw::error(path, what));
    };
    for (field, most) in [("width", COLUMNS), ("height", ROWS)] {
        let size = widget.get(field).and_then(Value::as_u64);
        if size.is_some_and(|size| !(1..=most).contains(&size)) {
            wrong(field, format!("a widget's {field} is 1 to {most}"));
        }
    }
    let number = |field: &str, default| widget.get(field).map_or(Some(default), Value::as_u64);
    if let (Some(x), Some(width)) = (number("x", 0), number("width", 6))
        && x + width > COLUMNS
    {
        wrong("", format!("a dashboard has {COLUMNS} columns, and this ends at {}", x + width));
    }
    if widget.get("x").is_some() != widget.get("y").is_some() {
        wrong("", "a widget has both `x` and `y`, or neither".into());
    }
    let properties = &widget["properties"];
    let says = |field: &str| properties.get(field).is_some();
    match widget["type"].as_str().unwrap_or_default() {
        "metric" => {
            if !says("metrics") && !says("annotations") {
                wrong("properties", "a graph shows `metrics`, or an alarm in `annotations`".into());
            }
            if !says("region") {
                wrong("properties", "a graph needs the `region` of its metrics".into());
            }
        }
        "text" if !says("markdown") => wrong("properties", "a text needs `markdown`".into()),
        "alarm" if !says("alarms") => wrong("properties", "it needs `alarms`, their ARNs".into()),
        "log" if !says("region") => wrong("properties", "a query needs its `region`".into()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: &Value) -> Body {
        Body::deserialize(value).expect("a map")
    }

    #[test]
    fn bodies_of_one_meaning_are_equal() {
        let written = json!({"start": null, "widgets": [{"type": "text", "width": 6.0,
            "properties": {"markdown": "a", "background": null}}]});
        let told = r#"{ "widgets": [ { "properties": { "markdown": "a" },
            "width": 6, "type": "text" } ] }"#;
        assert_eq!(body(&written), Body::read(told));
        assert_eq!(Body::read(&body(&written).text()), body(&written));
    }

    #[test]
    fn what_differs_shows() {
        let one = json!({"widgets": [{"type": "text", "properties": {"markdown": "a"}}]});
        for other in [
            r#"{"widgets": []}"#,
            r#"{"widgets": [{"type": "text", "properties": {"markdown": "b"}}]}"#,
            r#"{"widgets": [{"type": "text", "x": 0.5, "properties": {"markdown": "a"}}]}"#,
            "no JSON at all",
            "[]",
        ] {
            assert_ne!(body(&one), Body::read(other), "{other}");
        }
    }

    #[test]
    fn what_cloudwatch_would_refuse_is_found_before() {
        let graph = |more: Value| {
            let mut graph = json!({"type": "metric",
                "properties": {"region": "eu-west-1", "metrics": [["AWS/SQS", "x"]]}});
            for (field, value) in more.as_object().into_iter().flatten() {
                graph[field] = value.clone();
            }
            graph
        };
        let first = "body.widgets.0";
        for (widget, paths) in [
            (graph(json!({})), vec![]),
            (graph(json!({"x": 12, "y": 0, "width": 12, "height": 1})), vec![]),
            (graph(json!({"width": 25})), vec!["body.widgets.0.width", first]),
            (graph(json!({"height": 0})), vec!["body.widgets.0.height"]),
            (graph(json!({"x": 20, "y": 0, "width": 12})), vec![first]),
            (graph(json!({"x": 3})), vec![first]),
            (graph(json!({"properties": {"metrics": []}})), vec!["body.widgets.0.properties"]),
            (graph(json!({"properties": {"region": "a"}})), vec!["body.widgets.0.properties"]),
            (json!({"type": "text", "properties": {}}), vec!["body.widgets.0.properties"]),
            (json!({"type": "alarm", "properties": {}}), vec!["body.widgets.0.properties"]),
            (json!({"type": "log", "properties": {}}), vec!["body.widgets.0.properties"]),
            (json!({"type": "custom", "properties": {}}), vec![]),
        ] {
            let flaws = body(&json!({ "widgets": [widget] })).flaws();
            let found: Vec<_> = flaws.iter().map(|flaw| flaw.path.as_str()).collect();
            assert_eq!(found, paths, "{widget}");
        }
        let many: Vec<_> = (0..501).map(|_| graph(json!({}))).collect();
        assert_eq!(body(&json!({ "widgets": many })).flaws().len(), 1);
    }
}
