//! One test binary: each of them links the SDK.

mod bad;
mod blueprint;
mod toys;
