//! A local AWS for tests: its own state, the user's own installation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_pipeline");

/// What every look from outside begins with.
const OUTSIDE: &str = r#"
import json, sys
from outside import *
"#;

/// A local AWS that runs. It ends, and its state goes, when this is dropped or this process ends
/// in whatever way.
pub struct Machine {
    pub state: PathBuf,
    folder: PathBuf,
    endpoint: String,
    guard: Child,
}

/// The one that tests share who keep to names of their own and leave its clock alone.
pub fn shared() -> &'static Machine {
    static SHARED: LazyLock<Machine> = LazyLock::new(Machine::start);
    &SHARED
}

impl Machine {
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("pipeline-e2e-").expect("there is room").keep();
        let state = folder.join("state");
        let guard = guard(&folder, &state);
        let mut start = Command::new(PROGRAM);
        start.args(["local", "start"]).env("XDG_STATE_HOME", &state).stdin(Stdio::null());
        let started = start.output().expect("the program runs");
        let said = String::from_utf8_lossy(&started.stdout).into_owned();
        let said_else = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "no local AWS: {said}{said_else}");
        let endpoint = said.split_whitespace().last().expect("it says where").to_owned();
        Self { state, folder, endpoint, guard }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn port(&self) -> u16 {
        let (_, port) = self.endpoint.rsplit_once(':').expect("an endpoint has a port");
        port.parse().expect("a port is a number")
    }

    /// The Python of the local AWS, which has boto3 and pyarrow.
    pub fn python(&self) -> Command {
        let server = fs::read_to_string(self.state.join("pipeline/local/server.json"));
        let server: Value = serde_json::from_str(&server.expect("it runs")).expect("JSON");
        let command = fs::read(format!("/proc/{}/cmdline", server["pid"])).expect("it still runs");
        let python = command.split(|byte| *byte == 0).next().expect("a command has a name");
        Command::new(String::from_utf8_lossy(python).as_ref())
    }

    /// What a few lines of Python find with boto3: the value of the last expression, as JSON.
    pub fn outside(&self, script: &str) -> Value {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/e2e");
        let mut python = self.python();
        python.args(["-B", "-c", &format!("{OUTSIDE}{script}")]);
        python.env("PYTHONPATH", here).env("ENDPOINT", &self.endpoint);
        let ended = python.stdin(Stdio::null()).output().expect("Python runs");
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{script}\n{errors}");
        let out = String::from_utf8_lossy(&ended.stdout);
        let last = out.lines().last().unwrap_or("null");
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Waits for the end of this process, or of the pipe to it, and cleans up after it.
fn guard(folder: &Path, state: &Path) -> Child {
    use std::os::unix::process::CommandExt;
    let script = r#"cat > /dev/null; "$0" local stop; rm -rf "$1""#;
    let mut guard = Command::new("sh");
    guard.args(["-c", script, PROGRAM]).arg(folder).env("XDG_STATE_HOME", state);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    guard.spawn().expect("there is a shell")
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        assert!(!self.folder.exists(), "{} is left", self.folder.display());
    }
}
