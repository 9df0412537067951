//! The transport's acceptance scenarios, each as named tests: `scenario_07…` and so on are what scenario 7 is shown by.
//!
//! 1. An off-path spoofer cannot acknowledge, reset, inject or stall anything.
//! 2. Parser fuzzing never panics, over-allocates or misdelivers.
//! 3. A spoofed connect flood costs no memory per source; replies are never larger than requests.
//! 4. Every handshake packet dropped, duplicated or reordered: the connection completes.
//! 5. Under 30 % loss, reordering and duplication: exactly once, in order per ordered channel, no blocking across channels.
//! 6. A message of 40,960 bytes each way through the simulator. Where a receive buffer can be too small, that consumes nothing; here
//!    buffers are the endpoint's and given away whole, so the equivalent is a program that takes no events: it loses none.
//! 7. 70,000 and more messages through every number wrap, and every boundary value of each comparison.
//! 8. Delivery receipts fire exactly once, never early.
//! 9. Fair sharing of a bottleneck; tail loss repaired in under two and a half round trips.
//! 10. Loss, round-trip and silence thresholds each disconnect on time; the peer can reconnect.
//! 11. Restart from the same address in under a second; address change without loss.
//! 12. A handshake answered *pending* is accepted later; nothing is asked for again after that; when both connect at once, one
//!     connection comes of it.
//! 13. 101 endpoints in one process lossless in under eight seconds; ten thousand connections without steady-state
//!     allocation.
//! 14. TCP framing and every codec: properties at every split point and bit offset.
//!
//! Tests are where what they need is: those that forge datagrams, count allocations or bring endpoints and simulator together here,
//! others with their neighbours. A test below checks that this table is complete.
//!
//! | | Test | In |
//! |---|---|---|
//! | 1 | `scenario_01_a_connection_being_made_is_not_disturbed` | `tests/transport/spoofer.rs` |
//! | 1 | `scenario_01_a_million_forged_datagrams_change_nothing` | `tests/transport/spoofer.rs` |
//! | 1 | `scenario_01_hellos_in_the_name_of_a_peer_do_not_touch_its_connection` | `gridmate-runtime/tests/carrier_handshake.rs` |
//! | 2 | `scenario_02_a_peer_that_sends_anything_panics_nothing_and_fills_nothing` | `gridmate-runtime/src/carrier/tests.rs` |
//! | 2 | `scenario_02_damaged_datagrams_are_dropped_and_counted_and_change_nothing` | `tests/hostile/datagrams.rs` |
//! | 2 | `scenario_02_every_truncation_and_every_flipped_bit_is_noticed` | `gridmate-runtime/tests/carrier_hostile.rs` |
//! | 2 | `scenario_02_garbage_costs_no_memory_and_delivers_nothing` | `tests/transport/garbage.rs` |
//! | 2 | `scenario_02_random_bytes_under_a_valid_tag_panic_nothing` | `gridmate-runtime/src/carrier/tests.rs` |
//! | 3 | `scenario_03_a_flood_of_hellos_costs_no_memory_and_answers_are_smaller` | `tests/transport/flood.rs` |
//! | 3 | `scenario_03_answers_that_wait_are_bounded` | `tests/transport/flood.rs` |
//! | 3 | `scenario_03_half_open_connections_are_bounded` | `gridmate-runtime/tests/carrier_handshake.rs` |
//! | 4 | `scenario_04a_every_packet_and_every_pair_of_packets_may_be_lost` | `tests/transport/handshake.rs` |
//! | 4 | `scenario_04b_every_packet_may_come_twice` | `tests/transport/handshake.rs` |
//! | 4 | `scenario_04c_every_packet_may_be_overtaken` | `tests/transport/handshake.rs` |
//! | 4 | `scenario_04d_all_of_it_at_once` | `tests/transport/handshake.rs` |
//! | 4 | `scenario_04e_repeated_and_late_handshake_packets_change_nothing` | `gridmate-runtime/tests/carrier_handshake.rs` |
//! | 4 | `scenario_04f_handshakes_succeed_on_awful_links` | `gridmate-runtime/tests/carrier_handshake.rs` |
//! | 5 | `scenario_05a_reliable_messages_arrive_once_in_order_and_unaltered` | `gridmate-runtime/tests/carrier_delivery.rs` |
//! | 5 | `scenario_05b_other_channels_do_not_wait_for_a_lost_packet` | `tests/transport/channels.rs` |
//! | 5 | `scenario_05c_a_stuck_reliable_channel_holds_nothing_else_up` | `gridmate-runtime/tests/carrier_delivery.rs` |
//! | 5 | `scenario_05d_unordered_messages_arrive_once_and_do_not_wait_for_each_other` | `gridmate-runtime/tests/carrier_channels.rs` |
//! | 6 | `scenario_06a_forty_kibibytes_each_way` | `tests/transport/channels.rs` |
//! | 6 | `scenario_06b_a_program_that_takes_nothing_loses_nothing` | `tests/transport/channels.rs` |
//! | 7 | `scenario_07a_numbers_wrap_without_notice` | `gridmate-runtime/tests/carrier_delivery.rs` |
//! | 7 | `scenario_07b_seventy_thousand_messages_of_every_kind_through_every_wrap` | `tests/transport/numbers.rs` |
//! | 7 | `scenario_07c_every_boundary_of_every_comparison` | `tests/transport/numbers.rs` |
//! | 7 | `scenario_07d_numbers_expand_to_the_nearest` | `gridmate-runtime/src/carrier/packet.rs` |
//! | 8 | `scenario_08a_receipts_come_once_never_early_and_never_lie` | `gridmate-runtime/tests/carrier_delivery.rs` |
//! | 8 | `scenario_08b_a_blackout_resolves_everything_in_flight` | `gridmate-runtime/tests/carrier_delivery.rs` |
//! | 8 | `scenario_08c_receipts_of_reliable_messages_come_once_and_never_early` | `tests/transport/receipts.rs` |
//! | 9 | `scenario_09a_two_connections_share_a_bottleneck` | `tests/transport/repair.rs` |
//! | 9 | `scenario_09b_a_lost_tail_is_repaired_in_two_and_a_half_round_trips` | `tests/transport/repair.rs` |
//! | 10 | `scenario_10a_too_much_loss_ends_a_connection_on_time` | `gridmate-runtime/tests/carrier_liveness.rs` |
//! | 10 | `scenario_10b_too_long_a_round_trip_ends_a_connection_on_time` | `gridmate-runtime/tests/carrier_liveness.rs` |
//! | 10 | `scenario_10c_silence_ends_a_connection_on_time` | `gridmate-runtime/tests/carrier_liveness.rs` |
//! | 11 | `scenario_11a_a_peer_that_restarts_is_back_within_a_second` | `gridmate-runtime/tests/carrier_liveness.rs` |
//! | 11 | `scenario_11b_a_change_of_address_loses_nothing` | `gridmate-runtime/tests/carrier_path.rs` |
//! | 12 | `scenario_12a_nothing_is_asked_for_again_once_connected` | `tests/transport/handshake.rs` |
//! | 12 | `scenario_12b_an_answer_that_takes_long_is_waited_for` | `gridmate-runtime/tests/carrier_handshake.rs` |
//! | 12 | `scenario_12c_both_connect_at_once` | `gridmate-runtime/tests/carrier_handshake.rs` |
//! | 13 | `scenario_13a_a_hundred_and_one_endpoints_over_real_sockets` | `tests/transport/many.rs` |
//! | 13 | `scenario_13b_ten_thousand_connections_allocate_nothing` | `tests/transport/many.rs` |
//! | 13 | `scenario_13c_nothing_is_allocated_once_things_are_warm` | `gridmate-runtime/tests/carrier_allocations.rs` |
//! | 14 | `scenario_14a_any_frames_cut_anywhere_come_out_whole` | `gridmate-runtime/src/driver/tcp/framer.rs` |
//! | 14 | `scenario_14a_every_single_cut_is_the_same_to_it` | `gridmate-runtime/src/driver/tcp/framer.rs` |
//! | 14 | `scenario_14b_codecs_at_every_bit_offset` | `tests/transport/codecs.rs` |
//! | 14 | `scenario_14b_containers_at_every_bit_offset` | `tests/transport/codecs.rs` |
//! | 14 | `scenario_14b_no_codec_is_missing` | `tests/transport/codecs.rs` |
//! | 14 | `scenario_14b_primitives_at_every_bit_offset` | `tests/transport/codecs.rs` |
//! | 14 | `scenario_14b_vectors_and_rotations_at_every_bit_offset` | `tests/transport/codecs.rs` |

#[path = "../../gridmate-runtime/tests/carrier_support/mod.rs"]
mod carrier_support;
mod channels;
mod codecs;
mod counting;
mod flood;
mod forged;
mod garbage;
mod handshake;
mod many;
mod numbers;
mod receipts;
mod repair;
mod spoofer;
mod star;

/// Scenarios there are.
const SCENARIOS: usize = 14;

/// Every scenario has at least one test that is named after it, and the table above has all of them where they are.
#[test]
fn every_scenario_has_its_tests() {
    gridmate_tests::scenarios::check("scenario_", 1..=SCENARIOS, include_str!("main.rs"));
}
