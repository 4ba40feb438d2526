//! Spec types whose serde is canonical, so that equal values are equal JSON.

pub mod duration;
pub mod key;
pub mod name;
pub mod or_none;
pub mod policy;
pub mod tags;
