//! Small HTTP servers beside the one for clients, each on a thread of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

/// So many may ask at a time; more wait to be let in.
const CONNECTIONS: usize = 256;
/// Who takes nothing of its answer for so long is sent away, as one who says nothing: places are few.
const TAKES_NOTHING: Duration = Duration::from_secs(30);
/// Pause after the system refuses a connection: it has no descriptor to spare, say, and does not tell when it has.
/// It keeps nobody waiting but those who call this port.
const REFUSED: Duration = Duration::from_millis(100);

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) IpAddr);

/// Listens, and answers until the process ends. Who says nothing for `idle` is sent away. Returns where: `port` 0
/// is any free one.
///
/// # Errors
///
/// When the address cannot be listened on, or the system has no thread to spare.
pub(crate) fn serve(
    name: &str,
    (host, port): (&str, u16),
    idle: Duration,
    router: Router,
) -> io::Result<SocketAddr> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = runtime.block_on(TcpListener::bind((host, port)))?;
    let bound = listener.local_addr()?;
    let run = move || runtime.block_on(accept(&listener, &router, idle));
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(bound)
}

async fn accept(listener: &TcpListener, router: &Router, idle: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed: there is a place as soon as somebody leaves.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let answering = answer(stream, router.clone().layer(Extension(Caller(from.ip()))), idle);
                tokio::spawn(async move {
                    answering.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("an HTTP connection is refused: {error}");
                // So long, and then whoever waits is accepted again: descriptors may have become free.
                tokio::time::sleep(REFUSED).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router, idle: Duration) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(idle.min(TAKES_NOTHING)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!("an HTTP connection ends: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::*;

    fn started(idle: Duration) -> TcpStream {
        let router = Router::new().route("/well", get(|| async { "well\n" }));
        let at = serve("test", ("127.0.0.1", 0), idle, router).expect("a free port");
        let stream = TcpStream::connect(at).expect("somebody listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    #[test]
    fn a_request_is_answered_and_what_is_none_is_refused() {
        let mut stream = started(Duration::from_secs(60));
        let mut text = String::new();
        stream.write_all(b"GET /well HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("well\n"), "{text}");
        let (mut stream, mut text) = (started(Duration::from_secs(60)), String::new());
        stream.write_all(b"\0\0\0\x2d\0\0\0\0 nothing of HTTP\r\n\r\n").expect("sent");
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    }

    #[test]
    fn who_is_silent_is_sent_away() {
        let mut stream = started(Duration::from_millis(50));
        stream.write_all(b"GET /we").expect("sent");
        assert_eq!(stream.read(&mut [0; 64]).expect("an end"), 0);
    }

    #[test]
    fn readers_that_never_take_their_answers_shut_nobody_out() {
        let much = bytes::Bytes::from(vec![b'x'; 32 << 20]); // more than sockets hold
        let router = Router::new()
            .route("/much", get(move || std::future::ready(much.clone())))
            .route("/well", get(|| async { "well\n" }));
        let at = serve("test", ("127.0.0.1", 0), Duration::from_millis(100), router).expect("a free port");
        let ask = |path: &str| {
            let mut stream = TcpStream::connect(at).expect("somebody listens");
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
            stream
        };
        let deaf: Vec<TcpStream> = (0..CONNECTIONS).map(|_| ask("/much")).collect();
        let mut text = String::new();
        ask("/well").read_to_string(&mut text).expect("an answer");
        assert!(text.ends_with("well\n"), "{text}");
        drop(deaf);
    }
}
