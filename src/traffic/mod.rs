//! What goes through a pipeline that stands: records into its streams, and messages that came to
//! nothing back to where they came from.

mod batch;
mod key;
pub mod records;
pub mod redrive;
pub mod send;

pub use batch::Batch;
