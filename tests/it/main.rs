//! One test binary; its modules mirror `src`.

mod apply;
mod cases;
mod fake;
mod next;
mod properties;
mod random;
mod tidy;
mod toys;
mod world;
