//! A process of this machine, told from every other there ever was.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Where its number means something: the boot of the machine, the namespace of its processes,
    /// and the user, who can see no one else's where `/proc` hides them.
    pub space: String,
    pub pid: u32,
    /// Its number may be another's by now.
    pub started: String,
}

impl Process {
    /// This process, where the system tells of processes.
    pub fn own() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { space: space()?, pid, started: started(pid)? })
    }

    /// Whether it certainly runs no more. Of another machine nothing is certain.
    pub fn is_dead(&self) -> bool {
        Self::own().is_some_and(|own| own.space == self.space)
            && started(self.pid).as_ref() != Some(&self.started)
    }
}

fn space() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let user = fs::metadata("/proc/self").ok()?.uid();
    Some(format!("{} {} {user}", boot.trim(), namespace.display()))
}

/// When it started, in ticks since the machine did; none of one that has ended and was not yet
/// collected by its parent.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    started_of(&stat)
}

/// The name comes second, in brackets, and may hold anything.
fn started_of(stat: &str) -> Option<String> {
    const STATE: usize = 0;
    const START: usize = 19;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    if matches!(*fields.get(STATE)?, "Z" | "X") {
        return None;
    }
    fields.get(START).map(|field| (*field).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_found_behind_any_name() {
        let rest = "1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 99 1";
        for (name, state, expected) in [
            ("pipeline", "S", Some("4711")),
            ("a) R 7 (b", "R", Some("4711")),
            ("pipeline", "Z", None),
        ] {
            let found = started_of(&format!("12 ({name}) {state} {rest}"));
            assert_eq!(found.as_deref(), expected, "{name} {state}");
        }
        assert_eq!(started_of(""), None);
    }

    #[test]
    fn of_this_process_and_of_other_machines_none_is_dead() {
        let Some(own) = Process::own() else { return };
        assert!(!own.is_dead());
        assert!(!Process { space: "another".into(), ..own.clone() }.is_dead());
        assert!(Process { started: "0".into(), ..own.clone() }.is_dead());
        assert!(Process { pid: u32::MAX, ..own }.is_dead());
    }
}
