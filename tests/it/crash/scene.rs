//! The built program on an AWS of its own, with the proxy between them.

use std::io::Read;
use std::process::{Child, Output, Stdio};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::crowd::{Size, gather};
use super::foreign::Foreign;
use super::hard::Hard;
use super::http::ask;
use super::image::Image;
use super::proxy::{Made, Proxy, Rule};
use crate::e2e::machine::Machine;
use crate::e2e::{Ended, Project};

/// No run takes as long; one that does hangs. Who finds that another was about to start a cluster
/// waits four minutes for it.
const RUN_MAX: Duration = Duration::from_secs(330);
/// The same where it has to wait for everything.
const HARD_RUN_MAX: Duration = Duration::from_secs(450);

pub struct Scene<'m> {
    pub project: Project<'m>,
    pub proxy: Proxy,
    port: u16,
    /// Stands between the two in hard mode.
    pub hard: Option<Hard>,
    /// What was there before us.
    foreign: Mutex<Foreign>,
}

/// How the AWS behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What is done shows at once.
    Mild,
    /// As `hard` says.
    Hard,
}

/// How a run ended and what it asked of AWS.
pub struct Run {
    pub ended: Ended,
    pub made: Vec<Made>,
    pub hung: bool,
}

impl Run {
    pub fn writes(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.call.writes())
    }
}

impl<'m> Scene<'m> {
    pub fn in_mode(mode: Mode, machine: &'m Machine, project: Project<'m>) -> Self {
        let port = machine.port();
        let hard = (mode == Mode::Hard).then(|| Hard::before(port));
        let proxy = proxied(port, hard.as_ref());
        let scene = Self { project, proxy, port, hard, foreign: Mutex::default() };
        // What Spark and the trigger would do is not the matter here.
        let pace = r#"{"step_seconds": 0.5, "cluster_start_seconds": 0.5, "triggers": false}"#;
        scene.control("pace", pace);
        scene.reset();
        scene
    }

    /// Another way to the AWS, for another run.
    pub fn proxied(&self) -> Proxy {
        proxied(self.port, self.hard.as_ref())
    }

    /// Where other programs find the AWS as hard or as mild as this one does.
    pub fn upstream(&self) -> u16 {
        self.hard.as_ref().map_or(self.port, |hard| hard.proxy.port)
    }

    /// Forgets everything that the AWS holds; what others hold in it is new.
    pub fn reset(&self) {
        self.crowd(Size::Few);
    }

    pub fn crowd(&self, size: Size) {
        ask(self.port, "POST", "/_local/reset", "{}");
        if let Some(hard) = &self.hard {
            hard.forget();
        }
        gather(self.port, size);
        self.look_around();
    }

    /// Keeps what the AWS holds, and what the rules of hard mode remember.
    pub fn keep(&self) {
        self.control("keep", "");
        self.hard.iter().for_each(Hard::keep);
    }

    /// What was kept is there again, and nothing else.
    pub fn restore(&self) {
        self.control("restore", "");
        self.hard.iter().for_each(Hard::restore);
    }

    /// All that there is now is others', from here on.
    pub fn look_around(&self) {
        *self.foreign() = Foreign::of(&self.told());
    }

    /// What comes meanwhile is others', also where it lies in what is ours.
    pub fn joined_by(&self, others: impl FnOnce(u16)) {
        let before = self.told();
        others(self.port);
        self.foreign().extend(&before, &self.told());
    }

    /// What lies in a bucket of ours goes with it.
    pub fn goes_with(&self, bucket: &str) {
        self.foreign().leave_out(bucket);
    }

    /// How many records AWS holds of what is others'.
    pub fn others(&self) -> usize {
        self.foreign().len()
    }

    /// What of others is no longer as it was.
    pub fn trespasses(&self) -> Vec<String> {
        self.foreign().changed(&self.told())
    }

    fn foreign(&self) -> MutexGuard<'_, Foreign> {
        self.foreign.lock().expect("nothing panics in here")
    }

    fn told(&self) -> Value {
        ask(self.port, "GET", "/_local/image", "")
    }

    pub fn control(&self, path: &str, body: &str) -> Value {
        ask(self.port, "POST", &format!("/_local/{path}"), body)
    }

    /// What is ours.
    pub fn image(&self) -> Image {
        let mut told = self.told();
        self.foreign().take_from(&mut told);
        Image::of(&told)
    }

    /// A run of the program, with these rules in its way.
    pub fn run(&self, line: &str, rules: Vec<Box<dyn Rule>>) -> Run {
        self.proxy.begin(rules);
        let (ended, hung) = self.outcome(line, self.start(line, &self.proxy));
        Run { ended, made: self.proxy.end(), hung }
    }

    pub fn undisturbed(&self, line: &str) -> Run {
        self.run(line, Vec::new())
    }

    /// Waits for the end of a run; the second says that it had to be ended.
    pub fn outcome(&self, line: &str, child: Child) -> (Ended, bool) {
        let max = if self.hard.is_some() { HARD_RUN_MAX } else { RUN_MAX };
        outcome_within(max, line, child)
    }

    /// The program behind a proxy that has begun.
    pub fn start(&self, line: &str, proxy: &Proxy) -> Child {
        let mut command = self.project.command(line);
        command.arg("--endpoint-url").arg(format!("http://127.0.0.1:{}", proxy.port));
        command.env("AWS_ACCESS_KEY_ID", "crash").env("AWS_SECRET_ACCESS_KEY", "crash");
        let child = command.stdin(Stdio::null()).spawn().expect("the program runs");
        proxy.aim(child.id());
        child
    }
}

fn proxied(port: u16, hard: Option<&Hard>) -> Proxy {
    hard.map_or_else(|| Proxy::before(port), |hard| hard.proxy.another())
}

fn outcome_within(max: Duration, line: &str, mut child: Child) -> (Ended, bool) {
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    // It closes its output when it ends.
    let said = out.recv_timeout(max);
    let hung = said.is_err();
    if hung {
        let _ = child.kill();
    }
    let status = child.wait().expect("it can be waited for");
    let (stdout, stderr) = (said.unwrap_or_default(), err.recv().unwrap_or_default());
    (Ended::new(line, Output { status, stdout, stderr }), hung)
}

fn drain(from: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        let _ = tell.send(bytes);
    });
    told
}
