//! Where lines come from: a terminal, with editing, history and completion, or anything else, line by line.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use tokio::runtime::Handle;
use tokio::sync::mpsc as async_mpsc;

use super::completion::complete;
use crate::out::Above;
use crate::shell::SharedClient;

/// How long a completion waits for a server.
const COMPLETION: Duration = Duration::from_secs(1);
/// Lines that the history's file keeps.
const HISTORY_LINES: usize = 10_000;
/// Commands whose lines hold secrets, and are not kept in the file.
const SECRET: [&str; 1] = ["addauth"];

/// What came.
pub(super) enum Typed {
    Line(String),
    End,
    Interrupted,
    Broken(String),
}

/// The thread that waits for lines.
pub(super) struct Typing {
    prompts: mpsc::Sender<String>,
    lines: async_mpsc::UnboundedReceiver<Typed>,
    above: Option<Above>,
}

impl Typing {
    /// Begins; nothing is read before it is asked for.
    pub(super) fn begin(client: SharedClient, shows_prompt: bool) -> Self {
        let (prompts, asked) = mpsc::channel();
        let (typed, lines) = async_mpsc::unbounded_channel();
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            thread::spawn(move || read_plain(&asked, &typed, shows_prompt));
            return Self { prompts, lines, above: None };
        }
        let half_typed = HalfTyped::default();
        let helper = Children { client, runtime: Handle::current(), half_typed: Arc::clone(&half_typed) };
        thread::spawn(move || {
            if let Err(error) = read_terminal(helper, &asked, &typed) {
                typed.send(Typed::Broken(error.to_string())).ok();
            }
        });
        Self { prompts, lines, above: Some(Box::new(move |text| print_above(&half_typed, text))) }
    }

    /// By which events are printed above the line that is being typed.
    pub(super) fn above(&mut self) -> Option<Above> {
        self.above.take()
    }

    /// Asks for a line.
    pub(super) fn ask(&self, prompt: String) {
        // If the thread is gone, it has said why.
        self.prompts.send(prompt).ok();
    }

    /// The line that was asked for.
    pub(super) async fn next(&mut self) -> Typed {
        self.lines.recv().await.unwrap_or(Typed::End)
    }
}

fn read_plain(
    asked: &mpsc::Receiver<String>,
    typed: &async_mpsc::UnboundedSender<Typed>,
    shows_prompt: bool,
) {
    let mut stdin = io::stdin().lock();
    for prompt in asked {
        if shows_prompt {
            let mut stdout = io::stdout().lock();
            // The next answer finds out as well that nobody reads.
            stdout.write_all(prompt.as_bytes()).and_then(|()| stdout.flush()).ok();
        }
        let mut line = Vec::new();
        let next = match stdin.read_until(b'\n', &mut line) {
            Ok(0) => Typed::End,
            Ok(_) => Typed::Line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => Typed::Broken(error.to_string()),
        };
        if typed.send(next).is_err() {
            return;
        }
    }
}

/// The prompt and what is typed behind it; none while a command runs.
type HalfTyped = Arc<Mutex<Option<(String, String)>>>;

/// Puts text where the line being typed was, and that line below it.
fn print_above(half_typed: &HalfTyped, text: &str) {
    let half_typed = half_typed.lock().expect("nobody panics with it");
    let whole = match &*half_typed {
        Some((prompt, line)) => format!("\r\x1b[K{text}{prompt}{line}"),
        None => text.to_owned(),
    };
    let mut stdout = io::stdout().lock();
    // The next answer finds out as well that nobody reads.
    stdout.write_all(whole.as_bytes()).and_then(|()| stdout.flush()).ok();
}

fn read_terminal(
    helper: Children,
    asked: &mpsc::Receiver<String>,
    typed: &async_mpsc::UnboundedSender<Typed>,
) -> rustyline::Result<()> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(HISTORY_LINES)?
        .build();
    let half_typed = Arc::clone(&helper.half_typed);
    let set_half_typed = |to| *half_typed.lock().expect("nobody panics with it") = to;
    let mut editor: Editor<Children, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(helper));
    let file = history_file();
    if let Some(file) = &file {
        // There is none at first.
        editor.load_history(file).ok();
    }
    for prompt in asked {
        set_half_typed(Some((prompt.clone(), String::new())));
        let read = editor.readline(&prompt);
        set_half_typed(None);
        let next = match read {
            Ok(line) => {
                remember(&mut editor, file.as_ref(), &line);
                Typed::Line(line)
            }
            Err(ReadlineError::Eof) => Typed::End,
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(error) => return Err(error),
        };
        if typed.send(next).is_err() {
            break;
        }
    }
    Ok(())
}

fn remember(editor: &mut Editor<Children, FileHistory>, file: Option<&PathBuf>, line: &str) {
    let is_secret = line.split_whitespace().next().is_some_and(|name| SECRET.contains(&name));
    if is_secret || !editor.add_history_entry(line).unwrap_or(false) {
        return;
    }
    if let Some(file) = file {
        // Who cannot write there still has the history of this session.
        editor.append_history(file).ok();
    }
}

/// Where lines are kept from one shell to the next.
fn history_file() -> Option<PathBuf> {
    let named = std::env::var_os("ZOORUM_HISTORY").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".zoorum_history")))
}

/// Asks the session for children while a path is being typed.
struct Children {
    client: SharedClient,
    runtime: Handle,
    half_typed: HalfTyped,
}

impl Children {
    fn of(&self, path: &str) -> Vec<String> {
        let client = self.client.lock().ok().and_then(|client| client.clone());
        let Some(client) = client.filter(|client| client.state().is_connected()) else { return Vec::new() };
        let asked =
            self.runtime.block_on(async { tokio::time::timeout(COMPLETION, client.children(path)).await });
        asked.ok().and_then(Result::ok).map(|children| children.names).unwrap_or_default()
    }
}

impl Completer for Children {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(&line[..position], |path| self.of(path)))
    }
}

impl Hinter for Children {
    type Hint = String;

    /// There is none: but this is called with each change of the line.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        if let Some((_, typed)) = &mut *self.half_typed.lock().expect("nobody panics with it") {
            line.clone_into(typed);
        }
        None
    }
}
impl Highlighter for Children {}
impl Validator for Children {}
impl Helper for Children {}
