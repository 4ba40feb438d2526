//! Of two long values only what differs: a dashboard has many widgets, and one of them changed.

use serde_json::Value;

/// A value that is written longer than this is not shown whole where a part of it will do.
const LONG: usize = 200;

/// A place in a field, and its two values there; null is nothing.
pub type Part<'a> = (String, &'a Value, &'a Value);

/// Where two values of a field differ. Short ones differ as a whole, and so do lists of plain
/// values, whose order may mean nothing.
pub fn parts<'a>(path: &str, before: &'a Value, after: &'a Value) -> Vec<Part<'a>> {
    let mut out = Vec::new();
    collect(path.to_owned(), before, after, &mut out);
    out
}

fn collect<'a>(path: String, before: &'a Value, after: &'a Value, out: &mut Vec<Part<'a>>) {
    let long = before.to_string().len().max(after.to_string().len()) > LONG;
    match (before, after) {
        (Value::Array(old), Value::Array(new)) if long && nested(old) && nested(new) => {
            items(&path, old, new, out);
        }
        (Value::Object(old), Value::Object(new)) if long => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                collect(format!("{path}.{key}"), at(old.get(key)), at(new.get(key)), out);
            }
        }
        _ if before != after => out.push((path, before, after)),
        _ => {}
    }
}

/// What both lists begin and end with is passed over, so that an item more is one difference.
fn items<'a>(path: &str, old: &'a [Value], new: &'a [Value], out: &mut Vec<Part<'a>>) {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let ends = old_rest.iter().rev().zip(new_rest.iter().rev());
    let tail = ends.take_while(|(old, new)| old == new).count();
    let old_rest = &old_rest[..old_rest.len() - tail];
    let new_rest = &new_rest[..new_rest.len() - tail];
    for index in 0..old_rest.len().max(new_rest.len()) {
        let (before, after) = (at(old_rest.get(index)), at(new_rest.get(index)));
        collect(format!("{path}[{}]", head + index), before, after, out);
    }
}

fn nested(list: &[Value]) -> bool {
    list.iter().all(|item| item.is_object() || item.is_array())
}

fn at(value: Option<&Value>) -> &Value {
    static NOTHING: Value = Value::Null;
    value.unwrap_or(&NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_long_list_only_what_differs_is_told() {
        let widget =
            |title: &str| json!({"type": "text", "text": {"title": title, "x": "y".repeat(250)}});
        let list = |titles: &[&str]| titles.iter().map(|title| widget(title)).collect::<Value>();
        let old = list(&["a", "b", "c"]);
        let told = |new: &Value| {
            let parts = parts("body.widgets", &old, new);
            parts.into_iter().map(|(path, ..)| path).collect::<Vec<_>>()
        };
        for (new, paths) in [
            (list(&["a", "b", "c"]), vec![]),
            (list(&["a", "x", "c"]), vec!["body.widgets[1].text.title"]),
            (list(&["x", "a", "b", "c"]), vec!["body.widgets[0]"]),
            (list(&["a", "c"]), vec!["body.widgets[1]"]),
            (list(&["a", "b", "c", "d"]), vec!["body.widgets[3]"]),
            (list(&[]), vec!["body.widgets[0]", "body.widgets[1]", "body.widgets[2]"]),
            (json!("none"), vec!["body.widgets"]),
        ] {
            assert_eq!(told(&new), paths, "{new}");
        }
    }

    #[test]
    fn what_is_short_or_plain_is_told_whole() {
        let plain = |last: &str| Value::from(vec!["a".repeat(300), last.to_owned()]);
        for (old, new) in [
            (json!([{"a": 1}]), json!([{"a": 2}])),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 2}})),
            (plain("c"), plain("d")),
            (Value::Null, plain("d")),
        ] {
            assert_eq!(parts("field", &old, &new), [("field".to_owned(), &old, &new)]);
        }
    }
}
