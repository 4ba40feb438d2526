//! YAML text into a `Tree` that knows where each of its values stands. Nothing else names the
//! YAML crate.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

use super::problem::Finding;
use super::tree::{Entry, Key, Spot, Tree, Yaml};

/// What a file may cost, so that a hostile or broken one ends in an error and not in swap.
pub const DEPTH_MAX: usize = 32;
pub const NODES_MAX: usize = 400_000;
pub const ALIASES_MAX: usize = 10_000;
const REPLAYED_MAX: usize = 200_000;

/// Reads one document. Strict booleans, no duplicate keys, a budget on what it may grow to.
pub(super) fn read(text: &str) -> Result<Tree, Finding> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let skipped = u32::try_from(text.len() - body.len()).expect("a mark is three bytes");
    match serde_saphyr::from_str_with_options::<Spanned<Node>>(body, options()) {
        Ok(root) => Ok(Reader { text, skipped }.tree(root)),
        Err(error) => Err(unreadable(&error, text, skipped)),
    }
}

fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        max_nodes: NODES_MAX,
        max_events: NODES_MAX * 3,
        max_aliases: ALIASES_MAX,
        max_documents: 1,
        enforce_alias_anchor_ratio: false,
    };
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = REPLAYED_MAX;
    serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        alias_limits: aliases,
        with_snippet: false,
    }
}

/// What the crate hands over, before it has been looked at beside its source.
enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or_else(|| Node::Text(value.to_string()), Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

/// Turns what the crate hands over into a `Tree`, looking at the source where the crate's idea
/// of a number is wider than YAML 1.2's.
struct Reader<'a> {
    text: &'a str,
    /// Bytes before the body: a byte order mark.
    skipped: u32,
}

impl Reader<'_> {
    fn tree(&self, node: Spanned<Node>) -> Tree {
        let spot = self.spot(node.defined);
        let value = match node.value {
            Node::Null => Yaml::Null,
            Node::Bool(value) => Yaml::Bool(value),
            Node::Number(number) => self.number(number, spot),
            Node::Text(text) => Yaml::Text(text),
            Node::List(items) => Yaml::List(items.into_iter().map(|i| self.tree(i)).collect()),
            Node::Map(entries) => Yaml::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let spot = self.spot(key.defined);
                        Entry { key: Key { text: key.value, spot }, value: self.tree(value) }
                    })
                    .collect(),
            ),
        };
        Tree { spot, value }
    }

    /// `1_000`, `0b11` and `012345678901` are text: only what YAML 1.2 calls a number is one, and
    /// an account's id keeps its zeros.
    fn number(&self, number: Number, spot: Spot) -> Yaml {
        let Some(source) = self.text.get(spot.range()).map(str::trim) else {
            return Yaml::Number(number);
        };
        let digits = source.trim_start_matches(['-', '+']);
        let padded =
            digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let binary = digits.starts_with("0b") || digits.starts_with("0B");
        if source.contains('_') || padded || binary {
            Yaml::Text(source.to_owned())
        } else {
            Yaml::Number(number)
        }
    }

    fn spot(&self, location: Location) -> Spot {
        spot(location, self.skipped)
    }
}

fn spot(location: Location, skipped: u32) -> Spot {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let span = location.span();
    let from = small(span.byte_offset().unwrap_or(0)) + skipped;
    Spot {
        line: small(location.line()).max(1),
        column: small(location.column()).max(1),
        from,
        to: from + small(span.byte_len().unwrap_or(0)),
    }
}

fn unreadable(error: &Error, text: &str, skipped: u32) -> Finding {
    let mut spot = error.location().map_or_else(Spot::default, |location| spot(location, skipped));
    if spot.from == spot.to {
        (spot.from, spot.to) = bytes(text, spot);
    }
    if text.get(..spot.from as usize).is_some_and(|before| before.ends_with('$'))
        && text[spot.from as usize..].starts_with('{')
    {
        spot = Spot { column: spot.column - 1, from: spot.from - 1, ..spot };
        let what = "`${` cannot stand between brackets without quotes";
        return Finding::error(spot, what).hint("put the whole text in quotes");
    }
    let (what, hint) = explain(error);
    let earlier = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => earlier(text, spot, key),
        _ => None,
    };
    let earlier = earlier.map(|line| format!("it stands in line {line} already"));
    Finding::error(spot, what).maybe(earlier.or_else(|| hint.map(str::to_owned)))
}

/// The bytes of the character at a line and column: the parser counts only those.
fn bytes(text: &str, spot: Spot) -> (u32, u32) {
    // A complaint about the end may point behind it.
    let line = text.split('\n').nth(spot.line as usize - 1).unwrap_or(&text[text.len()..]);
    let begin = line.as_ptr() as usize - text.as_ptr() as usize;
    let mut from = line.char_indices().map(|(index, c)| (index, c.len_utf8()));
    let (index, length) = from.nth(spot.column as usize - 1).unwrap_or((line.len(), 0));
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (small(begin + index), small(begin + index + length))
}

/// The line of the same key above, in the same map of a block.
fn earlier(text: &str, spot: Spot, key: &str) -> Option<usize> {
    let indent = spot.column as usize - 1;
    let lines: Vec<&str> = text.split('\n').take(spot.line as usize - 1).collect();
    for (index, line) in lines.iter().enumerate().rev() {
        let body = line.trim_start();
        let begins = line.len() - body.len();
        if body.is_empty() || body.starts_with('#') || begins > indent {
            continue;
        }
        if begins < indent {
            return None;
        }
        let written = body.split_once(':').map(|(key, _)| key.trim_matches(['"', '\'', ' ']));
        if written == Some(key) {
            return Some(index + 1);
        }
    }
    None
}

fn explain(error: &Error) -> (String, Option<&'static str>) {
    match error {
        Error::AliasError { error, .. } => explain(error),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("`{key}` is written twice"), Some("keep one of the two"))
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            ("a key is written twice".into(), Some("keep one of the two"))
        }
        Error::MultipleDocuments { .. } => {
            ("a blueprint is one YAML document".into(), Some("remove what follows `---`"))
        }
        Error::UnknownAnchor { .. } => (
            "this alias has no anchor".into(),
            Some("write `&name` before its value, or quote a text that begins with `*`"),
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("this alias stands inside its own anchor".into(), None)
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            ("`<<` merges a map, or a list of maps".into(), None)
        }
        Error::AliasReplayLimitExceeded { .. } => {
            (format!("aliases grow the file to more than {REPLAYED_MAX} values"), None)
        }
        Error::AliasReplayStackDepthExceeded { max_depth, .. } => {
            (format!("aliases stand in one another more than {max_depth} deep"), None)
        }
        Error::Budget { breach, .. } => (over_budget(breach), None),
        Error::ExternalMessage { msg, .. } => parser_says(msg),
        Error::NullIntoString { .. } | Error::TaggedScalarCannotDeserializeIntoString { .. } => {
            ("a key is text".into(), None)
        }
        Error::Unexpected { .. } => {
            ("a key is a single text".into(), Some("quote it if it begins with `{` or `[`"))
        }
        other => {
            let told = other.render();
            let what = told.split(" at line ").next().unwrap_or_default();
            (format!("not YAML: {what}"), None)
        }
    }
}

fn over_budget(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => format!("nested more than {DEPTH_MAX} deep"),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("more than {NODES_MAX} values")
        }
        BudgetBreach::Aliases { .. } => format!("more than {ALIASES_MAX} aliases"),
        BudgetBreach::Documents { .. } => "a blueprint is one YAML document".into(),
        other => format!("more YAML than is read: {other:?}"),
    }
}

/// What the parser says, what it means to a person, and what to do.
const SAYINGS: [(&str, &str, &str); 22] = [
    (
        "mapping values are not allowed",
        "a `:` cannot stand here",
        "quote a text that has `: ` in it; keys of one map begin in one column",
    ),
    ("unclosed quote", "this quote is never closed", "close it"),
    (
        "invalid indentation in multiline quoted scalar",
        "a text in quotes goes on here",
        "close the quote above, or indent the lines of a long text",
    ),
    ("tabs disallowed", "a tab cannot indent", "indent with spaces"),
    ("unclosed bracket", "this bracket is never closed", "close it"),
    (
        "illegal placement of ':'",
        "a `:` cannot stand here",
        "close the bracket above, or quote the text",
    ),
    ("invalid trailing content", "nothing follows a closed quote", "put all of the text in quotes"),
    (
        "did not find expected key",
        "a key is expected here, as `key: value`",
        "keys of one map begin in one column; an entry of a list begins with `- `",
    ),
    (
        "did not find expected '-'",
        "an entry of the list is expected here, as `- value`",
        "entries of one list begin in one column",
    ),
    (
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "begin it on a line of its own",
    ),
    (
        "while scanning an anchor or alias",
        "`*` and `&` begin the name of an anchor",
        "put a text that begins with them in quotes",
    ),
    (
        "unknown escape character",
        "there is no such escape",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    ("simple key expected ':'", "`: ` is missing after this key", "write `key: value`"),
    ("misplaced bracket", "there is nothing to close here", "take the bracket out"),
    (
        "mismatched bracket",
        "this bracket is closed by one of the other sort",
        "close it with its own",
    ),
    (
        "\"-\" is only valid inside a block",
        "`-` cannot stand between brackets",
        "separate entries with `,`, or quote a text that begins with `-`",
    ),
    ("scanning a block scalar", "nothing follows `|` or `>` in its line", "begin the text below"),
    ("found a tab", "a tab cannot stand here", "use spaces"),
    ("comments must be separated", "a comment begins with ` #`", "put a space before it"),
    ("expected <document start>", "the blueprint is over before this line", "indent it alike"),
    ("did not find expected ',' or ']'", "`,` or `]` is expected here", "close the list"),
    ("did not find expected ',' or '}'", "`,` or `}` is expected here", "close the map"),
];

fn parser_says(message: &str) -> (String, Option<&'static str>) {
    if let Some(sign) = message.strip_prefix("unexpected character: `") {
        let sign = match sign.trim_end_matches('\'') {
            "`" => "a backtick".to_owned(),
            sign => format!("`{sign}`"),
        };
        return (format!("a text cannot begin with {sign}"), Some("put it in quotes"));
    }
    let known = SAYINGS.iter().find(|(says, ..)| message.contains(says));
    match known {
        Some((_, what, hint)) => ((*what).to_owned(), Some(hint)),
        None => (format!("not YAML: {message}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match read(text) {
            Ok(tree) => tree.to_json().to_string(),
            Err(Finding { spot, what, .. }) => format!("{}:{} {what}", spot.line, spot.column),
        }
    }

    #[test]
    fn scalars_have_the_types_of_yaml_1_2() {
        let text = "[yes, on, True, ~, '5', 5, 1_000, 0x1F, 0b11, 012, 1e3, -3, 012345678901]";
        let read =
            r#"["yes","on",true,null,"5",5,"1_000",31,"0b11","012",1000.0,-3,"012345678901"]"#;
        assert_eq!(shown(text), read);
    }
}
