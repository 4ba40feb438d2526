//! The virtual environment of the local AWS: made once, with pinned wheels.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Trouble, doing, files};

/// The environment's Python. It is made beside its place and moved there when it is whole, so a
/// run that was killed leaves nothing half made.
pub fn ensure(cache: &Path, tell: &dyn Fn(&str)) -> Result<PathBuf, Trouble> {
    let place = cache.join(format!("venv-{}", files::requirements_hash()));
    let python = place.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    let draft = cache.join(format!("venv-draft-{}", std::process::id()));
    fs::create_dir_all(cache).map_err(doing(format!("make {}", cache.display())))?;
    tell("installing the local AWS and Spark, once: about 800 MB");
    run(Command::new("python3").args(["-m", "venv"]).arg(&draft), &|_| {})?;
    let requirements = draft.join("requirements.txt");
    fs::write(&requirements, files::REQUIREMENTS).map_err(doing("write the list of packages"))?;
    let mut pip = Command::new(draft.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "-r",
    ]);
    let result = run(pip.arg(&requirements), &|line| {
        if let Some(package) = line.trim().strip_prefix("Collecting ") {
            let name = package.split("==").next().unwrap_or(package);
            tell(&format!("installing the local AWS and Spark, once: {name}"));
        }
    });
    if let Err(trouble) = result {
        let _ = fs::remove_dir_all(&draft);
        return Err(trouble);
    }
    if let Err(error) = fs::rename(&draft, &place) {
        let _ = fs::remove_dir_all(&draft);
        // Another run was quicker, or something else stands there.
        if !python.exists() {
            return Err(doing(format!("make {}", place.display()))(error));
        }
    }
    Ok(python)
}

/// Archives the classes that Spark loads, once, which halves its start. They hold paths, so they
/// are made at the environment's own place; without them Spark runs as well, only slower.
pub fn warm(python: &Path, server: &Path, tell: &dyn Fn(&str)) {
    let environment = python.ancestors().nth(2).unwrap_or(python);
    if environment.join("spark-classes/spark.jsa").exists() {
        return;
    }
    tell("making Spark start faster, once: about 20 s");
    if let Err(trouble) = run(Command::new(python).arg(server.join("warm.py")), &|_| {}) {
        tell(&format!("Spark will start slowly: {trouble}"));
    }
}

/// Runs a command, hears its lines, and keeps the end of what it said in case it fails.
fn run(command: &mut Command, hear: &dyn Fn(&str)) -> Result<(), Trouble> {
    let name = format!("{command:?}");
    let failed = |said: String| Trouble::Command { command: name.clone(), said };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            hear(&line);
        }
    }
    let ended = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if ended.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&ended.stderr);
    let lines: Vec<_> =
        errors.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    Err(failed(lines.into_iter().rev().collect::<Vec<_>>().join("; ")))
}
