//! Threads that move whole histories. They take as long as they take: whoever serves clients goes first.

use std::{io, thread};

use rustix::process::setpriority_process;

/// How much further back than others they stand: of a core that another thread wants, too, they still get a quarter.
const NICENESS: i32 = 5;

/// Starts such a thread. What it holds while others wait for it, it must not hold for long.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // On Linux a thread has a priority of its own. It works as well without, if not as considerately.
        let _ = setpriority_process(None, NICENESS);
        run();
    })
}
