//! Every field of every kind, changed by another client: `tests/wire` holds the changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pipeline::local::Local;
use sha2::{Digest, Sha256};

use crate::e2e::machine::{Machine, PROGRAM};

const REQUIREMENTS: &str = include_str!("../wire/requirements.txt");

#[test]
fn what_another_client_changes_shows_field_by_field_and_is_restored() {
    let machine = Machine::start();
    check(machine.python(), machine.endpoint(), "local");
}

#[test]
fn so_it_does_on_moto_where_moto_serves_the_kind() {
    let python = moto_python();
    let moto = Moto::start(&python);
    check(Command::new(&python), &moto.endpoint, "moto");
}

fn check(mut python: Command, endpoint: &str, emulator: &str) {
    python.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-B", "tests/wire/run.py"]);
    python.args(["--pipeline", PROGRAM, "--endpoint", endpoint, "--emulator", emulator]);
    let ended = python.stdin(Stdio::null()).output().expect("Python runs");
    let out = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    let failed: Vec<_> = out.lines().filter(|line| line.starts_with("FAIL")).collect();
    let last = out.lines().last().unwrap_or("nothing was checked");
    assert!(ended.status.success(), "{last}\n{}\n{errors}", failed.join("\n"));
}

/// A moto that runs. It ends when this is dropped, or this process ends in whatever way.
struct Moto {
    endpoint: String,
    server: Child,
}

impl Moto {
    fn start(python: &Path) -> Self {
        let mut server = Command::new(python);
        server.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-B", "tests/wire/moto_server.py"]);
        server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = server.spawn().expect("Python runs");
        let out = server.stdout.take().expect("it is piped");
        let line = BufReader::new(out).lines().next().expect("moto starts");
        Self { endpoint: line.expect("it says where"), server }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

/// The Python of an environment with moto in it, beside that of the local AWS. It is made beside
/// its place and moved there when it is whole.
fn moto_python() -> PathBuf {
    let cache = Local::of_user().expect("there is a home folder").cache;
    let digest = Sha256::digest(REQUIREMENTS.as_bytes());
    let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let place = cache.join(format!("moto-{hash}"));
    let python = place.join("bin/python");
    if python.exists() {
        return python;
    }
    let draft = cache.join(format!("moto-draft-{}", std::process::id()));
    fs::create_dir_all(&cache).expect("the cache can be written");
    run(Command::new("python3").args(["-m", "venv"]).arg(&draft));
    let wheels = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/requirements.txt");
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "-q", "-r", wheels];
    run(Command::new(draft.join("bin/python")).args(pip));
    if fs::rename(&draft, &place).is_err() {
        // Another run was quicker.
        fs::remove_dir_all(&draft).expect("the draft is ours");
    }
    python
}

fn run(command: &mut Command) {
    let ended = command.stdin(Stdio::null()).output().expect("there is a Python 3");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}\n{errors}");
}
