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

/// What a server says that finds another one in its folder.
const TAKEN: i32 = 75;

/// A local AWS that answers: what it wrote when it started, and says of itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    pub port: u16,
    pub pid: u32,
    version: String,
    started: f64,
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

    /// The server that runs, if one does. What a killed one wrote stays behind, and its port and
    /// its process may be another's by now: only who says the same of itself is believed.
    pub fn find(&self) -> Option<Server> {
        let text = fs::read_to_string(self.state.join("server.json")).ok()?;
        let server: Server = serde_json::from_str(&text).ok()?;
        let health = http::get(server.port, "/_local/health").ok()?;
        let told: Server = serde_json::from_str(&health).ok()?;
        (told == server).then_some(server)
    }

    /// The server that runs, or a new one. `tell` hears of what takes long.
    pub fn ensure(&self, tell: &dyn Fn(&str)) -> Result<Server, Trouble> {
        if let Some(server) = self.find() {
            return ours(server);
        }
        let python = venv::ensure(&self.cache, tell)?;
        let folder = files::write(&self.cache)?;
        venv::warm(&python, &folder, tell);
        tell("starting the local AWS");
        ours(self.start(&python, &folder)?)
    }

    fn start(&self, python: &Path, folder: &Path) -> Result<Server, Trouble> {
        let state = &self.state;
        fs::create_dir_all(state).map_err(doing(format!("make {}", state.display())))?;
        let log = state.join("server.log");
        let output = fs::File::options().create(true).append(true).open(&log);
        let output = output.map_err(doing(format!("write {}", log.display())))?;
        let errors = output.try_clone().map_err(doing("write the log"))?;
        let mut child = Command::new(python)
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
            // Of two that start at once the second leaves, and the first one is waited for.
            let ended = child.try_wait().ok().flatten();
            if ended.is_some_and(|status| status.code() != Some(TAKEN)) {
                break;
            }
            pause();
        }
        Err(Trouble::Silent { log })
    }

    /// Ends the server; its state goes with it. False where none runs.
    pub fn stop(&self) -> Result<bool, Trouble> {
        let silent = || Trouble::Silent { log: self.state.join("server.log") };
        let Some(server) = self.find() else {
            return match self.lock() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(silent()),
                _ => Ok(false),
            };
        };
        let status = Command::new("kill").arg(server.pid.to_string()).status();
        status.map_err(doing(format!("end process {}", server.pid)))?;
        let started = Instant::now();
        let _alone = loop {
            match self.lock() {
                Ok(lock) => break lock,
                Err(_) if started.elapsed() < STOPS_WITHIN => pause(),
                Err(_) => return Err(silent()),
            }
        };
        fs::remove_dir_all(&self.state)
            .map_err(doing(format!("remove {}", self.state.display())))?;
        Ok(true)
    }

    /// The lock that a server holds for as long as it lives.
    fn lock(&self) -> io::Result<fs::File> {
        let lock = fs::File::open(self.state.join("lock"))?;
        lock.try_lock()?;
        Ok(lock)
    }

    /// Empties the server without ending it. False where none runs.
    pub fn reset(&self) -> Result<bool, Trouble> {
        let Some(server) = self.find() else { return Ok(false) };
        http::post(server.port, "/_local/reset", "{}").map_err(doing("reset the local AWS"))?;
        Ok(true)
    }
}

fn ours(server: Server) -> Result<Server, Trouble> {
    if server.version == files::version() {
        Ok(server)
    } else {
        Err(Trouble::Other { endpoint: server.endpoint() })
    }
}

#[expect(clippy::disallowed_methods, reason = "a server that is starting is asked again")]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A folder that a server of `written` left behind, and who answers at its port now.
    fn left(name: &str, written: &str, answer: &'static str) -> Local {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port().to_string();
        let state = std::env::temp_dir().join(format!("pipeline-{}-{name}", std::process::id()));
        fs::create_dir_all(&state).expect("a folder");
        fs::write(state.join("server.json"), written.replace("PORT", &port)).expect("written");
        let body = answer.replace("PORT", &port);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let asked = BufReader::new(&stream).lines();
                let _ = asked.map_while(Result::ok).find(String::is_empty);
                let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n{body}");
            }
        });
        Local { cache: state.clone(), state }
    }

    const WRITTEN: &str = r#"{"port": PORT, "pid": 7, "version": "a", "started": 1.5}"#;

    #[test]
    fn only_the_server_that_wrote_the_file_is_found() {
        let same = left("same", WRITTEN, WRITTEN);
        assert_eq!(same.find().map(|server| server.pid), Some(7));
        assert!(matches!(same.ensure(&|_| {}), Err(Trouble::Other { .. })), "of another version");
        for (name, answer) in [
            ("pid", r#"{"port": PORT, "pid": 8, "version": "a", "started": 1.5}"#),
            ("later", r#"{"port": PORT, "pid": 7, "version": "a", "started": 2.5}"#),
            ("stranger", "hello"),
        ] {
            let other = left(name, WRITTEN, answer);
            assert_eq!(other.find(), None, "{name}");
            assert!(matches!(other.stop(), Ok(false)), "{name}: nothing is ended");
            fs::remove_dir_all(other.state).expect("it is there");
        }
        fs::remove_dir_all(same.state).expect("it is there");
    }

    #[test]
    fn one_that_lives_and_does_not_answer_is_told() {
        let silent = left("silent", WRITTEN, "");
        let lock = fs::File::create(silent.state.join("lock")).expect("a file");
        lock.lock().expect("nobody else holds it");
        assert!(matches!(silent.stop(), Err(Trouble::Silent { .. })));
        drop(lock);
        assert!(matches!(silent.stop(), Ok(false)));
        fs::remove_dir_all(silent.state).expect("it is there");
    }
}
