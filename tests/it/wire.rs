//! Every field of every kind, changed by another client: `tests/wire` holds the changes.

use crate::e2e::machine::{Machine, PROGRAM};

#[test]
fn what_another_client_changes_shows_field_by_field_and_is_restored() {
    let machine = Machine::start();
    let mut runner = machine.python();
    runner.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-B", "tests/wire/run.py"]);
    runner.args(["--pipeline", PROGRAM, "--endpoint", machine.endpoint(), "--emulator", "local"]);
    let ended = runner.output().expect("Python runs");
    let out = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    let failed: Vec<_> = out.lines().filter(|line| line.starts_with("FAIL")).collect();
    let last = out.lines().last().unwrap_or("nothing was checked");
    assert!(ended.status.success(), "{last}\n{}\n{errors}", failed.join("\n"));
}
