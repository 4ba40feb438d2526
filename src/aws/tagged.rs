//! What carries the owner's tag, by one listing of the tagging API.

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, Tag, TagFilter};
use tokio::sync::OnceCell;

use crate::cloud::Fault;
use crate::kind::place::{ID_TAG, OWNER_TAG};

use super::{Aws, During};

/// How the keys of tags begin that only this program writes.
const OURS: &str = "pipeline:";

pub type Tags = BTreeMap<String, String>;

/// The owner's resources as they were when first listed, and the tags that each should have.
#[derive(Debug, Default)]
pub struct Tagged {
    /// By the id in the blueprint.
    hopes: BTreeMap<String, Tags>,
    listing: OnceCell<Vec<(String, Tags)>>,
}

impl Aws {
    /// For who only looks: where the listing shows the very tags that are hoped for, nobody asks
    /// the resource. The listing lags behind, so that what changes anything asks.
    pub fn hope(&mut self, hopes: BTreeMap<String, Tags>) {
        self.tagged = Tagged { hopes, listing: OnceCell::new() }.into();
    }

    pub fn only_looks(&self) -> bool {
        !self.tagged.hopes.is_empty()
    }

    /// The tags of the resource at `arn`: as hoped for, or else as `ask` finds them.
    pub async fn tags(
        &self,
        arn: &str,
        ask: impl Future<Output = Result<Option<Tags>, Fault>>,
    ) -> Result<Option<Tags>, Fault> {
        match self.as_hoped(arn).await {
            Some(tags) => Ok(Some(tags)),
            None => ask.await,
        }
    }

    async fn as_hoped(&self, arn: &str) -> Option<Tags> {
        let hopes = &self.tagged.hopes;
        if hopes.is_empty() {
            return None;
        }
        let listing = self.listed().await.ok()?;
        let (_, tags) = listing.iter().find(|(listed, _)| listed == arn)?;
        // A note of our own, such as a key's name, is nobody's wish.
        let wished = |(key, _): &(&String, &String)| {
            !key.starts_with(OURS) || [OWNER_TAG, ID_TAG].contains(&key.as_str())
        };
        let hoped = hopes.get(tags.get(ID_TAG)?)?;
        tags.iter().filter(wished).eq(hoped).then(|| tags.clone())
    }

    /// One listing for all services that the tagging API covers.
    pub async fn listed(&self) -> Result<&[(String, Tags)], Fault> {
        let listing = self.tagged.listing.get_or_try_init(async || {
            let owner = &self.place.owner.0;
            let ours = TagFilter::builder().key(OWNER_TAG).values(owner).build();
            let call = Client::new(&self.config).get_resources().tag_filters(ours);
            let mut pages = call.into_paginator().page_size(100).send();
            let mut found = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.during("tag:GetResources")?;
                found.extend(page.resource_tag_mapping_list().iter().filter_map(pair));
            }
            Ok(found)
        });
        listing.await.map(Vec::as_slice)
    }
}

fn pair(mapping: &ResourceTagMapping) -> Option<(String, Tags)> {
    let tag = |tag: &Tag| (tag.key().to_owned(), tag.value().to_owned());
    let ours = |(key, _): &(String, String)| !key.starts_with("aws:");
    let tags = mapping.tags().iter().map(tag).filter(ours).collect();
    Some((mapping.resource_arn()?.to_owned(), tags))
}
