//! The arrows between crates, which only ever point down. ARCHITECTURE.md draws the picture.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// Each crate, and the crates of this workspace that it may know.
const ARROWS: &[(&str, &[&str])] = &[
    ("zoorum-jute-derive", &[]),
    ("zoorum-jute", &["zoorum-jute-derive"]),
    ("zoorum-proto", &["zoorum-jute"]),
    ("zoorum-tree", &["zoorum-proto"]),
    ("zoorum-zab", &["zoorum-proto"]),
    ("zoorum-config", &["zoorum-proto"]),
    ("zoorum-bench", &["zoorum-proto"]),
    ("zoorum-client", &["zoorum-proto"]),
    ("zoorum-cli", &["zoorum-client", "zoorum-proto"]),
    ("zoorum-dev", &["zoorum-proto"]),
    ("zoorum-server", &["zoorum-proto", "zoorum-tree", "zoorum-zab"]),
    ("zoorum-storage", &["zoorum-proto", "zoorum-tree"]),
    (
        "zoorum-host",
        &["zoorum-config", "zoorum-proto", "zoorum-server", "zoorum-storage", "zoorum-tree", "zoorum-zab"],
    ),
    (
        "zoorum-sim",
        &["zoorum-client", "zoorum-proto", "zoorum-server", "zoorum-storage", "zoorum-tree", "zoorum-zab"],
    ),
    ("zoorum-tools", &["zoorum-config", "zoorum-host", "zoorum-proto", "zoorum-storage"]),
    (
        "zoorum",
        &[
            "zoorum-bench",
            "zoorum-cli",
            "zoorum-config",
            "zoorum-dev",
            "zoorum-host",
            "zoorum-proto",
            "zoorum-storage",
            "zoorum-tools",
        ],
    ),
    ("zoorum-interop", &["zoorum-proto", "zoorum-storage", "zoorum-tree"]),
    ("xtask", &[]),
];

/// Fails if a crate knows one that it must not know.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata speaks no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            bail!("{name} has no floor yet: give it one in xtask/src/floors.rs and in ARCHITECTURE.md");
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        for dependency in dependencies.filter(|dependency| dependency["kind"].is_null()) {
            let on = dependency["name"].as_str().unwrap_or_default();
            if names.contains(&on) && !allowed.contains(&on) {
                bail!("{name} must not depend on {on}: arrows point down, see ARCHITECTURE.md");
            }
        }
    }
    Ok(())
}
