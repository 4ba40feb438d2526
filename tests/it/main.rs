//! One test binary, since each of them links the SDK; its modules mirror `src`.

mod apply;
mod bad;
mod blueprint;
mod cases;
mod docs;
mod e2e;
mod fake;
mod glue_workflow;
mod json_schema;
mod kinds;
mod links;
mod lock;
mod next;
mod properties;
mod python;
mod random;
mod report;
mod spark;
mod specimens;
mod status;
mod tidy;
mod toys;
mod trigger;
mod twins;
mod wire;
mod world;
