//! `--local`: an AWS on this machine. It is started here and the SDK is pointed at it; nothing
//! else in the program knows.

mod files;
mod http;
mod venv;

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// The only account of the local AWS.
pub const ACCOUNT: &str = "000000000000";

/// A started server answers within this time on a slow machine.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// It ends its Spark processes first.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

/// Why there is no local AWS.
#[derive(Debug)]
pub enum Trouble {
    NoHome,
    File {
        doing: String,
        error: io::Error,
    },
    /// A command that was needed failed; what it said last.
    Command {
        command: String,
        said: String,
    },
    /// The server did not answer; where its log is.
    Silent {
        log: PathBuf,
    },
    /// A server of another version of this program holds state.
    Other {
        endpoint: String,
    },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHome => write!(f, "the local AWS needs a home folder: set HOME"),
            Self::File { doing, .. } => write!(f, "cannot {doing}"),
            Self::Command { command, said } => write!(f, "`{command}` failed: {said}"),
            Self::Silent { log } => {
                write!(f, "the local AWS does not answer; its log is {}", log.display())
            }
            Self::Other { endpoint } => write!(
                f,
                "another version's local AWS runs at {endpoint}; \
                 `pipeline local stop` ends it and its state"
            ),
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            _ => None,
        }
    }
}

fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Trouble {
    let doing = what.into();
    move |error| Trouble::File { doing, error }
}

/// The folders of the local AWS: what can be made again, and its state.
#[derive(Debug, Clone)]
pub struct Local {
    pub cache: PathBuf,
    pub state: PathBuf,
}

/// A local AWS that answers.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    pub port: u16,
    pub pid: u32,
}

impl Server {
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Local {
    /// Under the user's cache and state folders.
    pub fn of_user() -> Result<Self, Trouble> {
        let home = || std::env::var_os("HOME").map(PathBuf::from).ok_or(Trouble::NoHome);
        let folder = |name: &str, default: &str| match std::env::var_os(name) {
            Some(path) => Ok(PathBuf::from(path)),
            None => Ok(home()?.join(default)),
        };
        Ok(Self {
            cache: folder("XDG_CACHE_HOME", ".cache")?.join("pipeline"),
            state: folder("XDG_STATE_HOME", ".local/state")?.join("pipeline/local"),
        })
    }

    /// The server that runs, if one does.
    pub fn find(&self) -> Option<Server> {
        let text = fs::read_to_string(self.state.join("server.json")).ok()?;
        let server: Server = serde_json::from_str(&text).ok()?;
        http::get(server.port, "/_local/health").is_ok().then_some(server)
    }

    /// The server that runs, or a new one. `tell` hears of what takes long.
    pub fn ensure(&self, tell: &dyn Fn(&str)) -> Result<Server, Trouble> {
        if let Some(server) = self.find() {
            let health = http::get(server.port, "/_local/health").unwrap_or_default();
            if health.contains(&files::version()) {
                return Ok(server);
            }
            return Err(Trouble::Other { endpoint: server.endpoint() });
        }
        let python = venv::ensure(&self.cache, tell)?;
        let folder = files::write(&self.cache)?;
        venv::warm(&python, &folder, tell);
        tell("starting the local AWS");
        self.start(&python, &folder)
    }

    fn start(&self, python: &Path, folder: &Path) -> Result<Server, Trouble> {
        let state = &self.state;
        fs::create_dir_all(state).map_err(doing(format!("make {}", state.display())))?;
        let _ = fs::remove_file(state.join("server.json"));
        let log = state.join("server.log");
        let output = fs::File::create(&log).map_err(doing(format!("write {}", log.display())))?;
        let errors = output.try_clone().map_err(doing("write the log"))?;
        Command::new(python)
            .arg(folder.join("serve.py"))
            .args(["--port", "0", "--version", &files::version(), "--dir"])
            .arg(state)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(doing(format!("start {}", python.display())))?;
        let started = Instant::now();
        while started.elapsed() < STARTS_WITHIN {
            if let Some(server) = self.find() {
                return Ok(server);
            }
            pause();
        }
        Err(Trouble::Silent { log })
    }

    /// Ends the server; its state goes with it. False where none runs.
    pub fn stop(&self) -> Result<bool, Trouble> {
        let Some(server) = self.find() else { return Ok(false) };
        let status = Command::new("kill").arg(server.pid.to_string()).status();
        status.map_err(doing(format!("end process {}", server.pid)))?;
        let started = Instant::now();
        while self.find().is_some() && started.elapsed() < STOPS_WITHIN {
            pause();
        }
        if self.find().is_some() {
            return Err(Trouble::Silent { log: self.state.join("server.log") });
        }
        fs::remove_dir_all(&self.state)
            .map_err(doing(format!("remove {}", self.state.display())))?;
        Ok(true)
    }

    /// Empties the server without ending it. False where none runs.
    pub fn reset(&self) -> Result<bool, Trouble> {
        let Some(server) = self.find() else { return Ok(false) };
        http::post(server.port, "/_local/reset", "{}").map_err(doing("reset the local AWS"))?;
        Ok(true)
    }
}

#[expect(clippy::disallowed_methods, reason = "a server that is starting is asked again")]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}
