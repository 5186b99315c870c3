//! Developer chores: `cargo xtask check` judges the code, `cargo xtask test` proves the product.

mod floors;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

const USAGE: &str = "\
usage: cargo xtask <task>
  check    formatting, lints, documentation, and the arrows between crates
  test     installs what the tests need, then check, then every test
  fuzz     every fuzz target for some seconds each: cargo xtask fuzz [seconds]";

/// How long each fuzz target runs among the tests.
const FUZZ_SECONDS: &str = "10";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["check"] => check(),
        ["test"] => test(),
        ["fuzz"] => fuzz("60"),
        ["fuzz", seconds] => fuzz(seconds),
        _ => bail!("{USAGE}"),
    }
}

fn check() -> anyhow::Result<()> {
    run("cargo", &["fmt", "--all", "--check"])?;
    floors::check(root())?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run_with("cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])
}

fn test() -> anyhow::Result<()> {
    run("interop/install.sh", &[])?;
    check()?;
    // The whole-system tests start the binary that users get.
    run("cargo", &["build", "--release", "--package", "zoorum"])?;
    run("cargo", &["test", "--workspace"])?;
    fuzz(FUZZ_SECONDS)
}

fn fuzz(seconds: &str) -> anyhow::Result<()> {
    run("fuzz/run.sh", &[seconds])
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository")
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    run_with(program, arguments, &[])
}

/// Runs a command in the repository, and says how long it took.
fn run_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("▶ {line}");
    let started = Instant::now();
    // A path with a directory in it is meant from the repository, wherever we were called.
    let program = if program.contains('/') { root().join(program) } else { program.into() };
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot run {line}"))?;
    if !status.success() {
        bail!("failed after {} s: {line}", started.elapsed().as_secs());
    }
    eprintln!("✓ {line} ({} s)", started.elapsed().as_secs());
    Ok(())
}
