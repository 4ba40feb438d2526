//! One test binary, since each of them links the SDK; its modules mirror `src`.

mod bad;
<<<<<<< HEAD
mod cases;
mod fake;
mod next;
mod properties;
mod random;
mod tidy;
mod toys;
mod world;
=======
mod blueprint;
mod toys;
>>>>>>> language
