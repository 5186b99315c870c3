//! The commands, in the order of their names, capitals first, as the original lists them.

use super::{Command, OldForm};
use crate::commands::{ensemble, follow, quota, read, session, transfer, tree, watches, write};
use crate::options::{Choice, Opt};

macro_rules! command {
    ($name:literal, $usage:literal, $about:literal, $run:path $(, $field:ident = $value:expr)* $(,)?) => {
        Command {
            $($field: $value,)*
            ..Command {
                name: $name,
                usage: $usage,
                about: $about,
                options: &[],
                choice: Choice::Any,
                arguments_min: 0,
                arguments_max: usize::MAX,
                takes_any_words: false,
                old_form: None,
                describes_options: false,
                is_shells_own: false,
                run: |shell, parsed| Box::pin($run(shell, parsed)),
            }
        }
    };
}

const STATS: Opt = Opt::flag("s", "Print znode stats additionally");
const WATCH: Opt = Opt::flag("w", "Watch for changes on the znode");

const LIMITS: &[Opt] = &[
    Opt::value("n", "num soft quota"),
    Opt::value("b", "bytes soft quota"),
    Opt::value("N", "num hard quota"),
    Opt::value("B", "bytes hard quota"),
];
const LIMIT_NAMES: &[Opt] = &[
    Opt::flag("n", "num soft quota"),
    Opt::flag("b", "bytes soft quota"),
    Opt::flag("N", "num hard quota"),
    Opt::flag("B", "bytes hard quota"),
];

/// All of them.
pub(crate) static COMMANDS: &[Command] = &[
    command!(
        "addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
        "Watches a znode until it is told not to: all changes of it and its children, or of all below it.",
        watches::add_watch,
        options = &[Opt::value("m", "PERSISTENT or PERSISTENT_RECURSIVE")],
    ),
    command!(
        "addauth",
        "scheme auth",
        "Proves who you are to the server: addauth digest user:password.",
        session::add_auth,
        arguments_min = 1,
    ),
    command!(
        "close",
        "",
        "Ends the session, and with it its ephemeral znodes.",
        session::close,
        takes_any_words = true
    ),
    command!(
        "config",
        "[-c] [-w] [-s]",
        "Prints the ensemble's membership.",
        ensemble::config,
        options = &[Opt::flag("c", "client connection string"), WATCH, STATS],
    ),
    command!(
        "connect",
        "host:port",
        "Ends the session and begins one with other servers, or with the same.",
        session::connect,
        is_shells_own = true,
        takes_any_words = true,
    ),
    command!(
        "create",
        "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
        "Creates a znode.",
        write::create,
        options = &[
            Opt::flag("s", "sequential"),
            Opt::flag("e", "ephemeral"),
            Opt::flag("c", "container"),
            Opt::value("t", "time to live, in milliseconds")
        ],
        arguments_min = 1,
    ),
    command!(
        "delete",
        "[-v version] path",
        "Deletes a znode that has no children.",
        write::delete,
        options = &[Opt::value("v", "version")],
        arguments_min = 1,
        old_form = Some(OldForm {
            hint: "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.",
            second_word: None,
        }),
    ),
    command!(
        "deleteall",
        "path [-b batch size]",
        "Deletes a znode and all below it.",
        write::delete_all,
        options = &[Opt::value("b", "batch size")],
        arguments_min = 1,
    ),
    command!(
        "delquota",
        "[-n|-b|-N|-B] path",
        "Takes a quota away, or one limit of it.",
        quota::delete,
        options = LIMIT_NAMES,
        choice = Choice::One,
        arguments_min = 1,
    ),
    command!(
        "export",
        "path file",
        "Writes a subtree to a file, one znode a line; - is standard output.",
        transfer::export,
        arguments_min = 2,
    ),
    command!(
        "find",
        "[-n pattern] [-d text] [-e] [-m depth] path",
        "Prints the paths of the znodes that match.",
        tree::find,
        options = &[
            Opt::value("n", "a pattern of the name, with * and ?"),
            Opt::value("d", "text in the data"),
            Opt::flag("e", "ephemeral znodes only"),
            Opt::value("m", "go no deeper than this")
        ],
        arguments_min = 1,
    ),
    command!(
        "get",
        "[-s] [-w] [-b] [-x] path",
        "Prints a znode's data.",
        read::get,
        options = &[
            Opt::flag("b", "Output data in base64 format"),
            STATS,
            WATCH,
            Opt::flag("x", "Output data in hexdump format")
        ],
        arguments_min = 1,
        describes_options = true,
        old_form = Some(OldForm {
            hint: "'get path [watch]' has been deprecated. Please use 'get [-s] [-w] path' instead.",
            second_word: Some("-w"),
        }),
    ),
    command!(
        "getAcl",
        "[-s] path",
        "Prints who may do what with a znode.",
        read::get_acl,
        options = &[STATS],
        arguments_min = 1,
    ),
    command!(
        "getAllChildrenNumber",
        "path",
        "Counts the znodes below one, at all depths.",
        read::get_all_children_number,
        arguments_min = 1,
    ),
    command!(
        "getEphemerals",
        "path",
        "Lists this session's ephemeral znodes, all or those below a path.",
        read::get_ephemerals,
    ),
    command!(
        "help",
        "[command]",
        "Lists the commands, or explains one.",
        session::help,
        is_shells_own = true,
        takes_any_words = true
    ),
    command!(
        "history",
        "",
        "Lists the last commands, with their numbers.",
        session::history,
        is_shells_own = true,
        takes_any_words = true
    ),
    command!(
        "import",
        "[-f] file path",
        "Creates a subtree from a file that export wrote.",
        transfer::import,
        options = &[Opt::flag("f", "into a znode that exists; what is there already gets the file's data")],
        arguments_min = 2,
    ),
    command!("listquota", "path", "Prints a quota, and what is used of it.", quota::list, arguments_min = 1,),
    command!(
        "ls",
        "[-s] [-w] [-R] path",
        "Lists a znode's children.",
        read::ls,
        options = &[Opt::flag("?", "help"), STATS, WATCH, Opt::flag("R", "recurse")],
        old_form = Some(OldForm {
            hint: "'ls path [watch]' has been deprecated. Please use 'ls [-w] path' instead.",
            second_word: Some("-w"),
        }),
    ),
    command!(
        "printwatches",
        "on|off",
        "Says whether events are printed, or switches that.",
        watches::print_watches,
        is_shells_own = true,
        takes_any_words = true,
    ),
    command!(
        "quit",
        "",
        "Ends the session and the shell.",
        session::quit,
        is_shells_own = true,
        takes_any_words = true
    ),
    command!(
        "reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        "Changes the ensemble's membership.",
        ensemble::reconfig,
        options = &[
            STATS,
            Opt::value("v", "required current config version"),
            Opt::value("file", "path of config file to parse for membership"),
            Opt::value("members", "the whole new membership, by commas"),
            Opt::value("add", "servers that join, by commas"),
            Opt::value("remove", "servers that leave, by commas")
        ],
    ),
    command!(
        "redo",
        "cmdno",
        "Does again what a line of the history did.",
        session::redo,
        is_shells_own = true,
        takes_any_words = true
    ),
    command!(
        "removewatches",
        "path [-c|-d|-a] [-l]",
        "Takes watches back.",
        watches::remove,
        options = &[
            Opt::flag("c", "child watcher type"),
            Opt::flag("d", "data watcher type"),
            Opt::flag("p", "persistent watcher type"),
            Opt::flag("r", "persistent recursive watcher type"),
            Opt::flag("a", "any watcher type"),
            Opt::flag("l", "remove locally when there is no server connection")
        ],
        arguments_min = 1,
    ),
    command!(
        "set",
        "path data [-s] [-v version] [-b]",
        "Sets a znode's data.",
        write::set,
        options = &[
            Opt::flag("b", "Supply data in base64 format"),
            STATS,
            Opt::value("v", "Set with an expected version")
        ],
        arguments_min = 2,
        describes_options = true,
    ),
    command!(
        "setAcl",
        "[-s] [-v version] [-R] path acl",
        "Says who may do what with a znode.",
        write::set_acl,
        options = &[STATS, Opt::value("v", "version"), Opt::flag("R", "recursive")],
        arguments_min = 2,
    ),
    command!(
        "setquota",
        "-n|-b|-N|-B val path",
        "Limits the znodes or bytes of a subtree.",
        quota::set,
        options = LIMITS,
        choice = Choice::JustOne,
        arguments_min = 1,
    ),
    command!(
        "stat",
        "[-w] path",
        "Prints a znode's Stat.",
        read::stat,
        options = &[WATCH],
        arguments_min = 1,
        old_form = Some(OldForm {
            hint: "'stat path [watch]' has been deprecated. Please use 'stat [-w] path' instead.",
            second_word: Some("-w"),
        }),
    ),
    command!(
        "sync",
        "path",
        "Waits until the server knows what others have written before.",
        session::sync,
        arguments_min = 1,
    ),
    command!(
        "tree",
        "[-d depth] [-v] path",
        "Draws a subtree.",
        tree::tree,
        options = &[Opt::value("d", "go no deeper than this"), Opt::flag("v", "show data")],
        arguments_min = 1,
    ),
    command!("version", "", "Prints the shell's version.", session::version, arguments_max = 0),
    command!(
        "watch",
        "[-n count] [-v] path",
        "Prints each change of a subtree as it happens, until Ctrl-C.",
        follow::watch,
        options = &[Opt::value("n", "end after so many changes"), Opt::flag("v", "show data")],
        arguments_min = 1,
    ),
    command!("whoami", "", "Prints who the server takes you for.", session::who_am_i, takes_any_words = true),
];
