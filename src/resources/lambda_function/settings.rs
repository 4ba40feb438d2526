//! What a function runs on and where, and what it logs.

use std::collections::BTreeSet;

use aws_sdk_lambda::types as sdk;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The processors that it runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    #[default]
    #[serde(rename = "x86_64")]
    X8664,
    #[serde(rename = "arm64")]
    Arm64,
}

/// Which calls are traced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tracing {
    #[default]
    PassThrough,
    Active,
}

/// The network in which a function runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vpc {
    /// Ids, as `subnet-0a1b2c3d`; up to 16.
    pub subnets: BTreeSet<String>,
    /// Ids, as `sg-0a1b2c3d`; up to 5.
    pub security_groups: BTreeSet<String>,
}

/// What a function logs, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    pub format: Format,
    /// The log group's name; `default` is `/aws/lambda/` and the function's name, which Lambda
    /// makes itself where there is none.
    pub group: String,
    /// The least of what the code says; only with `format: json`.
    pub level: Level,
    /// The least of what Lambda says of the calls; only with `format: json`.
    pub system_level: SystemLevel,
}

pub(super) const DEFAULT_GROUP: &str = "default";

impl Default for Logging {
    fn default() -> Self {
        Self {
            format: Format::default(),
            group: DEFAULT_GROUP.to_owned(),
            level: Level::default(),
            system_level: SystemLevel::default(),
        }
    }
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// How grave what the code says is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

/// How grave what Lambda says is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SystemLevel {
    Debug,
    #[default]
    Info,
    Warn,
}

impl Architecture {
    /// Lambda tells a list of one.
    pub(super) fn read(told: &[sdk::Architecture]) -> Self {
        if told.contains(&sdk::Architecture::Arm64) { Self::Arm64 } else { Self::X8664 }
    }

    pub(super) fn sent(self) -> sdk::Architecture {
        match self {
            Self::X8664 => sdk::Architecture::X8664,
            Self::Arm64 => sdk::Architecture::Arm64,
        }
    }
}

impl Tracing {
    pub(super) fn read(told: Option<&sdk::TracingConfigResponse>) -> Self {
        let active = told.and_then(|told| told.mode()) == Some(&sdk::TracingMode::Active);
        if active { Self::Active } else { Self::PassThrough }
    }

    pub(super) fn sent(self) -> sdk::TracingConfig {
        let mode = match self {
            Self::PassThrough => sdk::TracingMode::PassThrough,
            Self::Active => sdk::TracingMode::Active,
        };
        sdk::TracingConfig::builder().mode(mode).build()
    }
}

impl Vpc {
    /// Empty lists are no network.
    pub(super) fn read(told: Option<&sdk::VpcConfigResponse>) -> Option<Self> {
        let told = told.filter(|told| !told.subnet_ids().is_empty())?;
        Some(Self {
            subnets: told.subnet_ids().iter().cloned().collect(),
            security_groups: told.security_group_ids().iter().cloned().collect(),
        })
    }

    pub(super) fn sent(vpc: Option<&Self>) -> sdk::VpcConfig {
        let listed = |ids: Option<&BTreeSet<String>>| {
            ids.map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
        };
        sdk::VpcConfig::builder()
            .set_subnet_ids(Some(listed(vpc.map(|vpc| &vpc.subnets))))
            .set_security_group_ids(Some(listed(vpc.map(|vpc| &vpc.security_groups))))
            .build()
    }
}

impl Logging {
    /// `default_group` is where a function of this name logs if it is told nothing.
    pub(super) fn read(told: Option<&sdk::LoggingConfig>, default_group: &str) -> Self {
        let Some(told) = told else { return Self::default() };
        let group = told.log_group().filter(|group| *group != default_group);
        let json = told.log_format() == Some(&sdk::LogFormat::Json);
        // Levels of a text log mean nothing.
        let level = told.application_log_level().filter(|_| json);
        let system_level = told.system_log_level().filter(|_| json);
        Self {
            format: if json { Format::Json } else { Format::Text },
            group: group.unwrap_or(DEFAULT_GROUP).to_owned(),
            level: level.map_or_else(Level::default, Level::read),
            system_level: system_level.map_or_else(SystemLevel::default, SystemLevel::read),
        }
    }

    pub(super) fn sent(&self, group: String) -> sdk::LoggingConfig {
        let sent = sdk::LoggingConfig::builder().log_group(group);
        match self.format {
            Format::Text => sent.log_format(sdk::LogFormat::Text).build(),
            Format::Json => sent
                .log_format(sdk::LogFormat::Json)
                .application_log_level(self.level.sent())
                .system_log_level(self.system_level.sent())
                .build(),
        }
    }
}

impl Level {
    fn read(told: &sdk::ApplicationLogLevel) -> Self {
        match told {
            sdk::ApplicationLogLevel::Trace => Self::Trace,
            sdk::ApplicationLogLevel::Debug => Self::Debug,
            sdk::ApplicationLogLevel::Warn => Self::Warn,
            sdk::ApplicationLogLevel::Error => Self::Error,
            sdk::ApplicationLogLevel::Fatal => Self::Fatal,
            _ => Self::Info,
        }
    }

    fn sent(self) -> sdk::ApplicationLogLevel {
        match self {
            Self::Trace => sdk::ApplicationLogLevel::Trace,
            Self::Debug => sdk::ApplicationLogLevel::Debug,
            Self::Info => sdk::ApplicationLogLevel::Info,
            Self::Warn => sdk::ApplicationLogLevel::Warn,
            Self::Error => sdk::ApplicationLogLevel::Error,
            Self::Fatal => sdk::ApplicationLogLevel::Fatal,
        }
    }
}

impl SystemLevel {
    fn read(told: &sdk::SystemLogLevel) -> Self {
        match told {
            sdk::SystemLogLevel::Debug => Self::Debug,
            sdk::SystemLogLevel::Warn => Self::Warn,
            _ => Self::Info,
        }
    }

    fn sent(self) -> sdk::SystemLogLevel {
        match self {
            Self::Debug => sdk::SystemLogLevel::Debug,
            Self::Info => sdk::SystemLogLevel::Info,
            Self::Warn => sdk::SystemLogLevel::Warn,
        }
    }
}
