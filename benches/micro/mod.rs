//! What is measured, for both harnesses: `time.rs` asks how long an operation takes, `instructions.rs` how many instructions.
//! One file a room of the house; every function sets one operation up, calls it once and asserts that it does what it should,
//! so that nothing can be measured that does nothing. What an operation makes is dropped within it, as in the gate.
//!
//! `growth` holds operations on tables of two sizes. The large one must not cost more than the small one, but for the caches
//! of the machine that the large one no longer fits into: those the instruction counts do not see.

pub mod auth;
pub mod codec;
pub mod frames;
pub mod growth;
pub mod harness;
pub mod head;
pub mod judged;
pub mod limit;
pub mod origin;
pub mod outgoing;
pub mod record;
pub mod seal;
pub mod tls;

use std::hint::black_box;

/// Something that can be done again and again.
pub enum Operation {
    Again(Box<dyn FnMut()>),
    /// It uses up what it is given: some bytes, made anew for every time and not measured.
    Fresh {
        make: Box<dyn FnMut() -> Vec<u8>>,
        act: Box<Act>,
    },
}

type Act = dyn FnMut(&mut Vec<u8>);

/// The operation with nothing to prepare.
pub fn again<T>(mut act: impl FnMut() -> T + 'static) -> Operation {
    Operation::Again(Box::new(move || drop(black_box(act()))))
}

/// The operation on bytes that are prepared for it alone, in the order in which they are made.
pub fn on_fresh<T>(make: impl FnMut() -> Vec<u8> + 'static, mut act: impl FnMut(&mut Vec<u8>) -> T + 'static) -> Operation {
    Operation::Fresh { make: Box::new(make), act: Box::new(move |bytes| drop(black_box(act(bytes)))) }
}

/// Hands every room with the names of its operations to a macro of the harness. An operation that is not listed here is
/// reported as dead code.
macro_rules! every_room {
    ($harness:ident) => {
        $harness! {
            harness { nothing }
            codec {
                open_packet, first_packet, sixteen_packets, binary_packet,
                event_64, event_16_kib, event_16_kib_beyond_ascii, values_16_kib, msgpack_event
            }
            frames { client_header, client_message_64, client_message_16_kib, sixteen_client_messages, server_message_1_kib }
            seal { seal, open, forged, key, mark }
            origin { listed, wildcard, own, absent, stranger, grant_tag, preflight }
            auth { hs256, es256, rs256, forged_hs256, same_token, find }
            judged {
                client_event_64, client_event_1_kib, client_event_16_kib, client_event_16_kib_in_two_reads, client_values_1_kib,
                client_events_of_two_names_64, client_event_of_a_long_name_64, app_event_64, app_event_16_kib
            }
            limit { address, user, refused, handshake_permit, session_permit }
            head { polling, polling_engine, websocket, websocket_engine, refused_path, query_one, query_without, forwarded_client }
            outgoing { polling, websocket, plain_http }
            tls { seal_64, seal_1_kib, seal_16_kib, open_64, open_1_kib, open_16_kib, open_16_of_64 }
            record { access_text, access_json, refusal_json, routine_unwritten, session_end_json }
            growth {
                limiter_address_1_000, limiter_address_1_000_000, limiter_newcomer_1_000, limiter_newcomer_1_000_000,
                sessions_held_1_000, sessions_held_1_000_000,
                origin_exact_10, origin_exact_10_000, origin_wildcard_10, origin_wildcard_10_000,
                origin_one_domain_10, origin_one_domain_10_000, origin_stranger_10, origin_stranger_10_000,
                origin_near_stranger_10, origin_near_stranger_10_000,
                route_by_host_1, route_by_host_100, route_by_path_1, route_by_path_100, route_prefix_1, route_prefix_100,
                lease_least_2, lease_least_100, lease_turns_2, lease_turns_100, lease_hash_2, lease_hash_100,
                reach_2, reach_100,
                ledger_find_100, ledger_find_100_000, ledger_life_100, ledger_life_100_000
            }
        }
    };
}

pub(crate) use every_room;
