//! What people type.

use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::blueprint::Id;
use crate::kind::values::duration as written;
use crate::report::style::Style;
use crate::report::text::Detail;

/// Provisions AWS data pipelines from YAML blueprints and runs their Spark jobs.
///
/// Exit codes: 0 done or nothing to do; 1 failed; 2 changes present (plan --detailed-exitcode);
/// 3 the blueprint is wrong; 4 live state moved since the plan; 5 somebody else holds the lock;
/// 6 a job failed; 130 and 143 on SIGINT and SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,

    /// Colour the output
    #[arg(long, value_enum, global = true, default_value = "auto")]
    pub color: Color,

    /// Tell more: every field of what is created
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

impl Args {
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR is for the command line to read")]
    pub fn style(&self) -> Style {
        let unwanted = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
        let coloured = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !unwanted && stdout().is_terminal() && stderr().is_terminal(),
        };
        if coloured { Style::Coloured } else { Style::Plain }
    }

    pub fn detail(&self) -> Detail {
        if self.verbose { Detail::EveryField } else { Detail::Short }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a blueprint, offline and without credentials
    Validate(Validate),
    /// Show what would change; changes nothing
    Plan(Plan),
    /// Make AWS as the blueprint says, then run the jobs that are due
    Apply(Apply),
    /// Take everything away
    Destroy(Destroy),
    /// Remove the lock that an apply or destroy left
    Unlock(Unlock),
    /// Run jobs now, again or with other parameters
    Run(Run),
    /// Show what is live: clusters, last runs of jobs, alarms, queues, deliveries
    Status(Status),
    /// Print the driver's output of a job's last run
    Logs(Logs),
    /// Put a file of records into a stream
    Send(Send),
    /// Move the messages of a dead-letter queue back to where they came from
    Redrive(Redrive),
    /// Print the JSON Schema of blueprints, for editors
    Schema,
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
    /// The AWS on this machine that --local uses
    Local {
        #[command(subcommand)]
        command: Local,
    },
}

/// Which blueprint, and what its variables are.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// The blueprint
    pub file: PathBuf,

    #[command(flatten)]
    pub choice: Choice,
}

#[derive(Debug, clap::Args)]
pub struct Choice {
    /// The environment of the blueprint
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,

    /// A variable of the blueprint
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub vars: Vec<(String, String)>,

    /// A YAML file of variables
    #[arg(long = "var-file", value_name = "FILE")]
    pub var_files: Vec<PathBuf>,
}

/// Which AWS.
#[derive(Debug, clap::Args)]
pub struct Account {
    /// The profile of the shared configuration
    #[arg(long)]
    pub profile: Option<String>,

    /// The region, instead of the blueprint's
    #[arg(long)]
    pub region: Option<String>,

    /// Send every call there
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,

    /// Use the AWS on this machine, which is started if need be
    #[arg(long, conflicts_with_all = ["profile", "endpoint_url"])]
    pub local: bool,
}

/// What a plan may touch.
#[derive(Debug, clap::Args)]
pub struct Scope {
    /// Only this resource and what it needs
    #[arg(long = "target", value_name = "ID")]
    pub targets: Vec<String>,

    /// Take over a resource that exists and is not ours
    #[arg(long = "adopt", value_name = "ID")]
    pub adopt: Vec<String>,

    /// Let go what holds data and is protected only by default, and the data with it
    #[arg(long)]
    pub delete_data: bool,
}

impl Scope {
    pub fn choice(&self) -> crate::plan::Choice {
        let ids = |ids: &[String]| ids.iter().map(Id::new).collect::<BTreeSet<_>>();
        crate::plan::Choice {
            adopt: ids(&self.adopt),
            targets: ids(&self.targets),
            delete_data: self.delete_data,
        }
    }
}

/// Whether to ask before something is done.
#[derive(Debug, clap::Args)]
pub struct Consent {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// How a plan is carried out.
#[derive(Debug, clap::Args)]
pub struct Doing {
    #[command(flatten)]
    pub consent: Consent,

    /// How many resources are worked on at once
    #[arg(long, value_name = "N", default_value_t = crate::apply::PARALLEL, value_parser = some)]
    pub parallelism: usize,

    /// How long to wait while another apply or destroy of this blueprint is under way, as 10m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub struct Validate {
    #[command(flatten)]
    pub source: Source,

    /// Check as --local would run it
    #[arg(long)]
    pub local: bool,
}

#[derive(Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub scope: Scope,

    /// Save the plan, for `apply`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,

    /// Exit with 2 if there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, clap::Args)]
pub struct Apply {
    /// The blueprint, or a plan saved by `plan --out`
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub scope: Scope,
    #[command(flatten)]
    pub doing: Doing,

    /// Run no job
    #[arg(long)]
    pub no_run: bool,
}

#[derive(Debug, clap::Args)]
pub struct Destroy {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub doing: Doing,

    /// Only this resource and what needs it
    #[arg(long = "target", value_name = "ID")]
    pub targets: Vec<String>,

    /// Let go what holds data and is protected only by default, and the data with it
    #[arg(long)]
    pub delete_data: bool,

    /// End clusters although steps are waiting or running there
    #[arg(long)]
    pub cancel_jobs: bool,
}

#[derive(Debug, clap::Args)]
pub struct Unlock {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub source: Source,

    /// The job; all jobs that are not manual where none is named
    pub job: Option<String>,

    #[command(flatten)]
    pub account: Account,

    /// A parameter of the job
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub params: Vec<(String, String)>,

    #[command(flatten)]
    pub backfill: Backfill,
}

/// One job for many hours.
#[derive(Debug, clap::Args)]
pub struct Backfill {
    /// Run the job once for each hour from this one on, as 2013-01-15T10 or 2013-01-15: its
    /// parameter `hour` says which. Hours that have succeeded are skipped
    #[arg(long, value_name = "HOUR", requires_all = ["to", "job"])]
    pub from: Option<String>,

    /// The last of the hours, included; a date alone means its last hour
    #[arg(long, value_name = "HOUR", requires = "from")]
    pub to: Option<String>,

    /// Run hours again that have succeeded
    #[arg(long, requires = "from")]
    pub again: bool,

    /// How many hours are worked on at once
    #[arg(long, value_name = "N", requires = "from", value_parser = some,
          default_value_t = crate::jobs::backfill::PARALLEL)]
    pub parallelism: usize,
}

#[derive(Debug, clap::Args)]
pub struct Status {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub account: Account,

    #[arg(long, value_enum, default_value = "text")]
    pub format: StatusFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    Text,
    Json,
}

#[derive(Debug, clap::Args)]
pub struct Logs {
    #[command(flatten)]
    pub source: Source,

    /// The job
    pub job: String,

    #[command(flatten)]
    pub account: Account,
}

#[derive(Debug, clap::Args)]
pub struct Send {
    #[command(flatten)]
    pub source: Source,

    /// The stream's id in the blueprint
    pub stream: String,

    /// A record a line, compressed by gzip or not; `-` is standard input
    pub events: PathBuf,

    #[command(flatten)]
    pub account: Account,

    /// The field of a record that is its partition key, instead of a hash of the record
    #[arg(long, value_name = "FIELD")]
    pub key: Option<String>,

    /// Begin at this line
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub from_line: u64,
}

#[derive(Debug, clap::Args)]
pub struct Redrive {
    #[command(flatten)]
    pub source: Source,

    /// The id of the dead-letter queue in the blueprint, or of a queue that has one
    pub queue: String,

    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub consent: Consent,

    /// The queue that gets the messages, where several share the dead-letter queue
    #[arg(long, value_name = "ID")]
    pub to: Option<String>,

    /// Show some of the messages and their reasons first, up to 10
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=10))]
    pub show: Option<u8>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Local {
    /// Start it
    Start,
    /// Tell whether and where it runs
    Status,
    /// Empty it
    Reset,
    /// End it; its state goes with it
    Stop,
}

fn some(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a whole number, 1 or more".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    let length = written::Duration::parse(text)?;
    Ok(Duration::from_secs(length.seconds))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() { Err("write NAME=VALUE".into()) } else { Ok((name.into(), value.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_at_once_is_refused() {
        for (number, taken) in
            [("1", true), ("500", true), ("0", false), ("-1", false), ("x", false)]
        {
            let words = ["pipeline", "apply", "a.yaml", &format!("--parallelism={number}")];
            assert_eq!(Args::try_parse_from(words).is_ok(), taken, "{number}");
        }
    }
}
