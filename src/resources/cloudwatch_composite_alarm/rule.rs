//! The rule of a composite alarm: read, spelled in one way, and checked.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

const STATES: [&str; 3] = ["ALARM", "OK", "INSUFFICIENT_DATA"];
const CONSTANTS: [&str; 2] = ["TRUE", "FALSE"];
const AT_LEAST: &str = "AT_LEAST";
const CHILDREN: usize = 100;
const ELEMENTS: usize = 500;
/// AWS takes no deeper ones, and this bounds what is read.
const DEPTH: usize = 100;

/// A rule in one spelling: white space means nothing, and names are in quotes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Rule(String);

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "AlarmRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Rule {
    pub fn new(text: &str) -> Self {
        Self(spell(&tokens(text)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What CloudWatch would refuse.
    pub fn flaws(&self) -> Vec<String> {
        let tokens = tokens(&self.0);
        let mut flaws = Vec::new();
        let mut reader = Reader { rest: &tokens, depth: 0 };
        if let Err(what) = reader.whole() {
            flaws.push(what);
        }
        let names: BTreeSet<_> =
            tokens.iter().filter(|token| matches!(token, Token::Name(_))).collect();
        if names.len() > CHILDREN {
            flaws.push(format!("a rule has at most {CHILDREN} alarms, not {}", names.len()));
        }
        let elements = tokens.iter().filter(|token| match token {
            Token::Word(word) => CONSTANTS.contains(&word.as_str()),
            Token::Comma => false,
            _ => true,
        });
        let elements = elements.count();
        if elements > ELEMENTS {
            let what = "alarms, constants and parentheses";
            flaws.push(format!("a rule has at most {ELEMENTS} {what}, not {elements}"));
        }
        flaws
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Open,
    Close,
    Comma,
    Word(String),
    /// The name or ARN of an alarm, as it stands between quotes.
    Name(String),
}

/// The parts of a rule. What stands alone in the parentheses of a state is a name, quoted or not.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '"' => {
                let (name, length) = quoted(rest);
                (Token::Name(name), length)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "(),\"".contains(c);
                let length = rest.find(ends).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
        };
        let named = matches!(tokens.as_slice(), [.., Token::Word(state), Token::Open]
            if STATES.contains(&state.as_str()));
        tokens.push(match token {
            Token::Word(name) if named => Token::Name(name),
            token => token,
        });
        rest = rest[length..].trim_start();
    }
    tokens
}

/// A name without its quotes, and its bytes with them. In it, a quote has a backslash before it.
fn quoted(text: &str) -> (String, usize) {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return (text[1..at].to_owned(), at + 1),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    (text[1..].to_owned(), text.len())
}

fn spell(tokens: &[Token]) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let calls = |word: &str| STATES.contains(&word) || word == AT_LEAST;
        let glued = match (before, token) {
            (None | Some(Token::Open), _) | (_, Token::Close | Token::Comma) => true,
            (Some(Token::Word(word)), Token::Open) => calls(word),
            _ => false,
        };
        if !glued {
            out.push(' ');
        }
        match token {
            Token::Open => out.push('('),
            Token::Close => out.push(')'),
            Token::Comma => out.push(','),
            Token::Word(word) => out.push_str(word),
            Token::Name(name) => out.push_str(&format!("\"{name}\"")),
        }
    }
    out
}

/// Reads a rule as CloudWatch does: `NOT` binds closest, then `AND`, then `OR`.
struct Reader<'a> {
    rest: &'a [Token],
    depth: usize,
}

impl Reader<'_> {
    fn whole(&mut self) -> Result<(), String> {
        if self.rest.is_empty() {
            return Err("a rule says when the alarm goes off".into());
        }
        self.either()?;
        match self.rest.first() {
            None => Ok(()),
            Some(token) => Err(format!("before `{}` there has to be AND or OR", said(token))),
        }
    }

    fn either(&mut self) -> Result<(), String> {
        self.part()?;
        while self.takes("AND") || self.takes("OR") {
            self.part()?;
        }
        Ok(())
    }

    fn part(&mut self) -> Result<(), String> {
        while self.takes("NOT") {}
        let Some((token, rest)) = self.rest.split_first() else {
            return Err("the rule ends where an alarm has to stand".into());
        };
        self.rest = rest;
        match token {
            Token::Open if self.depth < DEPTH => {
                self.depth += 1;
                self.either()?;
                self.depth -= 1;
                self.closes()
            }
            Token::Word(word) if CONSTANTS.contains(&word.as_str()) => Ok(()),
            Token::Word(word) if STATES.contains(&word.as_str()) => match self.rest {
                [Token::Open, Token::Name(name), rest @ ..] if !name.is_empty() => {
                    self.rest = rest;
                    self.closes()
                }
                _ => Err(format!("`{word}` is of an alarm: `{word}(\"name\")`")),
            },
            Token::Word(word) if word == AT_LEAST => self.at_least(),
            token => {
                let words = STATES.iter().chain(&["NOT"]).chain(&CONSTANTS);
                let words = words.copied().collect::<Vec<_>>().join(", ");
                Err(format!("`{}` is none of {words}", said(token)))
            }
        }
    }

    /// `AT_LEAST(2, ALARM, ("a", "b"))`: so many of the alarms are in that state.
    fn at_least(&mut self) -> Result<(), String> {
        let mut open = 0_usize;
        while let Some((token, rest)) = self.rest.split_first() {
            self.rest = rest;
            open = match token {
                Token::Open => open + 1,
                Token::Close => open.saturating_sub(1),
                _ => open,
            };
            if open == 0 {
                return Ok(());
            }
        }
        Err("a parenthesis is not closed".into())
    }

    fn closes(&mut self) -> Result<(), String> {
        match self.rest.split_first() {
            Some((Token::Close, rest)) => {
                self.rest = rest;
                Ok(())
            }
            Some((token, _)) => Err(format!("before `{}` there has to be AND or OR", said(token))),
            None => Err("a parenthesis is not closed".into()),
        }
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let Some((Token::Word(word), rest)) = self.rest.split_first() else { return false };
        let taken = word == wanted;
        if taken {
            self.rest = rest;
        }
        taken
    }
}

fn said(token: &Token) -> String {
    spell(std::slice::from_ref(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_spelling() {
        for (written, spelled) in [
            ("ALARM(a)", r#"ALARM("a")"#),
            ("ALARM ( \"a b\" )", r#"ALARM("a b")"#),
            ("ALARM(\"a\")\n  OR\tOK( b )", r#"ALARM("a") OR OK("b")"#),
            ("NOT(ALARM(a)AND TRUE)", r#"NOT (ALARM("a") AND TRUE)"#),
            (r#"ALARM("say \"a\" ( now")"#, r#"ALARM("say \"a\" ( now")"#),
            ("ALARM(${late.name})", r#"ALARM("${late.name}")"#),
            ("AT_LEAST( 2,ALARM ,(a, b))", r#"AT_LEAST(2, ALARM, (a, b))"#),
            ("ALARM(arn:aws:cloudwatch:a:1:alarm:x)", r#"ALARM("arn:aws:cloudwatch:a:1:alarm:x")"#),
        ] {
            let rule = Rule::new(written);
            assert_eq!(rule.as_str(), spelled);
            assert_eq!(Rule::new(rule.as_str()), rule, "spelling it again changes nothing");
            assert_eq!(rule.flaws(), [""; 0], "{written}");
        }
    }

    #[test]
    fn what_cloudwatch_would_refuse_is_found_before() {
        let many: Vec<_> = (0..101).map(|n| format!("ALARM(a{n})")).collect();
        let deep = format!("{}TRUE{}", "(".repeat(300), ")".repeat(300));
        for (rule, told) in [
            ("", "says when"),
            ("ALARM(a) OR", "ends where"),
            ("ALARM(a) ALARM(b)", "before `ALARM` there has to be AND or OR"),
            ("(ALARM(a) OK(b))", "before `OK` there has to be"),
            ("ALARM(a) and OK(b)", "before `and` there has to be"),
            ("alarm(a)", "`alarm` is none of ALARM, OK"),
            ("ALARM", "`ALARM` is of an alarm"),
            ("ALARM()", "`ALARM` is of an alarm"),
            ("ALARM(\"\")", "`ALARM` is of an alarm"),
            ("(ALARM(a)", "not closed"),
            ("ALARM(a))", "before `)`"),
            (&many.join(" OR "), "at most 100 alarms, not 101"),
            (&deep, "at most 500"),
        ] {
            let flaws = Rule::new(rule).flaws();
            assert!(flaws.iter().any(|flaw| flaw.contains(told)), "{rule}: {flaws:?}");
        }
    }
}
