//! A blueprint and the AWS it is for: the steps that every command with an AWS begins with.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::aws::Aws;
use crate::aws::calls::Calls;
use crate::aws::connect::Target;
use crate::blueprint::Desired;
use crate::jobs::Artifacts;
use crate::local::{ACCOUNT, Local};
use crate::observe::observe;
use crate::plan::Snapshot;
use crate::report::style::Style;
use crate::report::{calls, ending, say};

use super::args::{Account, Source};
use super::input::{Input, warn};
use super::outcome::{Error, Exit};
use super::signals::Signals;

/// A blueprint, and the account and region that it is about.
pub struct Session {
    pub input: Input,
    pub desired: Desired,
    pub aws: Aws,
    pub signals: Signals,
}

impl Session {
    pub async fn open(source: &Source, account: &Account) -> Result<Self, Error> {
        let input = Input::read(source, account.region.clone(), account.local)?;
        Self::of(input, account).await
    }

    /// The same for a command that is about the blueprint itself: its warnings are told first.
    pub async fn warned(source: &Source, account: &Account) -> Result<Self, Error> {
        let input = Input::read(source, account.region.clone(), account.local)?;
        warn(&input.load(None)?);
        Self::of(input, account).await
    }

    /// The blueprint is read before anything is called, and again where it asks for its account.
    pub async fn of(input: Input, account: &Account) -> Result<Self, Error> {
        let signals = Signals::new();
        let offline = input.load(None)?.desired;
        let (target, calls) = (target(account, &offline.region)?, Calls::default());
        tokio::spawn(calls.clone().watch(calls::tell));
        let mut aws = Aws::connect(&target, offline.owner.clone(), calls).await?;
        let asks = input.text.contains("${account}") || input.text.contains("${partition}");
        let desired = if asks { input.load(Some(&aws.place.account))?.desired } else { offline };
        aws.starts = Artifacts::of(&desired).map(|artifacts| artifacts.starts());
        Ok(Self { input, desired, aws, signals })
    }

    pub async fn observe(&self, style: Style) -> Result<Snapshot, Error> {
        observe(&self.aws.afresh(), &self.desired, &self.aws.place).await.map_err(|unknown| {
            say(&ending::unknown(&self.desired, &unknown, style));
            Error::Told(Exit::Failed)
        })
    }
}

fn target(account: &Account, region: &str) -> Result<Target, Error> {
    let mut target = Target {
        profile: account.profile.clone(),
        region: region.to_owned(),
        endpoint: account.endpoint_url.clone(),
        credentials: None,
    };
    if account.local {
        let server = Local::of_user()?.ensure(&say)?;
        target.endpoint = Some(server.endpoint());
        target.credentials = Some(local_credentials());
    }
    Ok(target)
}

fn local_credentials() -> SharedCredentialsProvider {
    let credentials = Credentials::builder()
        .access_key_id("local")
        .secret_access_key("local")
        .account_id(ACCOUNT)
        .provider_name("local");
    SharedCredentialsProvider::new(credentials.build())
}
