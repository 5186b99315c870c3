//! An output with its queue and its thread.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use super::dates::log_date;

/// Lines that may wait for an output. More are dropped.
const QUEUE: usize = 8192;
/// Bytes written at a time, if as many wait.
const BATCH: usize = 64 << 10;

/// What a sink writes to. Called from one thread alone, which nobody waits for.
pub(crate) trait Output: Send + 'static {
    /// Writes whole lines.
    fn write(&mut self, lines: &str) -> io::Result<()>;

    /// Opens whatever it writes to anew.
    fn reopen(&mut self) {}
}

/// Standard output.
pub(super) struct Console;

impl Output for Console {
    fn write(&mut self, lines: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()
    }
}

enum Message {
    Line(String),
    Reopen,
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// The way to an output. Copies lead to the same one.
#[derive(Clone)]
pub(crate) struct Sink {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    pub(super) fn spawn(name: &str, output: impl Output) -> io::Result<Self> {
        let (queue, received) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer { output, dropped: Arc::clone(&dropped) };
        thread::Builder::new().name(name.to_owned()).spawn(move || writer.run(&received))?;
        Ok(Self { queue, dropped })
    }

    /// Has a line written, or counts it as dropped if too many wait already.
    pub(crate) fn send(&self, line: String) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn reopen(&self) {
        // A queue that is full is stuck; then there is no use in waiting for it.
        let _ = self.queue.try_send(Message::Reopen);
    }

    pub(super) fn flush(&self, patience: Duration) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Out of patience: the process ends without the rest.
            let _ = written.recv_timeout(patience);
        }
    }
}

struct Writer<O> {
    output: O,
    dropped: Arc<AtomicU64>,
}

impl<O: Output> Writer<O> {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut lines = String::new();
        while let Ok(first) = queue.recv() {
            let mut next = Some(first);
            let mut count = 0;
            while let Some(message) = next {
                match message {
                    Message::Line(line) => {
                        lines.push_str(&line);
                        count += 1;
                    }
                    Message::Reopen => {
                        self.write(&mut lines, &mut count);
                        self.output.reopen();
                    }
                    Message::Flush(done) => {
                        self.write(&mut lines, &mut count);
                        // Whoever asked may be out of patience.
                        let _ = done.try_send(());
                    }
                }
                next = if lines.len() < BATCH { queue.try_recv().ok() } else { None };
            }
            self.write(&mut lines, &mut count);
        }
    }

    fn write(&mut self, lines: &mut String, count: &mut u64) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let date = log_date(SystemTime::now());
            lines.push_str(&format!(
                "{date} [myid:] - WARN  [log:sink@0] - {dropped} log lines were dropped\n"
            ));
        }
        if !lines.is_empty() && self.output.write(lines).is_err() {
            self.dropped.fetch_add(*count + dropped, Ordering::Relaxed);
        }
        lines.clear();
        *count = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// An output that is stuck while the test holds its text, and refuses all while it is told to.
    #[derive(Clone, Default)]
    struct Page {
        text: Arc<Mutex<String>>,
        full: Arc<AtomicBool>,
    }

    impl Output for Page {
        fn write(&mut self, lines: &str) -> io::Result<()> {
            let mut text = self.text.lock().expect("no test panicked");
            if self.full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            text.push_str(lines);
            Ok(())
        }
    }

    fn dropped(text: &str) -> usize {
        let notices = text
            .lines()
            .filter_map(|line| line.split(" - ").nth(2)?.split(' ').next()?.parse::<usize>().ok());
        notices.sum()
    }

    #[test]
    fn an_output_that_is_stuck_costs_lines_but_no_time() {
        let page = Page::default();
        let sink = Sink::spawn("test", page.clone()).expect("a thread");
        let stuck = page.text.lock().expect("no test panicked");
        let count = 3 * QUEUE;
        (0..count).for_each(|number| sink.send(format!("{number}\n")));
        drop(stuck);
        while sink.queue.try_send(Message::Line(String::new())).is_err() {
            thread::yield_now();
        }
        sink.flush(Duration::from_secs(10));
        let text = page.text.lock().expect("no test panicked");
        let kept = text.lines().filter(|line| line.parse::<usize>().is_ok()).count();
        assert_eq!(kept + dropped(&text), count);
        assert!(kept >= QUEUE && kept < count, "{kept} lines were kept");
    }

    #[test]
    fn lines_that_an_output_refused_are_counted_in_the_next_one() {
        let page = Page::default();
        let sink = Sink::spawn("test", page.clone()).expect("a thread");
        page.full.store(true, Ordering::Relaxed);
        sink.send("lost\n".to_owned());
        sink.flush(Duration::from_secs(10));
        page.full.store(false, Ordering::Relaxed);
        sink.send("kept\n".to_owned());
        sink.flush(Duration::from_secs(10));
        let text = page.text.lock().expect("no test panicked");
        assert!(text.contains("kept\n") && !text.contains("lost\n"), "{text}");
        assert_eq!(dropped(&text), 1, "{text}");
    }
}
