//! The users' pages: every block of commands in them is run, or says why not.
//!
//! Before each block of `sh` stands a comment that readers do not see, alone on its line:
//!
//! ```text
//! <!-- run -->                     it is run, and must succeed
//! <!-- run in the background -->   one command, a server that stays in the foreground; what follows waits until it serves
//! <!-- not run: why -->            it is not
//! <!-- prints -->                  before a block of `text`: the last block of commands printed these lines, among
//!                                  others and in this order; … stands for anything
//! <!-- hidden                      these commands are run, too, and readers do not see them
//! ... -->
//! ```
//!
//! A page is one story, told from its beginning in a room of its own: a machine like this one, on which the release
//! archive was unpacked, and that directory is the current one. `zoorum` and the scripts are found by their names.
//! `ZOORUM_PAGES=install,operate` tells these alone.

mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use page::Page;
use zoorum_interop::dist::Dist;
use zoorum_interop::room::root::Root;

/// So many pages are read aloud at the same time.
const READERS: usize = 3;
/// How long a page may take, in seconds.
const PATIENCE: &str = "300";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository")
}

fn pages() -> Vec<PathBuf> {
    let in_directory = |directory: &str| {
        let entries = fs::read_dir(repository().join(directory)).expect("a directory");
        entries.map(|entry| entry.expect("an entry").path())
    };
    let mut pages: Vec<PathBuf> = in_directory(".").chain(in_directory("docs")).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort_unstable();
    pages
}

fn dist() -> &'static Dist {
    static DIST: OnceLock<Dist> = OnceLock::new();
    DIST.get_or_init(|| Dist::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs")))
}

#[test]
fn every_block_of_every_page_does_what_it_says() {
    let pages: Vec<Page> = pages().iter().map(|path| Page::read(path)).collect();
    let wrong: Vec<String> = pages.iter().flat_map(|page| page.complaints.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut stories: Vec<&Page> = pages.iter().filter(|page| page.has_commands()).collect();
    assert!(stories.len() > 3, "most pages have commands");
    if let Ok(names) = std::env::var("ZOORUM_PAGES") {
        stories.retain(|page| names.split(',').any(|name| page.name.starts_with(name)));
    }
    dist();
    let next = AtomicUsize::new(0);
    let failures: Vec<String> = thread::scope(|scope| {
        let reader = || {
            let take = || stories.get(next.fetch_add(1, Ordering::Relaxed));
            std::iter::from_fn(take).filter_map(|page| tell(page).err()).collect::<Vec<String>>()
        };
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs a page; what went wrong, with what was printed.
fn tell(page: &Page) -> Result<(), String> {
    let root = Root::new();
    root.share(&dist().archive(), "archive.tar.gz");
    root.share(&dist().package(), "zoorum.deb");
    fs::write(root.shared().join("story.sh"), page.script()).expect("written");
    // Servers may outlive the story: nothing that they hold open is waited for.
    let status = root
        .command("timeout")
        .args([PATIENCE, "bash"])
        .arg(repository().join("interop/tests/docs/story.sh"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("run nsenter");
    let read = |name: &str| fs::read_to_string(root.shared().join(name)).unwrap_or_default();
    let printed = |line: usize| read(&format!("{line}.out"));
    if !status.success() {
        let last = read("progress").trim().parse().unwrap_or_default();
        return Err(format!("{}:{last}: {status}\n{}", page.name, printed(last)));
    }
    page.check_output(printed)
}
