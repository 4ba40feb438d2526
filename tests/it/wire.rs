//! Every field of every kind, changed by another client: `tests/wire` holds the changes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::e2e::machine::{Machine, PROGRAM};
use crate::python::environment;

#[test]
fn what_another_client_changes_shows_field_by_field_and_is_restored() {
    let machine = Machine::start();
    check(machine.python(), machine.endpoint(), "local");
}

#[test]
fn so_it_does_on_moto_where_moto_serves_the_kind() {
    let python = environment("moto", "tests/wire/requirements.txt");
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
