//! SIGINT and SIGTERM: the first one stops the work, the second one everything.

use std::io;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::report::say;

use super::outcome::Exit;

/// A run that is stopped has to end within five seconds, whatever it waits for.
const ENDS_WITHIN: Duration = Duration::from_secs(4);
const SAID_WITHIN: Duration = Duration::from_millis(500);

/// What a run says that was stopped so early.
pub const NOTHING: &str = "Stopped before anything was changed; the same command begins again";

/// Listens for signals from the beginning on, on a thread of its own: the program may be waiting
/// for a file or for a person, and is to end all the same.
pub struct Signals {
    begun: Arc<Mutex<bool>>,
    got: watch::Receiver<Option<Exit>>,
}

impl Signals {
    pub fn new() -> Self {
        let (tell, got) = watch::channel(None);
        let begun = Arc::new(Mutex::new(false));
        // Without ears the system ends the program, as it does with any other.
        if let Ok((runtime, heard)) = listen() {
            let ears = Ears { begun: begun.clone(), tell };
            thread::spawn(move || runtime.block_on(ears.obey(heard)));
        }
        Self { begun, got }
    }

    /// From here on something may be changed. Until then a signal simply ends the program; now the
    /// work is told, and ends itself.
    pub fn begin(&self) {
        *begun(&self.begun) = true;
    }

    /// How to end, if a signal came.
    pub fn got(&self) -> Option<Exit> {
        *self.got.borrow()
    }

    /// Completes once a signal has come.
    pub async fn stop(&self) {
        let mut got = self.got.clone();
        if got.wait_for(Option::is_some).await.is_err() {
            std::future::pending().await
        }
    }
}

fn begun(begun: &Mutex<bool>) -> MutexGuard<'_, bool> {
    begun.lock().expect("no holder of this lock panics")
}

struct Ears {
    begun: Arc<Mutex<bool>>,
    tell: watch::Sender<Option<Exit>>,
}

impl Ears {
    async fn obey(self, mut heard: Heard) {
        let first = next(&mut heard).await;
        {
            let begun = begun(&self.begun);
            if !*begun {
                said(NOTHING);
                exit(first as i32);
            }
        }
        let end = Instant::now() + ENDS_WITHIN;
        said("stopping: nothing new is started");
        let _ = self.tell.send(Some(first));
        tokio::select! {
            second = next(&mut heard) => exit(second as i32),
            () = sleep_until(end) => {
                said("stopped without an end; a lock that was held lapses within a minute");
                exit(first as i32)
            }
        }
    }
}

/// Says it while somebody listens: who reads may stand still, and the end is not to wait for that.
fn said(line: &'static str) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        say(line);
        let _ = tell.send(());
    });
    let _ = told.recv_timeout(SAID_WITHIN);
}

type Heard = (Signal, Signal);

async fn next((int, term): &mut Heard) -> Exit {
    tokio::select! {
        _ = int.recv() => Exit::Interrupted,
        _ = term.recv() => Exit::Terminated,
    }
}

fn listen() -> io::Result<(Runtime, Heard)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let within = runtime.enter();
    let heard = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(within);
    Ok((runtime, heard))
}
