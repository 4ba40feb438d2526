//! One test binary; its modules mirror `src`.

mod cases;
mod fake;
mod toys;
mod world;
