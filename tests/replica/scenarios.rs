//! Replication's acceptance scenarios, each as named tests: `replication_scenario_07…` and so on are what scenario 7 is shown by.
//!
//! 1. One isolated change is repeated until it is acknowledged, then there is silence; a change there and back within a tick sends
//!    nothing; a value held for one tick and then restored arrives in its final state.
//! 2. An object that is as by default carries no dataset bytes; proxies hold equal values.
//! 3. Outside a session a replica is its own primary, an RPC runs at once, no handler is needed, and values can be set from the start.
//! 4. On three nodes, whether the owner calls or a proxy: what the handler propagates runs exactly once on all three, what it
//!    stops on the owner only.
//! 5. In a call that destroys, and with one made before it, everything runs everywhere; one made after it runs once where the owner
//!    made it, and nowhere when a proxy did.
//! 6. What is created and destroyed in one tick sends nothing and leaves nothing behind.
//! 7. A life is told once on each side and in order; its end waits for the last reference; a chunk that comes too late is refused.
//! 8. Ten successive values are heard of ten times on a proxy, and on the primary only if it asks.
//! 9. While updates are suspended nothing is heard; then the newest value once, and all calls in order.
//! 10. RPCs with 0 to 16 arguments, under default, custom and stateful codecs; unreliable ones stay in order, with gaps, through a
//!     relay too.
//! 11. The source of a call is true, direct and relayed.
//! 12. Of a hostile or confused peer, calls that it may not make are dropped and counted, and what it says of things that are not its
//!     own changes nothing; everyone else agrees.
//! 13. A chunk that only a host creates is refused from a client, alone or with its replica, as declared.
//! 14. Created in ascending priority, objects arrive in descending priority.
//! 15. More than the rate is cut to it, little is not delayed, and the lowest class waits no longer than its bound.
//! 16. Ownership: who is granted what, with one owner everywhere.
//! 20. Who comes in the tick of a change does not end its repetition to others; the last change is repeated when it is lost; a transfer
//!     ends though a third node does not see the replica; RPC overflow is reported; what is hidden and shown in one tick does not
//!     flicker; quantisers take the nearest; messages cut short are refused; who is left alone takes the host's place. (That moving only a rule
//!     does not flicker is told where interest is.)
//!
//! (17 to 19 are told where sessions, interest and binding are.) A test below checks that this table is complete.
//!
//! | | Test | In |
//! |---|---|---|
//! | 1 | `replication_scenario_01a_idle_sends_nothing_and_a_change_is_repeated_until_acknowledged` | `tests/replica/values.rs` |
//! | 1 | `replication_scenario_01b_there_and_back_within_a_tick_sends_nothing_and_a_value_held_for_one_tick_arrives_in_its_final_state` | `tests/replica/values.rs` |
//! | 2 | `replication_scenario_02_defaults_cost_no_dataset_bytes` | `tests/replica/values.rs` |
//! | 3 | `replication_scenario_03_a_replica_outside_a_session_is_its_own_primary` | `tests/replica/offline.rs` |
//! | 4 | `replication_scenario_04_who_calls_and_what_the_handler_says_decide_where_a_call_runs` | `tests/replica/calls.rs` |
//! | 5 | `replication_scenario_05a_the_call_that_destroys_runs_everywhere_and_none_after_it` | `tests/replica/calls.rs` |
//! | 5 | `replication_scenario_05b_nothing_runs_anywhere_after_a_proxys_call_that_destroys` | `tests/replica/calls.rs` |
//! | 6 | `replication_scenario_06_created_and_destroyed_in_one_tick_sends_nothing` | `tests/replica/life.rs` |
//! | 6 | `replication_scenario_06_what_ends_where_it_begins_is_never_sent` | `tests/replica/told.rs` |
//! | 7 | `replication_scenario_07_a_life_is_told_once_on_each_side_and_in_order` | `tests/replica/told.rs` |
//! | 7 | `replication_scenario_07_a_replica_gets_no_chunks_after_it_was_activated` | `tests/replica/told.rs` |
//! | 7 | `replication_scenario_07_detach_waits_for_what_still_refers_to_the_chunk` | `tests/replica/told.rs` |
//! | 8 | `replication_scenario_08_ten_values_are_heard_of_ten_times_and_on_the_primary_if_it_asks` | `tests/replica/values.rs` |
//! | 9 | `replication_scenario_09_nothing_while_suspended_and_then_all_calls_and_the_newest_values_once` | `tests/replica/suspended.rs` |
//! | 10 | `replication_scenario_10a_every_number_of_arguments_arrives_with_values_and_order` | `tests/replica/calls_arguments.rs` |
//! | 10 | `replication_scenario_10b_unreliable_calls_stay_in_order_with_gaps_through_a_relay` | `tests/replica/calls_directed.rs` |
//! | 11 | `replication_scenario_11a_the_source_of_a_call_is_who_made_it_direct_and_relayed` | `tests/replica/calls_directed.rs` |
//! | 11 | `replication_scenario_11b_only_a_host_names_whom_a_call_is_from` | `tests/replica/limits.rs` |
//! | 12 | `replication_scenario_12a_a_peer_cannot_touch_what_is_not_its_own` | `tests/replica/limits.rs` |
//! | 12 | `replication_scenario_12b_who_may_call_is_checked_where_a_call_arrives` | `tests/replica/limits.rs` |
//! | 12 | `replication_scenario_12c_only_the_owner_echoes_and_only_the_owner_ends` | `tests/replica/limits.rs` |
//! | 12 | `replication_scenario_12d_a_host_does_not_pass_on_what_is_not_to_be_passed_on` | `tests/replica/calls_directed.rs` |
//! | 12 | `replication_scenario_12e_whatever_a_hostile_client_says_the_others_agree_and_nothing_of_it_runs` | `tests/replica/confused.rs` |
//! | 13 | `replication_scenario_13_a_clients_host_only_chunk_is_refused_and_the_rest_survives` | `tests/replica/host_only.rs` |
//! | 13 | `replication_scenario_13_what_a_host_creates_is_everyones` | `tests/replica/host_only.rs` |
//! | 13 | `replication_scenario_13_what_is_refused_whole_is_an_error_at_the_client_and_a_fault_at_the_host` | `tests/replica/host_only.rs` |
//! | 14 | `replication_scenario_14_created_in_ascending_priority_they_arrive_in_descending_priority` | `tests/replica/pressure.rs` |
//! | 15 | `replication_scenario_15a_more_than_the_rate_is_cut_to_it_and_little_is_not_delayed` | `tests/sim/budget.rs` |
//! | 15 | `replication_scenario_15b_nothing_waits_longer_than_the_bound_and_all_are_sent_in_proportion` | `tests/replica/pressure.rs` |
//! | 16 | `replication_scenario_16_everyone_gets_what_its_owner_gives_and_nothing_else` | `tests/ownership/matrix.rs` |
//! | 16 | `replication_scenario_16_requests_in_a_row_end_in_the_last` | `tests/ownership/matrix.rs` |
//! | 16 | `replication_scenario_16_requests_in_a_row_end_in_the_last_in_a_mesh_too` | `tests/ownership/matrix.rs` |
//! | 20 | `replication_scenario_20a_who_comes_in_the_tick_of_a_change_does_not_end_its_repetition_to_others` | `tests/replica/newest.rs` |
//! | 20 | `replication_scenario_20b_the_last_change_is_repeated_when_it_is_lost_though_nothing_else_changes` | `tests/replica/newest.rs` |
//! | 20 | `replication_scenario_20c_a_third_node_may_have_nothing_of_what_changes_hands` | `tests/ownership/matrix.rs` |
//! | 20 | `replication_scenario_20d_a_lone_survivor_completes_host_migration` | `tests/ownership/succession.rs` |
//! | 20 | `replication_scenario_20d_who_is_left_alone_while_it_takes_over_completes_it_too` | `tests/ownership/succession.rs` |
//! | 20 | `replication_scenario_20e_rpc_overflow_is_reported` | `tests/sim/calls.rs` |
//! | 20 | `replication_scenario_20f_what_is_hidden_and_shown_in_one_tick_does_not_flicker` | `tests/replica/audience.rs` |
//! | 20 | `replication_scenario_20g_directions_are_the_nearest_point_of_the_square` | `tests/replica/quantisers.rs` |
//! | 20 | `replication_scenario_20g_halves_are_the_nearest_half` | `tests/replica/quantisers.rs` |
//! | 20 | `replication_scenario_20g_numbers_in_steps_are_the_nearest_step` | `tests/replica/quantisers.rs` |
//! | 20 | `replication_scenario_20g_the_components_of_rotations_are_the_nearest` | `tests/replica/quantisers.rs` |
//! | 20 | `replication_scenario_20h_messages_that_were_cut_short_are_refused` | `tests/replica/newest.rs` |

/// Scenarios that there are tests of.
const SCENARIOS: [usize; 17] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20];

/// Every scenario has at least one test that is named after it, and the table above has all of them where they are.
#[test]
fn every_scenario_has_its_tests() {
    gridmate_tests::scenarios::check("replication_scenario_", SCENARIOS, include_str!("scenarios.rs"));
}
