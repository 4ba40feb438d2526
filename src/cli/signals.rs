//! SIGINT and SIGTERM: the first one stops the work, the second one everything.

use std::cell::Cell;
use std::io;
use std::process::exit;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::report::say;

use super::outcome::Exit;

/// Waits for a signal, and remembers which it was. It listens from the beginning on, so that none
/// is lost between two that wait for one.
pub struct Signals {
    got: Cell<Option<Exit>>,
    heard: Mutex<Option<(Signal, Signal)>>,
}

impl Signals {
    pub fn new() -> Self {
        Self { got: Cell::new(None), heard: Mutex::new(listen().ok()) }
    }

    /// How to end, if a signal came.
    pub fn got(&self) -> Option<Exit> {
        self.got.get()
    }

    /// Completes at the first signal.
    pub async fn stop(&self) {
        let mut heard = self.heard.lock().await;
        let Some(first) = heard.as_mut() else { return std::future::pending().await };
        self.got.set(Some(next(first).await));
        say("stopping: nothing new is started");
        if let Ok(mut second) = listen() {
            tokio::spawn(async move { exit(next(&mut second).await as i32) });
        }
    }
}

async fn next((int, term): &mut (Signal, Signal)) -> Exit {
    tokio::select! {
        _ = int.recv() => Exit::Interrupted,
        _ = term.recv() => Exit::Terminated,
    }
}

fn listen() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_is_heard_by_who_waits_for_one_later() {
        let signals = Signals::new();
        {
            let apply = signals.stop();
            tokio::select! { biased; () = apply => panic!("none came"), () = async {} => {} }
        }
        let pid = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("there is a kill").success());
        signals.stop().await;
        assert_eq!(signals.got(), Some(Exit::Terminated));
    }
}
