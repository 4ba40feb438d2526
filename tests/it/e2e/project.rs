//! A folder with a blueprint, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::machine::{Machine, PROGRAM, shared};

/// The smallest pipeline with a job. `NAME` is the project's own.
const SMALL: &str = r#"name: NAME
region: eu-west-1
artifacts: lake
resources:
  lake: { kind: s3-bucket, name: "NAME-${account}" }
  spark:
    kind: emr-cluster
    name: NAME-spark
    release: emr-7.9.0
    applications: [Spark]
    service_role: EMR_DefaultRole
    instance_profile: EMR_EC2_DefaultRole
    primary: { type: m5.xlarge }
    idle_timeout: 4h
    log_uri: s3://${lake.name}/logs/
jobs:
  say: { kind: spark, cluster: spark, script: say.py }
outputs:
  bucket: ${lake.name}
"#;

/// A blueprint's folder, with a name that no other test has.
pub struct Project<'m> {
    pub machine: &'m Machine,
    pub name: &'static str,
    folder: TempDir,
}

/// How a command ended and what it printed.
pub struct Ended {
    command: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Project<'static> {
    /// Files as given, on the shared AWS.
    pub fn with(name: &'static str, blueprint: &str) -> Self {
        Project::on(shared(), name, blueprint)
    }

    /// One bucket, one cluster and a job that says a word.
    pub fn small(name: &'static str) -> Self {
        Self::with(name, SMALL)
    }
}

impl<'m> Project<'m> {
    pub fn on(machine: &'m Machine, name: &'static str, blueprint: &str) -> Self {
        let folder = TempDir::with_prefix(format!("{name}-")).expect("there is room");
        let project = Self { machine, name, folder };
        project.write("blueprint.yaml", blueprint);
        project.write("say.py", "print('a word')\n");
        project
    }

    pub fn small_on(machine: &'m Machine, name: &'static str) -> Self {
        Self::on(machine, name, SMALL)
    }

    /// The flagship under another name, with its job, its function and its data beside it.
    pub fn flagship_on(machine: &'m Machine, name: &'static str) -> Self {
        let blueprints = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
        let text = fs::read_to_string(blueprints.join("clickstream.yaml")).expect("it is there");
        let project = Self::on(machine, name, &text.replace("clickstream", "NAME"));
        for folder in ["jobs", "lambda", "data"] {
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(blueprints.join(folder)).arg(project.path(""));
            assert!(copy.status().expect("cp runs").success());
        }
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; `NAME` in it is the project's name.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text.replace("NAME", self.name)).expect("it can be written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it can be read")
    }

    /// Replaces a text that must be in a file.
    pub fn edit(&self, name: &str, before: &str, after: &str) {
        let (text, before) = (self.read(name), before.replace("NAME", self.name));
        assert!(text.contains(&before), "no `{before}` in {name}:\n{text}");
        self.write(name, &text.replace(&before, after));
    }

    /// The program with arguments as one writes them; the blueprint is `blueprint.yaml`.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        let aws = std::env::vars_os().map(|(name, _)| name);
        for name in aws.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.env("XDG_STATE_HOME", &self.machine.state).env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, line: &str) -> Ended {
        let output = self.command(line).output().expect("the program runs");
        Ended::new(line, output)
    }

    pub fn start(&self, line: &str) -> Child {
        self.command(line).spawn().expect("the program runs")
    }

    pub fn apply(&self) -> Ended {
        self.run("apply blueprint.yaml --local --yes")
    }

    pub fn plan(&self) -> Ended {
        self.run("plan blueprint.yaml --local --detailed-exitcode")
    }

    /// See `Machine::outside`; `NAME` in it is the project's name.
    pub fn outside(&self, script: &str) -> Value {
        self.machine.outside(&script.replace("NAME", self.name))
    }
}

impl Ended {
    pub fn new(command: &str, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            command: command.to_owned(),
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Fails the test unless the exit code is this.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "not exit code {code}: {self}");
        self
    }

    /// Fails the test unless stderr says each of these, one after the other.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        let mut rest = self.err.as_str();
        for text in texts {
            let found = rest.find(text);
            let Some(at) = found else { panic!("`{text}` is not said (or not there): {self}") };
            rest = &rest[at + text.len()..];
        }
        self
    }

    /// The same of stdout.
    #[track_caller]
    pub fn answers(self, texts: &[&str]) -> Self {
        let mut rest = self.out.as_str();
        for text in texts {
            let found = rest.find(text);
            let Some(at) = found else { panic!("`{text}` is no answer (or not there): {self}") };
            rest = &rest[at + text.len()..];
        }
        self
    }

    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.err.contains(text) && !self.out.contains(text), "`{text}` is said: {self}");
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, out, err } = self;
        write!(f, "`pipeline {command}` exited with {code:?}\n--- stdout\n{out}\n--- stderr\n{err}")
    }
}
