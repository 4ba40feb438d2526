//! The built program against the local AWS, as people use both: what it prints, how it exits, and
//! what AWS holds afterwards, looked at from outside with boto3.

mod adopt;
mod announce;
mod backfill;
mod delivery;
mod destroy;
mod failing;
mod flagship;
mod functions;
mod idle;
mod lock;
pub mod machine;
mod once;
mod path;
mod poison;
mod project;
mod protect;
mod redrive;
mod replace;
mod saved;
mod saying;
mod send;
mod signals;
mod status;
mod twins;

pub use project::{Ended, Project};
