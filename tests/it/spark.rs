//! The flagship's job on real Spark, by its own tests: `tests/spark` holds them.

use std::path::Path;
use std::process::Stdio;

use crate::e2e::machine::shared;

#[test]
fn the_job_keeps_its_promises_whatever_it_is_given() {
    let mut unittest = shared().python();
    unittest.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark"));
    unittest.args(["-B", "-m", "unittest", "-q", "test_job"]);
    let ended = unittest.stdin(Stdio::null()).output().expect("Python runs");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{errors}");
    assert!(errors.contains("Ran ") && errors.contains("OK"), "nothing was tested: {errors}");
}
