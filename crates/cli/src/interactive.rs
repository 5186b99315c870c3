//! The prompt: lines are typed or come out of a pipe, and run one by one.
//!
//! A thread of its own waits for lines, so that events are printed meanwhile.

mod completion;
mod typing;

use crate::out::Format;
use crate::shell::Shell;
use crate::signals::Signal;

use typing::{Typed, Typing};

/// Runs what is typed until `quit`, or the end of the input.
pub(crate) async fn run(shell: &mut Shell) {
    shell.is_interactive = true;
    shell.signals();
    if shell.out.format == Format::Text {
        shell.out.line("Welcome to ZooKeeper!");
        shell.out.line("JLine support is enabled");
    }
    let shows_prompt = shell.out.format == Format::Text;
    let mut typing = Typing::begin(shell.shared_client(), shows_prompt);
    shell.out.set_above(typing.above());
    while !shell.quits {
        typing.ask(prompt(shell));
        let typed = shell.settle_line(&mut typing).await;
        match typed {
            Typed::Line(line) => shell.type_line(&line).await,
            Typed::End => return,
            Typed::Interrupted => std::process::exit(Signal::Interrupt.code().into()),
            Typed::Broken(reason) => {
                shell.out.complain(&format!("zoorum: cannot read what is typed: {reason}"));
                return;
            }
        }
    }
}

impl Shell {
    async fn settle_line(&mut self, typing: &mut Typing) -> Typed {
        self.settle(typing.next()).await
    }
}

/// `[zk: localhost:2181(CONNECTED) 0] `
fn prompt(shell: &Shell) -> String {
    format!("[zk: {}({}) {}] ", shell.servers, shell.state_name(), shell.number)
}
