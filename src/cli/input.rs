//! A blueprint as the command line chooses it: its file, environment, variables, and region.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::blueprint::load::{Choice, Loaded, load};
use crate::blueprint::peek::{self, has_environment};
use crate::kind::Kind;
use crate::report::say;
use crate::resources::KINDS;

use super::args::Source;
use super::outcome::{Error, file};

/// Larger files are refused before they are read.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A blueprint's text and the choices that go with it: all that reading it again needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    pub file: PathBuf,
    pub text: String,
    pub environment: Option<String>,
    pub variables: BTreeMap<String, String>,
    pub region: Option<String>,
}

impl Input {
    pub fn read(source: &Source, region: Option<String>, local: bool) -> Result<Self, Error> {
        let text = read(&source.file)?;
        let mut chosen = variables(&source.choice.var_files)?;
        chosen.extend(source.choice.vars.iter().cloned());
        let environment = match &source.choice.env {
            Some(environment) => Some(environment.clone()),
            None => (local && has_environment(&text, "local")).then(|| "local".to_owned()),
        };
        Ok(Self { file: source.file.clone(), text, environment, variables: chosen, region })
    }

    /// The blueprint, read. Its account is not known offline.
    pub fn load(&self, account: Option<&str>) -> Result<Loaded, Error> {
        let choice = Choice {
            environment: self.environment.clone(),
            variables: self.variables.clone(),
            region: self.region.clone(),
            account: account.map(str::to_owned),
        };
        load(&self.file, &self.text, &choice, &kinds()).map_err(Error::Blueprint)
    }
}

/// All that files of variables say; of two the later one counts.
pub fn variables(files: &[PathBuf]) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    for path in files {
        all.extend(peek::variables(path, &read(path)?).map_err(Error::Blueprint)?);
    }
    Ok(all)
}

/// Tells what is not wrong and may not be meant.
pub fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        say(&warning.to_string());
        say("");
    }
}

pub fn kinds() -> Vec<&'static dyn Kind> {
    KINDS.iter().map(|driver| *driver as &dyn Kind).collect()
}

fn read(path: &Path) -> Result<String, Error> {
    let reading = || format!("read {}", path.display());
    let size = fs::metadata(path).map_err(file(reading()))?.len();
    if size > BYTES_MAX {
        let what =
            format!("{} has {size} bytes; a blueprint has at most {BYTES_MAX}", path.display());
        return Err(Error::Other(what));
    }
    fs::read_to_string(path).map_err(file(reading()))
}
