//! How long the gate's pure parts take: `cargo bench --bench time`, or for some of them `cargo bench --bench time -- limit seal`.
//! Uses divan, with the gate's own allocator.
//!
//! Compare figures of one run with each other; between runs a busy machine differs by more than most changes do. There
//! `instructions.rs` is the judge.

mod micro;

use std::{fmt, time::Duration};

use divan::{Bencher, Divan};
use micro::Operation;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    Divan::default().min_time(LEAST).config_with_args().main();
}

/// One operation by its name.
struct Case {
    name: &'static str,
    set_up: fn() -> Operation,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

fn measure(bencher: Bencher<'_, '_>, case: &Case) {
    match (case.set_up)() {
        Operation::Again(act) => bencher.bench_local(act),
        Operation::Fresh { make, act } => bencher.with_inputs(make).bench_local_refs(act),
    }
}

macro_rules! benches {
    ($($room:ident { $($name:ident),+ })+) => {
        $(
            #[divan::bench(args = [$(Case { name: stringify!($name), set_up: micro::$room::$name }),+])]
            fn $room(bencher: Bencher, case: &Case) {
                measure(bencher, case);
            }
        )+
    };
}

micro::every_room!(benches);

/// Each operation is measured at least this long: hundreds of samples of the shortest, and of each enough to see its usual time.
const LEAST: Duration = Duration::from_millis(100);
