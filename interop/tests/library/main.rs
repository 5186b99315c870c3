//! Zoorum's client library against the original and against Zoorum: the same scenarios, the same outcomes.
//!
//! All scenarios play at the same time with one server, each below a chroot of its own.

mod operations;
mod partners;
mod recipes;
mod sessions;
mod support;
mod watches;

use support::{Scenario, play};
use zoorum_interop::server::Kind;

macro_rules! scenarios {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        [$($((
            stringify!($name),
            (|servers| Box::pin($module::$name(servers))) as Scenario,
        ),)*)*]
    };
}

#[test]
fn the_original_serves_the_library() {
    play_all(Kind::Original);
}

#[test]
fn zoorum_serves_the_library() {
    play_all(Kind::Zoorum);
}

fn play_all(kind: Kind) {
    play(
        kind,
        &scenarios! {
            operations:
                what_is_created_can_be_read_changed_and_deleted, every_mode_makes_its_znode,
                a_multi_does_all_or_nothing, a_multi_read_has_a_result_for_each,
                many_requests_are_under_way_and_keep_their_order, acls_are_set_and_obeyed,
                refused_credentials_end_the_session, sync_config_and_the_chroot,
                a_closed_session_does_nothing_more, quotas_are_set_and_counted;
            watches:
                a_watch_fires_once, a_persistent_watch_tells_every_change,
                a_recursive_watch_tells_of_all_below, removed_watches_end,
                watches_survive_a_lost_connection;
            sessions:
                a_lost_connection_is_not_the_end_of_the_session, an_expired_session_says_so,
                a_session_is_resumed_by_another_client, an_unanswered_request_is_ambiguous,
                clients_find_the_server_that_serves;
            recipes:
                a_lock_has_one_holder_at_a_time, a_dropped_waiter_leaves_the_line,
                a_lock_survives_a_lost_reply, a_lock_protects_while_connections_break,
                a_lock_ends_with_its_session,
                readers_share_and_writers_do_not, a_semaphore_has_so_many_leases,
                the_lead_passes_on, selected_leaders_take_turns, a_barrier_stands_until_it_is_removed,
                a_double_barrier_begins_and_ends_together, a_queue_keeps_its_order,
                a_priority_queue_puts_some_before_others, a_counter_counts_everybody,
                a_group_knows_its_members, caches_follow;
            partners:
                curator_is_a_partner, kazoo_is_a_partner;
        },
    );
}
