//! One test binary, since each of them links the SDK; its modules mirror `src`.

mod bad;
mod cases;
mod e2e;
mod fake;
mod next;
mod toys;
mod world;
