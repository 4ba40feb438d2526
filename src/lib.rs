//! A blueprint goes through these modules from top to bottom.

pub mod apply; // Plan + Cloud           -> Report
pub mod blueprint; // YAML               -> Desired
pub mod folder; //                          a folder beside the blueprint, as a zip
pub mod jobs; // Desired + Runner        -> Report
pub mod kind; //                            what a Desired node knows of its kind
pub mod lock; //                            one apply or destroy at a time
pub mod observe; // Desired + Cloud      -> Snapshot
pub mod plan; // Desired + Snapshot      -> Plan
pub mod report; // Plan, Event, Report   -> terminal, JSON, Markdown
pub mod status; // Desired + Watch       -> Status
pub mod traffic; // a file, a queue      -> what is live

pub mod aws; // the SDK, behind the resources
pub mod cli;
pub mod cloud; // the seam
pub mod local; // the AWS on this machine
pub mod resources; // every kind of resource, behind the seam // commands: the lines above, composed
