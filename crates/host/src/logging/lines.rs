//! Events as lines, in the layout that operators' tools parse.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::dates::log_date;
use super::sink::Sink;

/// What stands for a number in `[myid:N]` that is not known.
const UNKNOWN: i64 = i64::MIN;
/// The number in `[myid:N]`.
static SERVER_ID: AtomicI64 = AtomicI64::new(UNKNOWN);

/// From now on, every line says which server it is from.
pub fn set_server_id(id: i64) {
    SERVER_ID.store(id, Ordering::Relaxed);
}

/// Makes a line of each event and puts it in the queue of each output that wants it. Spans are not tracked:
/// what happens in this server crosses threads, and its events name what they are about.
pub(super) struct Lines {
    sinks: Vec<(Level, Sink)>,
    most: Option<Level>,
}

impl Lines {
    pub(super) fn new(sinks: Vec<(Level, Sink)>) -> Self {
        let most = sinks.iter().map(|(level, _)| *level).max();
        Self { sinks, most }
    }

    fn wants(&self, level: &Level) -> bool {
        self.most.is_some_and(|most| *level <= most)
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() && self.wants(metadata.level()) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.wants(metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most.map_or(LevelFilter::OFF, LevelFilter::from_level))
    }

    fn event(&self, event: &Event<'_>) {
        let level = event.metadata().level();
        let line = line(SystemTime::now(), event);
        for (most, sink) in &self.sinks {
            if level <= most {
                sink.send(line.clone());
            }
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn line(now: SystemTime, event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let thread = std::thread::current();
    let mut text = Text::default();
    event.record(&mut text);
    layout(
        &log_date(now),
        metadata.level(),
        thread.name().unwrap_or("-"),
        metadata.target(),
        metadata.line().unwrap_or(0),
        &text,
    )
}

fn layout(date: &str, level: &Level, thread: &str, target: &str, line: u32, text: &Text) -> String {
    let id = match SERVER_ID.load(Ordering::Relaxed) {
        UNKNOWN => String::new(),
        id => id.to_string(),
    };
    let place = target.rsplit("::").next().unwrap_or(target);
    let Text { message, fields } = text;
    format!("{date} [myid:{id}] - {level:<5} [{thread}:{place}@{line}] - {message}{fields}\n")
}

/// The message of an event, and behind it whatever else it says.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Strings accept everything.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_layout_that_tools_parse() {
        let text = Text { message: "Len error".into(), fields: " session=0x1".into() };
        let line =
            layout("2026-11-21 01:15:28,432", &Level::WARN, "worker-0", "zoorum_host::worker", 7, &text);
        assert_eq!(
            line,
            "2026-11-21 01:15:28,432 [myid:] - WARN  [worker-0:worker@7] - Len error session=0x1\n"
        );
    }
}
