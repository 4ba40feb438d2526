//! `pipeline local`: the AWS on this machine.

use crate::local::Local as Machine;
use crate::report::say;

use super::args::Local;
use super::outcome::{Error, Exit, answer};

pub fn run(command: &Local) -> Result<Exit, Error> {
    let machine = Machine::of_user()?;
    let text = match command {
        Local::Start => format!("the local AWS runs at {}", machine.ensure(&say)?.endpoint()),
        Local::Status => match machine.find() {
            Some(server) => {
                format!("the local AWS runs at {}, process {}", server.endpoint(), server.pid)
            }
            None => "no local AWS runs".to_owned(),
        },
        Local::Reset if machine.reset()? => "the local AWS is empty".to_owned(),
        Local::Stop if machine.stop()? => {
            "the local AWS has ended, and its state is gone".to_owned()
        }
        Local::Reset | Local::Stop => "no local AWS runs".to_owned(),
    };
    answer(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
