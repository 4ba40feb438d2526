//! The flagship's Lambda, by its own tests: `tests/trigger` holds them.

use std::process::{Command, Stdio};

use crate::python::environment;

#[test]
fn the_trigger_keeps_its_promises_whatever_happens_to_it() {
    let mut pytest = Command::new(environment("trigger", "tests/trigger/requirements.txt"));
    pytest.current_dir(env!("CARGO_MANIFEST_DIR"));
    pytest.args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/trigger"]);
    let ended = pytest.stdin(Stdio::null()).output().expect("Python runs");
    let out = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{out}\n{errors}");
    assert!(out.contains(" passed in "), "nothing was tested: {out}");
}
