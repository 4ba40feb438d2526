//! SIGINT and SIGTERM: the first one stops the work, the second one everything.

use std::cell::Cell;
use std::process::exit;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::report::say;

use super::outcome::{Error, Exit};

/// Waits for a signal, and remembers which it was.
pub struct Signals {
    got: Cell<Option<Exit>>,
}

impl Signals {
    pub fn new() -> Self {
        Self { got: Cell::new(None) }
    }

    /// How to end, if a signal came.
    pub fn got(&self) -> Option<Exit> {
        self.got.get()
    }

    /// Completes at the first signal.
    pub async fn stop(&self) {
        let (Ok(mut int), Ok(mut term)) =
            (listen(SignalKind::interrupt()), listen(SignalKind::terminate()))
        else {
            return std::future::pending().await;
        };
        let exit_code = tokio::select! {
            _ = int.recv() => Exit::Interrupted,
            _ = term.recv() => Exit::Terminated,
        };
        self.got.set(Some(exit_code));
        say("stopping: nothing new is started");
        tokio::spawn(async move {
            tokio::select! {
                _ = int.recv() => exit(Exit::Interrupted as i32),
                _ = term.recv() => exit(Exit::Terminated as i32),
            }
        });
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|error| Error::Other(format!("cannot listen for signals: {error}")))
}
