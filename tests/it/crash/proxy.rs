//! What stands between the program and its AWS. It records every call, and can end the program,
//! lose an answer or give another one at any of them.

use std::io::{self, BufReader, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::aim;
use super::call::Call;
use super::http::{self, Answer, Lines};

/// Shut while somebody holds it.
pub type Gate = Arc<Mutex<()>>;

/// What becomes of a call that has arrived.
pub enum Deed {
    Forward,
    /// The program is killed, and AWS never hears of the call.
    Kill,
    /// The connection is closed, and AWS never hears of the call.
    Close,
    /// It is answered without AWS.
    Answer(Answer),
    /// The same, but the end of the answer never comes.
    Begin(Answer),
    /// It is forwarded later.
    Delay(Duration),
    /// It is forwarded once this is open.
    WaitAt(Gate),
    /// It is never answered.
    Hang,
    /// The program is sent this signal, and the call is forwarded.
    Signal(&'static str),
    /// The program is sent this signal, and the call is never answered.
    SignalAndHang(&'static str),
}

/// How much the program hears.
enum Told {
    All(Answer),
    Beginning(Answer),
    Nothing,
}

/// What becomes of an answer.
pub enum Reply {
    Send,
    /// The program is killed before it hears of it.
    Kill,
    /// The connection is closed without it.
    Close,
}

/// Something that has its say about every call.
pub trait Rule: Send {
    fn before(&mut self, _call: &Call) -> Deed {
        Deed::Forward
    }
    fn after(&mut self, _call: &Call, _answer: &mut Answer) -> Reply {
        Reply::Send
    }
}

/// A call, and the status that the program saw.
#[derive(Debug, Clone)]
pub struct Made {
    pub call: Call,
    pub status: Option<u16>,
    /// What the program was answered, where that tells what later calls are aimed at.
    pub answer: Vec<u8>,
}

#[derive(Default)]
struct State {
    rules: Vec<Box<dyn Rule>>,
    made: Vec<Made>,
    victim: Option<u32>,
    /// Nothing more comes of this run: what is held back for it is given up.
    over: bool,
    /// Connections that are served.
    open: u32,
    /// Nobody is answered any more.
    closed: bool,
}

/// Where what is forwarded goes.
enum Next {
    Aws(Lines),
    Proxy(Arc<Shared>),
}

struct Shared {
    next: Next,
    state: Mutex<State>,
    changed: Condvar,
}

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Stands before the AWS at a port.
    pub fn before(port: u16) -> Self {
        Self::forwarding_to(Next::Aws(Lines::to(port)))
    }

    /// Another one, that stands before this one.
    pub fn another(&self) -> Self {
        Self::forwarding_to(Next::Proxy(self.shared.clone()))
    }

    fn forwarding_to(next: Next) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { next, state: Mutex::default(), changed: Condvar::new() });
        let accepting = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut state = accepting.lock();
                if state.closed {
                    return;
                }
                state.open += 1;
                drop(state);
                let shared = accepting.clone();
                thread::spawn(move || {
                    shared.serve(stream);
                    shared.lock().open -= 1;
                    shared.changed.notify_all();
                });
            }
        });
        Self { port: own, shared }
    }

    /// From here on these rules hold, the first of them first.
    pub fn begin(&self, rules: Vec<Box<dyn Rule>>) {
        let mut state = self.shared.lock();
        *state = State { rules, open: state.open, ..State::default() };
    }

    /// Whom a rule ends or signals.
    pub fn aim(&self, pid: u32) {
        self.shared.lock().victim = Some(pid);
        self.shared.changed.notify_all();
    }

    /// What was called since the beginning, now that the program is gone; the rules are gone too.
    /// What it had sent until then AWS may still hear of: that is waited for, since it belongs to
    /// this run.
    pub fn end(&self) -> Vec<Made> {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        self.knock();
        let open = |state: &mut State| state.open > 0;
        let waiting = self.shared.changed.wait_while(self.shared.lock(), open);
        let mut state = waiting.expect("no thread of the proxy panics");
        state.rules.clear();
        self.shared.hang_up();
        std::mem::take(&mut state.made)
    }

    /// Comes back when all who connected before are served.
    fn knock(&self) {
        let knock = || -> io::Result<()> {
            let mut door = TcpStream::connect(("127.0.0.1", self.port))?;
            door.shutdown(Shutdown::Write)?;
            door.read(&mut [0]).map(drop)
        };
        knock().expect("the proxy listens as long as it lives");
    }
}

/// Many are made, one after the other: each leaves its port, and with it all that it holds.
impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock() {
            state.closed = true;
        }
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn hang_up(&self) {
        match &self.next {
            Next::Aws(lines) => lines.hang_up(),
            Next::Proxy(next) => next.hang_up(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the proxy panics")
    }

    /// Answers one connection until either end is gone.
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut from = BufReader::new(&stream);
        while let Ok(Some(request)) = http::read_request(&mut from) {
            let method = request.method.clone();
            let written = match self.answer(Call::new(request)) {
                Told::All(answer) => http::write_answer(&stream, &method, &answer),
                Told::Beginning(answer) => http::write_beginning(&stream, &answer),
                Told::Nothing => stream.shutdown(Shutdown::Both),
            };
            if written.is_err() {
                return;
            }
        }
    }

    fn answer(&self, call: Call) -> Told {
        let (number, deed) = self.arrived(&call);
        match deed {
            Deed::Forward => {}
            Deed::Kill => {
                self.signal("-KILL");
                return Told::Nothing;
            }
            Deed::Close => return Told::Nothing,
            Deed::Answer(answer) => {
                self.told(number, &answer);
                return Told::All(answer);
            }
            Deed::Begin(answer) => return Told::Beginning(answer),
            Deed::Delay(time) => self.hold(Some(time)),
            Deed::WaitAt(gate) => drop(gate.lock()),
            Deed::Hang => {
                self.hold(None);
                return Told::Nothing;
            }
            Deed::Signal(name) => self.signal(name),
            Deed::SignalAndHang(name) => {
                self.signal(name);
                self.hold(None);
                return Told::Nothing;
            }
        }
        let Ok(mut answer) = self.forward(&call) else { return Told::Nothing };
        match self.answered(&call, &mut answer) {
            Reply::Send => {
                self.told(number, &answer);
                Told::All(answer)
            }
            Reply::Kill => {
                self.signal("-KILL");
                Told::Nothing
            }
            Reply::Close => Told::Nothing,
        }
    }

    fn arrived(&self, call: &Call) -> (usize, Deed) {
        let mut state = self.lock();
        state.made.push(Made { call: call.clone(), status: None, answer: Vec::new() });
        let decided = state.rules.iter_mut().map(|rule| rule.before(call));
        let deed = decided.reduce(|first, next| match first {
            Deed::Forward => next,
            first => first,
        });
        (state.made.len() - 1, deed.unwrap_or(Deed::Forward))
    }

    /// What lies nearer to AWS speaks first.
    fn answered(&self, call: &Call, answer: &mut Answer) -> Reply {
        let mut state = self.lock();
        let decided = state.rules.iter_mut().rev().map(|rule| rule.after(call, answer));
        let reply = decided.reduce(|first, next| match next {
            Reply::Send => first,
            next => next,
        });
        reply.unwrap_or(Reply::Send)
    }

    fn told(&self, number: usize, answer: &Answer) {
        let mut state = self.lock();
        let made = &mut state.made[number];
        made.status = Some(answer.status);
        if aim::tells(&made.call) {
            made.answer.clone_from(&answer.body);
        }
    }

    fn forward(&self, call: &Call) -> io::Result<Answer> {
        match &self.next {
            Next::Aws(lines) => lines.exchange(&call.request),
            Next::Proxy(next) => match next.answer(call.clone()) {
                Told::All(answer) => Ok(answer),
                Told::Beginning(_) | Told::Nothing => Err(io::ErrorKind::ConnectionReset.into()),
            },
        }
    }

    /// Waits for a time, or for the end of the run.
    fn hold(&self, time: Option<Duration>) {
        let same = |state: &mut State| !state.over;
        match time {
            Some(time) => drop(self.changed.wait_timeout_while(self.lock(), time, same)),
            None => drop(self.changed.wait_while(self.lock(), same)),
        }
    }

    fn signal(&self, name: &str) {
        let unknown = |state: &mut State| state.victim.is_none();
        let state = self.changed.wait_while(self.lock(), unknown).expect("no thread panics");
        let pid = state.victim.expect("it is known").to_string();
        // Of those who are sent several, the first may have been the last.
        let _ = Command::new("kill").args([name, &pid]).stderr(Stdio::null()).status();
    }
}
