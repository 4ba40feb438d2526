//! Names as AWS will know them: literal before any call, and one of each.

use std::collections::BTreeMap;

use crate::kind::{Name, Outputs, Owner, Place};

use super::node::{self, Draft, SOME_ACCOUNT};
use super::problem::{Finding, Problems};
use super::text::{Part, references, scan, substitute};
use super::variables::Values;
use super::{Id, Node};

/// What a kind calls the output that is its name.
const NAME: &str = "name";

/// Makes every identity literal. A child may name its parent by `${parent.name}`, where the
/// parent's name is what the blueprint writes: that is filled in for the identity, and stays a
/// reference in the spec.
pub(super) fn settle(
    drafts: Vec<Draft>,
    values: &Values,
    owner: &Owner,
    problems: &mut Problems<'_>,
) -> BTreeMap<Id, Node> {
    let names = names(&drafts, values, owner);
    let mut nodes = BTreeMap::new();
    let mut taken: BTreeMap<(&'static str, Name), (Id, u32)> = BTreeMap::new();
    for mut draft in drafts {
        let Some(mut node) = draft.node.take() else { continue };
        if is_open(node.identity.as_str()) {
            match literal(&node, &draft, &names, problems) {
                Some(identity) => node.identity = identity,
                None => continue,
            }
        }
        let key = (node.kind.name(), node.identity.clone());
        if let Some((other, line)) = taken.get(&key) {
            let what = format!(
                "`{}` and `{other}` (line {line}) are both the {} `{}`",
                draft.id, key.0, node.identity
            );
            let finding = Finding::error(draft.spots.of_path(NAME), what);
            problems.add(finding.hint("give one of them another name"));
            continue;
        }
        taken.insert(key, (draft.id.clone(), draft.spot.line));
        nodes.insert(draft.id, node);
    }
    nodes
}

fn is_open(text: &str) -> bool {
    scan(text).iter().any(|part| matches!(part, Part::Reference { .. }))
}

/// The names that are known because the blueprint writes them.
fn names(drafts: &[Draft], values: &Values, owner: &Owner) -> BTreeMap<Id, Outputs> {
    let nodes = || drafts.iter().filter_map(|draft| Some((&draft.id, draft.node.as_ref()?)));
    if !nodes().any(|(_, node)| is_open(node.identity.as_str())) {
        return BTreeMap::new();
    }
    let place = Place {
        partition: values.partition.unwrap_or("aws").to_owned(),
        account: values.account.clone().unwrap_or_else(|| SOME_ACCOUNT.to_owned()),
        region: values.region.clone().unwrap_or_default(),
        owner: owner.clone(),
    };
    let written = nodes().filter_map(|(id, node)| {
        let name = node.identity.as_str();
        let told = node.kind.predict(&node.spec, &place).remove(NAME)?;
        let literal = told == name && !is_open(name);
        literal.then(|| (id.clone(), Outputs::from([(NAME.to_owned(), told)])))
    });
    written.collect()
}

fn literal(
    node: &Node,
    draft: &Draft,
    names: &BTreeMap<Id, Outputs>,
    problems: &mut Problems<'_>,
) -> Option<Name> {
    let own = node.spec.get(NAME).and_then(|name| name.as_str()).filter(|name| is_open(name));
    if own.is_some_and(|name| node.identity.as_str().contains(name)) {
        let what = "`name` is made of text and variables only";
        let hint = "names are known before anything is made: write the text, or a variable";
        let spot = draft.spots.of_path(NAME);
        problems.add(Finding::error(problems.first_reference(spot), what).hint(hint));
        return None;
    }
    let filled = match substitute(node.kind, &node.spec, names) {
        Ok(filled) => filled,
        Err(what) => {
            problems.add(Finding::error(draft.spot, what));
            return None;
        }
    };
    let normal = node::normal(node.kind, &filled, draft, problems)?;
    let Some(open) = references(&normal.identity.as_str().into()).into_iter().next() else {
        return Some(normal.identity);
    };
    let reference = format!("${{{}.{}}}", open.id, open.output);
    let spot = draft.spots.holding(&node.spec, &reference);
    let what = format!("`{reference}` is part of a name, and not known before it is made");
    let hint =
        "write the text, a variable, or `${id.name}` of something that has a name of its own";
    problems.add(Finding::error(problems.within(spot, &reference), what).hint(hint));
    None
}
