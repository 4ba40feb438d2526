//! (to come)
use super::{Desired, problem::Problem};
use crate::kind::Kind;
use std::collections::BTreeMap;
use std::path::Path;
#[derive(Default)]
pub struct Choice {
    pub environment: Option<String>,
    pub variables: BTreeMap<String, String>,
    pub region: Option<String>,
    pub account: Option<String>,
}
pub struct Loaded {
    pub desired: Desired,
    pub warnings: Vec<Problem>,
}
pub fn load(
    _f: &Path,
    _t: &str,
    _c: &Choice,
    _k: &[&'static dyn Kind],
) -> Result<Loaded, Vec<Problem>> {
    Err(vec![])
}
pub fn has_environment(_t: &str, _n: &str) -> bool {
    false
}
pub fn variables(_p: &Path, _t: &str) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    Err(vec![])
}
pub fn schema(_k: &[&'static dyn Kind]) -> serde_json::Value {
    serde_json::Value::Null
}
