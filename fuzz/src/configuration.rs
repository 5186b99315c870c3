//! Configuration: a file, JVM flags, `myid`, and a file of members.
//!
//! ```text
//! input    zoo.cfg · 0 · flags · 0 · myid · 0 · dynamic file      NUL between them, the later ones optional
//! ```

use std::io;
use std::path::Path;

use zoorum_config::{Sources, Start, load};

/// Loads the configuration or is refused.
pub fn run(input: &[u8]) {
    let mut parts = input.splitn(4, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default().to_vec();
    let (zoo_cfg, flags, myid, dynamic) = (next(), next(), next(), next());
    let flags = String::from_utf8_lossy(&flags).into_owned();

    let environment = |name: &str| (name == "JVMFLAGS").then(|| flags.clone());
    let read = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("zoo.cfg") => Ok(zoo_cfg.clone()),
        Some("myid") if !myid.is_empty() => Ok(myid.clone()),
        Some("zoo.cfg.dynamic") => Ok(dynamic.clone()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let built_in = || Start::BuiltIn { data_dir: "data".into() };
    let positional: Vec<String> = flags.split(' ').map(str::to_owned).collect();
    for arguments in [vec!["zoo.cfg".to_owned()], positional] {
        let loaded =
            Sources::of_process(arguments, environment, built_in()).and_then(|sources| load(&sources, read));
        if let Err(error) = loaded {
            assert!(!error.to_string().is_empty(), "a refusal says why");
        }
    }
}
