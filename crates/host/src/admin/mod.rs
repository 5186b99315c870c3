//! The admin server: what four-letter words tell, over HTTP and in JSON, and whether this server lives and is ready.
//!
//! ```text
//! GET /commands            every command, as links
//! GET /commands/NAME?k=v   its answer; 200, whatever it is
//! GET /livez, /readyz      200 or 503: this process runs; it serves clients, in step with a quorum
//! ```
//!
//! **Source.** Apache ZooKeeper 3.9.5: its paths, names, fields, status codes and layout, which probes search for
//! words. `livez` and `readyz` are ours. A thread of its own runs this, so that whoever asks holds up nobody else.

mod commands;
mod ensemble;
mod figures;
mod json;
mod sessions;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use zoorum_config::Admin;

use json::{Json, fields};

use crate::http;
use crate::words::Sources;

/// What a probe is told that finds nothing wrong.
const WELL: &str = "ok\n";

/// Listens as configured and answers until the process ends.
///
/// # Errors
///
/// When the address cannot be listened on, or the system has no thread to spare.
pub(crate) fn start(config: &Admin, sources: Sources) -> io::Result<SocketAddr> {
    let url = format!("/{}", config.command_url.trim_matches('/'));
    let address = (config.server_address.as_str(), config.server_port);
    let bound = http::serve("admin", address, config.idle_timeout, router(&url, sources))?;
    tracing::info!(
        "Started AdminServer on address {}, port {} and command URL {}",
        config.server_address,
        bound.port(),
        config.command_url
    );
    Ok(bound)
}

fn router(url: &str, sources: Sources) -> Router {
    Router::new()
        .route(url, any(list))
        .route(&format!("{url}/"), any(list))
        .route(&format!("{url}/{{*name}}"), any(command))
        .route("/livez", any(|| async { WELL }))
        .route("/readyz", any(ready))
        .with_state(sources)
}

/// Every command, as links.
async fn list(method: Method) -> Response {
    if let Some(refusal) = refuse(&method) {
        return refusal;
    }
    let link = |name| format!("<a href=\"/commands/{name}\">{name}</a>\n<br/>\n");
    let mut response = commands::names().map(link).collect::<String>().into_response();
    response.headers_mut().remove(header::CONTENT_TYPE); // the original tells none
    response
}

async fn command(
    State(sources): State<Sources>,
    method: Method,
    Path(name): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    if let Some(refusal) = refuse(&method) {
        return refusal;
    }
    if method == Method::POST {
        let error = format!("{name} is asked for by GET");
        return in_json(
            StatusCode::METHOD_NOT_ALLOWED,
            &Json::from(fields! { "command": name, "error": error }),
        );
    }
    let mut first_of_each = BTreeMap::new();
    for (name, value) in parameters {
        first_of_each.entry(name).or_insert(value);
    }
    // Threads are asked, which may take a while to answer.
    let answer =
        tokio::task::spawn_blocking(move || commands::execute(&sources, &name, &first_of_each)).await;
    match answer {
        Ok(answer) => in_json(StatusCode::OK, &answer),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(sources): State<Sources>) -> (StatusCode, &'static str) {
    if commands::is_ready(&sources) {
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
