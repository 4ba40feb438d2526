//! One test binary; its modules mirror `src`.

mod cases;
mod fake;
mod next;
mod toys;
mod world;
