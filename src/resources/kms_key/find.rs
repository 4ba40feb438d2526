//! Which of the account's keys is meant: the one that the alias names, or else the oldest that was
//! made for the alias and waits for it. A key that is ours beside it is its twin.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::DateTime;
use aws_sdk_kms::types::{AliasListEntry, KeyMetadata, KeyState, Tag};
use futures_util::StreamExt;
use futures_util::future::try_join_all;

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::place::OWNER_TAG;
use crate::kind::{Name, Outputs, Phase, Twin};
use crate::status::reading::rfc3339;

use super::super::Tags;
use super::{ABSENT, NAME_TAG, WINDOW_MAX, WINDOW_TAG, alias, named};

/// Keys without an alias that are asked for their tags at once.
const ASKED_AT_ONCE: usize = 16;
/// Keys that a race or a kill left beside each other were made within this time: KMS shows a new
/// key everywhere within minutes. One of another time was somebody's, and may have been in use.
const TOGETHER_SECONDS: i64 = 60 * 60;

/// The key that an identity leads to.
pub(super) struct Found {
    pub key: KeyMetadata,
    by: By,
}

/// What led to it.
enum By {
    Alias,
    /// It was asked for itself.
    Id,
    /// It has no alias; the others are as it is.
    Tags(Vec<Own>),
}

/// A key with our tags.
struct Own {
    key: KeyMetadata,
    tags: Tags,
}

/// Whether an identity is the id of a key, as `1234abcd-12ab-34cd-56ef-1234567890ab`.
pub(super) fn is_id(identity: &str) -> bool {
    let is_hex =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if let Some(rest) = identity.strip_prefix("mrk-") {
        return rest.len() == 32 && is_hex(rest);
    }
    let lengths: Vec<_> = identity.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && identity.split('-').all(is_hex)
}

pub(super) async fn find(api: &Client, aws: &Aws, identity: &Name) -> Result<Option<Found>, Fault> {
    let (asked, by) = match is_id(identity.as_str()) {
        true => (identity.to_string(), By::Id),
        false => (alias(identity), By::Alias),
    };
    match (described(api, &asked).await?, by) {
        (Some(key), by) => Ok(Some(Found { key, by })),
        (None, By::Id) => Ok(None),
        (None, _) => orphan(api, aws, identity).await,
    }
}

impl Found {
    /// The alias, or the id of a key that has none.
    pub fn name(&self, identity: &Name) -> Name {
        match self.by {
            By::Alias | By::Id => identity.clone(),
            By::Tags(_) => Name::new(self.key.key_id()),
        }
    }

    pub fn named(&self, identity: &Name) -> Outputs {
        match self.by {
            By::Alias | By::Tags(_) => named(identity),
            By::Id => Outputs::new(),
        }
    }

    /// The other keys of ours that were made for the same alias.
    pub async fn twins(
        &self,
        api: &Client,
        aws: &Aws,
        identity: &Name,
    ) -> Result<Vec<Twin>, Fault> {
        let twin = |own: &Own| twin(identity, &self.key, own);
        match &self.by {
            By::Id => Ok(Vec::new()),
            By::Tags(others) => Ok(others.iter().map(twin).collect()),
            By::Alias => {
                let others = others(api, aws, identity, self.key.key_id()).await?;
                Ok(others.iter().map(twin).collect())
            }
        }
    }
}

/// No step is done with a key before the alias names it, so that nothing was encrypted with the
/// other one of two that were made together.
fn twin(identity: &Name, kept: &KeyMetadata, other: &Own) -> Twin {
    let secs = |key: &KeyMetadata| key.creation_date().map(DateTime::secs);
    let apart = secs(kept).zip(secs(&other.key)).map(|(one, two)| one.abs_diff(two));
    let in_use = apart.is_none_or(|apart| apart > TOGETHER_SECONDS.unsigned_abs());
    let at = secs(kept).map_or_else(String::new, |at| format!(", made at {},", rfc3339(at)));
    let days = other.tags.get(WINDOW_TAG).cloned().unwrap_or_else(|| WINDOW_MAX.to_string());
    let kept = kept.key_id();
    let rest = match in_use {
        true => "; this one was made at another time and may have been in use".to_owned(),
        false => format!("; for {days} days the deletion of this one can be taken back"),
    };
    let why = format!("a second key for `{}`; {kept}{at} is kept{rest}", alias(identity));
    Twin { identity: Name::new(other.key.key_id()), why, in_use }
}

/// The key at an alias or id.
pub(super) async fn described(api: &Client, key: &str) -> Result<Option<KeyMetadata>, Fault> {
    let answer = api.describe_key().key_id(key).send().await.during("kms:DescribeKey");
    Ok(absent(answer, ABSENT)?.and_then(|found| found.key_metadata))
}

/// All tags of a key: it has at most fifty, one page.
pub(super) async fn tags_of(api: &Client, id: &str) -> Result<Option<Tags>, Fault> {
    let answer = api.list_resource_tags().key_id(id).limit(50).send().await;
    let found = absent(answer.during("kms:ListResourceTags"), ABSENT)?;
    let pair = |tag: &Tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned());
    Ok(found.map(|found| found.tags().iter().map(pair).collect()))
}

pub(super) fn phase(key: &KeyMetadata) -> Phase {
    let Some(state) = key.key_state() else { return Phase::Ready };
    let word = state.as_str().to_owned();
    match state {
        KeyState::Enabled | KeyState::Disabled => Phase::Ready,
        KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => Phase::Gone(word),
        KeyState::PendingImport | KeyState::Unavailable => Phase::Failed(word),
        _ => Phase::Settling(word),
    }
}

/// The oldest key that was made for this alias and never got it: everybody who looks gives the
/// alias to the same one.
///
/// The tagging API would be one call, but lists a young key late, and then there would be two. Keys
/// without an alias are few, and are asked one by one.
async fn orphan(api: &Client, aws: &Aws, identity: &Name) -> Result<Option<Found>, Fault> {
    let unnamed = unnamed(api, aws).await?;
    let mut ours = alive(api, aws, identity, unnamed.clone()).await?;
    // Those that show later are for the next run, which searches anew.
    let _ = aws.keys.set(unnamed);
    if ours.is_empty() {
        return Ok(None);
    }
    let others = ours.split_off(1);
    Ok(ours.pop().map(|own| Found { key: own.key, by: By::Tags(others) }))
}

/// The keys beside the one that the alias names. Who only looks believes the tagging API, which is
/// asked anyway; what changes things also asks the keys without an alias, once.
async fn others(api: &Client, aws: &Aws, identity: &Name, kept: &str) -> Result<Vec<Own>, Fault> {
    let listed = aws.listed().await.unwrap_or_default();
    let id = |arn: &str| Some(arn.split_once(":kms:")?.1.split_once(":key/")?.1.to_owned());
    let mut keys: BTreeMap<_, _> =
        listed.iter().filter_map(|(arn, tags)| Some((id(arn)?, tags.clone()))).collect();
    if !aws.only_looks() {
        let asked = aws.keys.get_or_try_init(|| unnamed(api, aws)).await;
        match asked {
            Err(fault) if fault.class == Class::Denied => {}
            asked => keys.extend(asked?.clone()),
        }
    }
    keys.remove(kept);
    alive(api, aws, identity, keys).await
}

/// Those of the keys that were made for this alias, the oldest first. One that waits for its end
/// was given up on purpose.
async fn alive(
    api: &Client,
    aws: &Aws,
    identity: &Name,
    keys: BTreeMap<String, Tags>,
) -> Result<Vec<Own>, Fault> {
    let is = |tags: &Tags, key, value: &str| tags.get(key).is_some_and(|tag| tag == value);
    let ours = |(_, tags): &(String, Tags)| {
        is(tags, OWNER_TAG, &aws.place.owner.0) && is(tags, NAME_TAG, identity.as_str())
    };
    let looks = keys.into_iter().filter(ours).map(|(id, tags)| async move {
        let key = described(api, &id).await?;
        Ok(key.filter(|key| !matches!(phase(key), Phase::Gone(_))).map(|key| Own { key, tags }))
    });
    let mut found: Vec<Own> = try_join_all(looks).await?.into_iter().flatten().collect();
    let made = |key: &KeyMetadata| key.creation_date().copied();
    found.sort_by_key(|own| (made(&own.key), own.key.key_id().to_owned()));
    Ok(found)
}

/// The keys of this owner that have no alias, with their tags.
async fn unnamed(api: &Client, aws: &Aws) -> Result<BTreeMap<String, Tags>, Fault> {
    let (keys, named) = futures_util::try_join!(key_ids(api), aliased(api))?;
    let mut asked = futures_util::stream::iter(keys.difference(&named))
        .map(|id| async move { (id, tags_of(api, id).await) })
        .buffer_unordered(ASKED_AT_ONCE);
    let mut ours = BTreeMap::new();
    while let Some((id, tags)) = asked.next().await {
        // Keys of others may refuse to tell; one of ours never does.
        let tags = match tags {
            Err(fault) if fault.class == Class::Denied => continue,
            other => other?.unwrap_or_default(),
        };
        if tags.get(OWNER_TAG) == Some(&aws.place.owner.0) {
            ours.insert(id.clone(), tags);
        }
    }
    Ok(ours)
}

async fn key_ids(api: &Client) -> Result<BTreeSet<String>, Fault> {
    let mut pages = api.list_keys().limit(1000).into_paginator().items().send();
    let mut ids = BTreeSet::new();
    while let Some(key) = pages.next().await {
        ids.extend(key.during("kms:ListKeys")?.key_id);
    }
    Ok(ids)
}

async fn aliased(api: &Client) -> Result<BTreeSet<String>, Fault> {
    let mut pages = api.list_aliases().limit(100).into_paginator().items().send();
    let mut ids = BTreeSet::new();
    while let Some(alias) = pages.next().await {
        let AliasListEntry { target_key_id, .. } = alias.during("kms:ListAliases")?;
        ids.extend(target_key_id);
    }
    Ok(ids)
}
