//! A resource that a command works with: it has to be there, and ours.

use crate::apply::next::Stop;
use crate::blueprint::nearest::suggest;
use crate::blueprint::{Desired, Id, Node};
use crate::cloud::Cloud;
use crate::kind::place::OWNER_TAG;
use crate::kind::{Live, Phase};
use crate::report::ending;

use super::account::Session;
use super::outcome::Error;

/// The resource of that id, if it is of this kind; `word` is what people call one.
pub fn named<'a>(
    desired: &'a Desired,
    id: &str,
    kind: &str,
    word: &str,
) -> Result<(&'a Id, &'a Node), Error> {
    let wanted = Id::new(id);
    let what = match desired.nodes.get_key_value(&wanted) {
        Some((id, node)) if node.kind.name() == kind => return Ok((id, node)),
        Some((id, node)) => format!("`{id}` is of kind {}, not {kind}", node.kind.name()),
        None => format!("the blueprint has no {word} `{id}`"),
    };
    let known = desired.nodes.iter().filter(|(_, node)| node.kind.name() == kind);
    let hint = suggest(id, known.map(|(id, _)| id.as_str()), &format!("its {word}s"));
    let hint = hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
    Err(Error::Other(format!("{what}{hint}")))
}

/// What AWS holds of it; it is not enough that it is on its way.
pub async fn standing(session: &Session, id: &Id, node: &Node) -> Result<Live, Error> {
    let identity = std::slice::from_ref(&node.identity);
    let look = session.aws.observe(node.kind.name(), identity).await.into_iter().next();
    let live = look.transpose()?.flatten();
    let there = live.ok_or_else(|| format!("`{id}` is not there: apply first")).and_then(|live| {
        let owner = session.desired.owner.0.as_str();
        match &live.phase {
            _ if live.tag(OWNER_TAG) != Some(owner) => {
                let owner = live.tag(OWNER_TAG).map(str::to_owned);
                Err(format!("`{id}`: {}", ending::stopped(&Stop::NotOurs(owner))))
            }
            Phase::Gone(how) | Phase::Leaving(how) => {
                Err(format!("`{id}` is not there, but {how}: apply first"))
            }
            Phase::Settling(how) if how == "CREATING" => {
                Err(format!("`{id}` is still {how}: apply first"))
            }
            Phase::Failed(why) => Err(format!("AWS gave up on `{id}`: {why}: apply first")),
            Phase::Ready | Phase::Settling(_) => Ok(live),
        }
    });
    there.map_err(Error::Other)
}
