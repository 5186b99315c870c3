//! The admin server: what four-letter words tell, over HTTP and in JSON, and whether this server lives and is ready.
//!
//! ```text
//! GET /commands            every command, as links
//! GET /commands/NAME?k=v   its answer; 200, whatever it is
//! GET /commands/snapshot   a snapshot's file; POST /commands/restore: the way back. Not for everybody
//! GET /livez, /readyz      200 or 503: this process runs; it serves clients, in step with a quorum
//! ```
//!
//! **Source.** Apache ZooKeeper 3.9.5: its paths, names, fields, status codes and layout, which probes search for
//! words. `livez` and `readyz` are ours. A thread of its own runs this, so that whoever asks holds up nobody else.

mod access;
mod commands;
mod ensemble;
mod figures;
mod file_body;
mod json;
mod limiter;
mod sessions;
mod transfers;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use zoorum_config::Admin;

use json::{Json, fields};
use transfers::Transfer;
pub(crate) use transfers::{Limits, Transfers};

use crate::http::{self, Caller};
use crate::words::Sources;

/// What a probe is told that finds nothing wrong.
const WELL: &str = "ok\n";

/// Listens as configured and answers until the process ends.
///
/// # Errors
///
/// When the address cannot be listened on, or the system has no thread to spare.
pub(crate) fn start(config: &Admin, sources: Sources, transfers: Transfers) -> io::Result<SocketAddr> {
    let url = format!("/{}", config.command_url.trim_matches('/'));
    let address = (config.server_address.as_str(), config.server_port);
    let server = AdminServer { sources, transfers: Arc::new(transfers) };
    let bound = http::serve("admin", address, config.idle_timeout, router(&url, server))?;
    tracing::info!(
        "Started AdminServer on address {}, port {} and command URL {}",
        config.server_address,
        bound.port(),
        config.command_url
    );
    Ok(bound)
}

/// What answers come from.
#[derive(Clone)]
struct AdminServer {
    sources: Sources,
    transfers: Arc<Transfers>,
}

fn router(url: &str, server: AdminServer) -> Router {
    Router::new()
        .route(url, any(list))
        .route(&format!("{url}/"), any(list))
        .route(&format!("{url}/{{*name}}"), any(command))
        .route("/livez", any(|| async { WELL }))
        .route("/readyz", any(ready))
        .with_state(server)
}

/// Every command, as links.
async fn list(method: Method) -> Response {
    if let Some(refusal) = refuse(&method) {
        return refusal;
    }
    let link = |name| format!("<a href=\"/commands/{name}\">{name}</a>\n<br/>\n");
    let mut response = commands::names().into_iter().map(link).collect::<String>().into_response();
    response.headers_mut().remove(header::CONTENT_TYPE); // the original tells none
    response
}

async fn command(
    State(AdminServer { sources, transfers }): State<AdminServer>,
    Extension(Caller(from)): Extension<Caller>,
    method: Method,
    Path(name): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(refusal) = refuse(&method) {
        return refusal;
    }
    let transfer = Transfer::of(&name);
    if let Some(refusal) = refuse_wrong_method(&method, &name, transfer) {
        return refusal;
    }
    let mut first_of_each = BTreeMap::new();
    for (name, value) in parameters {
        first_of_each.entry(name).or_insert(value);
    }
    if let Some(transfer) = transfer {
        let from = access::origin(&headers, from, transfers.believes_proxies);
        if let Some(refusal) = turn_away(&sources, transfer, &headers, from) {
            return refusal;
        }
        return match transfer {
            Transfer::Restore => transfers::restore(transfers, body).await,
            Transfer::Snapshot => {
                let streams = first_of_each.get("streaming");
                let streams = streams.is_none_or(|value| value.eq_ignore_ascii_case("true"));
                transfers::snapshot(transfers, streams).await
            }
        };
    }
    // Threads are asked, which may take a while to answer.
    let answer =
        tokio::task::spawn_blocking(move || commands::execute(&sources, &name, &first_of_each)).await;
    match answer {
        Ok(answer) => in_json(StatusCode::OK, &answer),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A server that serves nobody, and whoever may not.
fn turn_away(sources: &Sources, transfer: Transfer, headers: &HeaderMap, from: IpAddr) -> Option<Response> {
    if !commands::serves(sources) {
        return Some(transfer.answer(StatusCode::OK, Vec::new(), Some(commands::NOT_SERVING.to_owned())));
    }
    let refused = access::admit(sources.reporter.shared(), headers, from).err()?;
    Some(transfer.answer(refused.status(), Vec::new(), Some(refused.text().to_owned())))
}

fn refuse_wrong_method(method: &Method, name: &str, transfer: Option<Transfer>) -> Option<Response> {
    let wanted = if transfer == Some(Transfer::Restore) { "POST" } else { "GET" };
    if (*method == Method::POST) == (wanted == "POST") {
        return None;
    }
    let error = format!("{name} is asked for by {wanted}");
    let answer = Json::from(fields! { "command": name, "error": error });
    Some(in_json(StatusCode::METHOD_NOT_ALLOWED, &answer))
}

async fn ready(State(server): State<AdminServer>) -> (StatusCode, &'static str) {
    if commands::is_ready(&server.sources) {
        (StatusCode::OK, WELL)
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: no quorum of this ensemble is in step with this server\n",
        )
    }
}

/// What is neither GET nor POST.
fn refuse(method: &Method) -> Option<Response> {
    match *method {
        Method::GET | Method::HEAD | Method::POST => None,
        Method::TRACE => Some(StatusCode::FORBIDDEN.into_response()),
        Method::OPTIONS => Some([(header::ALLOW, "GET, HEAD, POST, OPTIONS")].into_response()),
        _ => Some(StatusCode::METHOD_NOT_ALLOWED.into_response()),
    }
}

fn in_json(status: StatusCode, json: &Json) -> Response {
    let json_type = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json_type)], json.text()).into_response()
}
