//! A panic is a bug of ours: the server stops at once, whichever of its threads has it. One that went on without
//! a worker would keep that worker's clients waiting for good, and nobody would know why.

use std::panic;
use std::time::Duration;

use crate::logging;

/// How long the log may take to write what is in its queue.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The code with which the process ends.
const EXIT_CODE: i32 = 1;

/// From now on, a panic in any thread is told, on the standard error stream and in the log, and ends the process.
pub(crate) fn stop_on_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        tracing::error!("{info}; the server stops, for this is a bug");
        logging::flush(LAST_WORDS);
        std::process::exit(EXIT_CODE);
    }));
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_panic_in_any_thread_ends_the_process() {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let output = command
            .args(["--exact", "panics::tests::a_thread_panics", "--ignored", "--nocapture"])
            .output()
            .expect("run this program");
        assert_eq!(output.status.code(), Some(EXIT_CODE));
        assert!(String::from_utf8_lossy(&output.stderr).contains("what a bug says"));
    }

    #[test]
    #[ignore = "ends its process: the test above runs it in one of its own"]
    fn a_thread_panics() {
        stop_on_panic();
        let thread = thread::spawn(|| panic!("what a bug says"));
        // Tests that fail end with 101, and those that pass with 0.
        assert!(thread.join().is_ok(), "the process should have ended");
    }
}
