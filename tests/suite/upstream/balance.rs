use std::time::Duration;

use proptest::prelude::*;
use sockgate::upstream::balance::{self, Candidate, FULL_SHARE};

fn candidate(seat: usize, weight: u32, sessions: u64) -> Candidate {
    Candidate { id: balance::key(&[seat as u8]), seat, weight, share: FULL_SHARE, sessions }
}

fn crowd(weights: &[u32]) -> Vec<Candidate> {
    weights.iter().enumerate().map(|(seat, weight)| candidate(seat, *weight, 0)).collect()
}

/// How many of `rounds` new sessions each gets when all of them stay.
fn fill(candidates: &mut [Candidate], rounds: u64) -> Vec<u64> {
    for turn in 0..rounds {
        let chosen = balance::least_sessions(candidates, turn).expect("somebody");
        candidates[chosen].sessions += 1;
    }
    candidates.iter().map(|candidate| candidate.sessions).collect()
}

#[test]
fn nobody_to_choose_from_is_nobody() {
    assert_eq!(balance::least_sessions(&[], 7), None);
    assert_eq!(balance::round_robin(&[], &mut []), None);
    assert_eq!(balance::hash(&[], 7), None);
}

#[test]
fn sessions_settle_by_weight() {
    assert_eq!(fill(&mut crowd(&[1, 1, 1]), 300), [100, 100, 100]);
    assert_eq!(fill(&mut crowd(&[3, 1]), 400), [300, 100]);
}

#[test]
fn equal_members_take_turns() {
    let idle = crowd(&[1, 1, 1]);
    let chosen: Vec<_> = (0..6).map(|turn| balance::least_sessions(&idle, turn)).collect();
    assert_eq!(chosen, [0, 1, 2, 0, 1, 2].map(Some));
}

#[test]
fn the_emptiest_member_is_chosen_whoever_has_the_turn() {
    let members = [candidate(0, 1, 9), candidate(1, 1, 2), candidate(2, 1, 8)];
    assert!((0..9).all(|turn| balance::least_sessions(&members, turn) == Some(1)));
}

#[test]
fn a_slow_starter_stays_below_its_share_of_the_others() {
    let mut members = [candidate(0, 1, 1_000), Candidate { share: 100, ..candidate(1, 1, 0) }];
    fill(&mut members, 200);
    assert!((100..=112).contains(&members[1].sessions), "{members:?}");
}

#[test]
fn slow_start_grows_in_a_straight_line() {
    let ten = Duration::from_secs(10);
    for (seconds, share) in [(0, 100), (1, 100), (5, 500), (9, 900), (10, 1_000), (11, 1_000)] {
        assert_eq!(balance::slow_share(Duration::from_secs(seconds), ten), share, "{seconds}");
    }
    assert_eq!(balance::slow_share(Duration::ZERO, Duration::ZERO), FULL_SHARE);
}

#[test]
fn round_robin_is_smooth() {
    let members = crowd(&[5, 1, 1]);
    let mut credits = [0; 3];
    let turns: Vec<_> = (0..7).map(|_| balance::round_robin(&members, &mut credits).expect("somebody")).collect();
    assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(credits, [0; 3]);
}

#[test]
fn round_robin_goes_on_without_a_member_and_takes_it_back() {
    let all = crowd(&[1, 1, 1]);
    let mut credits = [0; 3];
    balance::round_robin(&all, &mut credits);
    let others = [all[0], all[2]];
    let without: Vec<_> = (0..8).map(|_| others[balance::round_robin(&others, &mut credits).expect("somebody")].seat).collect();
    assert!((3..=5).contains(&without.iter().filter(|seat| **seat == 0).count()), "{without:?}");
    let mut counts = [0; 3];
    for _ in 0..30 {
        counts[balance::round_robin(&all, &mut credits).expect("somebody")] += 1;
    }
    assert!(counts.iter().all(|count| (9..=11).contains(count)), "{counts:?}");
}

#[test]
fn keys_spread_by_weight() {
    let members = crowd(&[1, 2, 1]);
    let mut counts = [0_u32; 3];
    for user in 0..40_000_u32 {
        counts[balance::hash(&members, balance::key(&user.to_be_bytes())).expect("somebody")] += 1;
    }
    for (count, wanted) in counts.iter().zip([10_000_u32, 20_000, 10_000]) {
        assert!(count.abs_diff(wanted) < 500, "{counts:?}");
    }
}

#[test]
fn keys_are_the_same_in_every_version() {
    // Replicas of two versions serve the same clients during an update: these numbers may not change.
    assert_eq!(balance::key(b""), 0xe3b0_c442_98fc_1c14);
    assert_eq!(balance::key(b"alice"), 0x2bd8_06c9_7f0e_00af);
    let chosen: Vec<_> = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"]
        .iter()
        .map(|name| balance::hash(&crowd(&[1, 1, 1]), balance::key(name.as_bytes())))
        .collect();
    assert_eq!(chosen, [1, 1, 1, 1, 1, 0, 2].map(Some));
}

proptest! {
    #[test]
    fn only_the_keys_of_a_leaving_member_move(
        weights in prop::collection::vec(1_u32..9, 2..8),
        leaver: prop::sample::Index,
        keys in prop::collection::vec(any::<u64>(), 50),
    ) {
        let all = crowd(&weights);
        let leaver = leaver.index(all.len());
        let rest: Vec<_> = all.iter().copied().filter(|member| member.seat != leaver).collect();
        for key in keys {
            let before = all[balance::hash(&all, key).expect("somebody")].seat;
            let after = rest[balance::hash(&rest, key).expect("somebody")].seat;
            prop_assert!(before == leaver || before == after);
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter_to_keys(weights in prop::collection::vec(1_u32..9, 1..8), key: u64) {
        let all = crowd(&weights);
        let mut reversed = all.clone();
        reversed.reverse();
        let seat = |members: &[Candidate]| members[balance::hash(members, key).expect("somebody")].seat;
        prop_assert_eq!(seat(&all), seat(&reversed));
    }

    #[test]
    fn a_cycle_of_round_robin_gives_everyone_their_weight(weights in prop::collection::vec(1_u32..20, 1..8)) {
        let members = crowd(&weights);
        let mut credits = vec![0; weights.len()];
        let mut counts = vec![0; weights.len()];
        for _ in 0..weights.iter().sum::<u32>() {
            counts[balance::round_robin(&members, &mut credits).expect("somebody")] += 1;
        }
        prop_assert_eq!(counts, weights);
    }

    #[test]
    fn the_chosen_member_has_the_fewest_sessions_for_its_weight(
        members in prop::collection::vec((0_u32..=u32::MAX, 0_u32..2_000, 0..u64::MAX), 1..9), turn: u64,
    ) {
        let members: Vec<_> = members.into_iter().enumerate()
            .map(|(seat, (weight, share, sessions))| Candidate { share, ..candidate(seat, weight, sessions) }).collect();
        let pull = |member: &Candidate| f64::from(member.weight.max(1)) * f64::from(member.share.clamp(1, FULL_SHARE));
        let load = |member: &Candidate| (member.sessions + 1) as f64 / pull(member);
        let chosen = &members[balance::least_sessions(&members, turn).expect("somebody")];
        prop_assert!(members.iter().all(|other| load(chosen) <= load(other) * (1.0 + 1e-9)));
    }
}
