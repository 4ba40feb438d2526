//! The built program against the local AWS, as people use both: what it prints, how it exits, and
//! what AWS holds afterwards, looked at from outside with boto3.

mod destroy;
mod failing;
mod flagship;
mod idle;
mod machine;
mod project;

pub use project::{Ended, Project};
