//! The future of a request that is on its way already.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::error::Result;
use crate::session::{Answer, Cause, Failure};

/// What a server makes of a request.
pub(crate) type Outcome = std::result::Result<Answer, Failure>;

/// The outcome of a request that was made when this was returned: requests leave in the order of the calls,
/// whether and whenever their replies are awaited. To drop this does not take the request back.
#[must_use = "the request is made, but whether it succeeded only awaiting its reply tells"]
pub struct Reply<T> {
    state: State<T>,
}

type Finish<T> = Box<dyn FnOnce(Outcome) -> Result<T> + Send>;

enum State<T> {
    Known(Result<T>),
    Awaited(oneshot::Receiver<Outcome>, Finish<T>),
    Taken,
}

impl<T> Reply<T> {
    /// One that is known without asking.
    pub(crate) fn known(result: Result<T>) -> Self {
        Self { state: State::Known(result) }
    }

    pub(crate) fn awaited(
        outcome: oneshot::Receiver<Outcome>,
        finish: impl FnOnce(Outcome) -> Result<T> + Send + 'static,
    ) -> Self {
        Self { state: State::Awaited(outcome, Box::new(finish)) }
    }
}

impl<T: Send + 'static> Reply<T> {
    /// The same, made something else of if it succeeds.
    pub fn map<U>(self, to: impl FnOnce(T) -> U + Send + 'static) -> Reply<U> {
        Reply {
            state: match self.state {
                State::Known(result) => State::Known(result.map(to)),
                State::Awaited(outcome, finish) => {
                    State::Awaited(outcome, Box::new(move |outcome| finish(outcome).map(to)))
                }
                State::Taken => State::Taken,
            },
        }
    }
}

// Nothing in it is ever pinned.
impl<T> Unpin for Reply<T> {}

impl<T> Future for Reply<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let outcome = match &mut self.state {
            State::Awaited(outcome, _) => match Pin::new(outcome).poll(context) {
                Poll::Pending => return Poll::Pending,
                // The client's task is gone, along with its runtime.
                Poll::Ready(outcome) => outcome.unwrap_or(Err(Failure::Unknown(Cause::Closed))),
            },
            State::Known(_) | State::Taken => Err(Failure::Unknown(Cause::Closed)),
        };
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Known(result) => Poll::Ready(result),
            State::Awaited(_, finish) => Poll::Ready(finish(outcome)),
            State::Taken => panic!("a reply is polled again after it was ready"),
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Known(_) => "Reply(known)",
            State::Awaited(..) => "Reply(awaited)",
            State::Taken => "Reply(taken)",
        })
    }
}
