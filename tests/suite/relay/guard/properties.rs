//! What holds for every session, whatever is said in it.

use proptest::prelude::*;
use sockgate::relay::{
    guard::{Guard, Side},
    judged::Judged,
};

use super::{
    hostile::{Deed, World, deeds, play},
    stage::{Cut, PLAIN, Stage},
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_goes_on_that_may_not(kind: u8, bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        play(kind, &deeds(&bytes));
    }

    #[test]
    fn any_cut_comes_to_the_same(text in "4[0-6](1-)?(/a,)?[0-9]{0,2}(\\[\"[a-z\\\\u0]{1,4}\",?\\{?[\"a:1{}\\]]{0,8}\\]|\\{\"t\":1\\})?") {
        let mut came = [Cut::Whole, Cut::Bytes, Cut::Fragments, Cut::Wire].map(|cut| {
            let mut stage = Stage::new(PLAIN, cut);
            stage.join("").join("/a,");
            stage.app("421[\"an answer is asked for\"]");
            stage.client(&text)
        });
        came.sort();
        prop_assert_eq!(&came[0], &came[3]);
    }
}

#[test]
fn these_sessions_get_somewhere() {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let mut reached = [0; 3];
    for kind in 0..=255 {
        let bytes: Vec<u8> = (0..6_000).map(|_| byte()).collect();
        reached[usize::from(kind % 3)] += play(kind, &deeds(&bytes));
    }
    assert!(reached.iter().all(|count| *count > 50), "{reached:?}");
}

#[test]
fn a_judged_session_is_small() {
    assert!(size_of::<Guard>() <= 480, "{}", size_of::<Guard>());
    // With the counts of who shares it, what allocators round up to.
    let size = size_of::<Judged>() + 2 * size_of::<usize>();
    assert!(size <= 640, "{size}");
}

#[test]
fn a_hostile_session_leaves_nothing_behind() {
    let texts =
        ["42/none,7[\"x\",\"y\"]", "40/a,{\"token\":\"t\"}", "41/a,", "42[\"held\"]", "427[\"x\"]", "40/b,", "430[]", "3"];
    for kind in 0..6 {
        let mut world = World::new(kind);
        let mut most = 0;
        for round in 0..100_000_usize {
            let text = texts[round % texts.len()];
            let long = format!("{}{}", text, " ".repeat(round % 97));
            let bytes = if round % 11 == 0 { long.into_bytes() } else { text.as_bytes().to_vec() };
            world.play(&Deed::Say { from: Side::Client, is_text: true, bytes, cut: 1024, is_fragmented: false });
            most = most.max(world.kept());
            if world.is_over() {
                world = World::new(kind);
            }
        }
        assert!(most < 200 * 1024, "{most}");
        assert!(world.kept() < 200 * 1024);
    }
}
