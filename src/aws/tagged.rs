//! What carries the owner's tag, by the listings of the tagging API.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use aws_sdk_resourcegroupstagging::config::{Builder, Region, retry::RetryConfig};
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, Tag, TagFilter};
use aws_sdk_resourcegroupstagging::{Client, Config};

use crate::cloud::{Class, Fault};
use crate::kind::Owner;
use crate::kind::place::{ID_TAG, OWNER_TAG};

use super::{Aws, During};

/// How the keys of tags begin that only this program writes.
const OURS: &str = "pipeline:";

pub type Tags = BTreeMap<String, String>;

/// The tags that each resource should have, by its id in the blueprint.
pub type Hopes = BTreeMap<String, Tags>;

/// The owner's resources, as the tagging API lists them: ARNs and tags.
pub type Listing = Vec<(String, Tags)>;

impl Aws {
    /// For who only looks: where the listing shows the very tags that are hoped for, nobody asks
    /// the resource. The listing lags behind, so that what changes anything asks.
    pub fn hope(&mut self, hopes: Hopes) {
        self.hopes = hopes.into();
    }

    pub fn only_looks(&self) -> bool {
        !self.hopes.is_empty()
    }

    /// The tags of the resource at `arn`: as hoped for, or else as `ask` finds them.
    pub async fn tags(
        &self,
        arn: &str,
        ask: impl Future<Output = Result<Option<Tags>, Fault>>,
    ) -> Result<Option<Tags>, Fault> {
        self.tags_in(self.listed(), arn, ask).await
    }

    /// The same of what is in another listing.
    pub async fn tags_in(
        &self,
        listing: impl Future<Output = Result<Arc<Listing>, Fault>>,
        arn: &str,
        ask: impl Future<Output = Result<Option<Tags>, Fault>>,
    ) -> Result<Option<Tags>, Fault> {
        if !self.hopes.is_empty()
            && let Ok(listing) = listing.await
            && let Some(tags) = self.as_hoped(&listing, arn)
        {
            return Ok(Some(tags.clone()));
        }
        ask.await
    }

    fn as_hoped<'l>(&self, listing: &'l Listing, arn: &str) -> Option<&'l Tags> {
        let (_, tags) = listing.iter().find(|(listed, _)| listed == arn)?;
        // A note of our own, such as a key's name, is nobody's wish.
        let wished = |(key, _): &(&String, &String)| {
            !key.starts_with(OURS) || [OWNER_TAG, ID_TAG].contains(&key.as_str())
        };
        let hoped = self.hopes.get(tags.get(ID_TAG)?)?;
        tags.iter().filter(wished).eq(hoped).then_some(tags)
    }

    /// One listing for all services that the tagging API covers.
    pub async fn listed(&self) -> Result<Arc<Listing>, Fault> {
        let listing = list(Config::new(&self.config), &self.place.owner);
        self.once(&self.place.region, listing).await
    }

    /// What has no region is listed in one region of each partition. The account's rules or the
    /// network may close that region to us: then nothing is found there.
    pub async fn listed_at_home(&self) -> Result<Arc<Listing>, Fault> {
        let Some(home) = home(&self.place.partition).filter(|home| *home != self.place.region)
        else {
            return self.listed().await;
        };
        let config = Builder::from(&self.config)
            .region(Region::new(home))
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build();
        let listing = async {
            match list(config, &self.place.owner).await {
                Err(fault) if [Class::Denied, Class::Lost].contains(&fault.class) => Ok(Vec::new()),
                found => found,
            }
        };
        self.once(home, listing).await
    }
}

fn home(partition: &str) -> Option<&'static str> {
    match partition {
        "aws" => Some("us-east-1"),
        "aws-cn" => Some("cn-north-1"),
        "aws-us-gov" => Some("us-gov-west-1"),
        _ => None,
    }
}

async fn list(config: Config, owner: &Owner) -> Result<Listing, Fault> {
    let ours = TagFilter::builder().key(OWNER_TAG).values(&owner.0).build();
    let call = Client::from_conf(config).get_resources().tag_filters(ours);
    let mut pages = call.into_paginator().page_size(100).send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.during("tag:GetResources")?;
        found.extend(page.resource_tag_mapping_list().iter().filter_map(pair));
    }
    Ok(found)
}

fn pair(mapping: &ResourceTagMapping) -> Option<(String, Tags)> {
    let tag = |tag: &Tag| (tag.key().to_owned(), tag.value().to_owned());
    let ours = |(key, _): &(String, String)| !key.starts_with("aws:");
    let tags = mapping.tags().iter().map(tag).filter(ours).collect();
    Some((mapping.resource_arn()?.to_owned(), tags))
}
