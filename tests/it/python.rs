//! Python environments for tests, cached beside that of the local AWS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pipeline::local::Local;
use sha2::{Digest, Sha256};

/// The Python of an environment with what `requirements` names, a file below the repository's root.
/// It is made beside its place and moved there when it is whole.
pub fn environment(name: &str, requirements: &str) -> PathBuf {
    let wheels = Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements);
    let digest = Sha256::digest(fs::read(&wheels).expect("the requirements are there"));
    let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let cache = Local::of_user().expect("there is a home folder").cache;
    let place = cache.join(format!("{name}-{hash}"));
    let python = place.join("bin/python");
    if python.exists() {
        return python;
    }
    let draft = cache.join(format!("{name}-draft-{}", std::process::id()));
    fs::create_dir_all(&cache).expect("the cache can be written");
    run(Command::new("python3").args(["-m", "venv"]).arg(&draft));
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "-q", "-r"];
    run(Command::new(draft.join("bin/python")).args(pip).arg(&wheels));
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
