//! The ways in which a gate's work grows: what is laid over `peers/sockgate/full.toml` for each size, and what is measured
//! there. The first size of a way is its base.

use std::fmt::Write;

use crate::{
    ground::{Ground, ORIGIN},
    operation::Operation,
    options::Options,
    task::Work,
};

/// One thing that grows while the operations stay the same.
pub struct Way {
    pub title: &'static str,
    pub sizes: Vec<Size>,
    pub works: Vec<(&'static str, Work)>,
}

/// How much of it there is.
#[derive(Default)]
pub struct Size {
    pub label: String,
    /// TOML that is laid over the configuration.
    pub configuration: String,
    pub workers: usize,
    /// Connections that are open beside those that work.
    pub crowd: usize,
    /// Addresses that are counted before anything is measured, and that clients seem to come from.
    pub addresses: Option<u32>,
}

/// How many ports the upstream needs.
pub const MEMBERS: usize = 100;

/// All of them.
pub fn all(options: &Options, ground: &Ground) -> Vec<Way> {
    vec![connections(options), workers(), origins(), routes(ground), addresses(options)]
}

fn connections(options: &Options) -> Way {
    let most = options.others.min(sockgate::net::listen::half_of_files().saturating_sub(SPARE));
    let size = |crowd: usize| Size { label: crowd.to_string(), crowd, ..Size::default() };
    Way {
        title: "connections open beside",
        sizes: vec![size(10), size(1000), size(most)],
        works: works(&[Operation::Echo64, Operation::Polling, Operation::Connect]),
    }
}

fn workers() -> Way {
    let size = |workers: usize| Size { label: workers.to_string(), workers, ..Size::default() };
    Way {
        title: "workers, on one CPU all the same",
        sizes: vec![size(1), size(2)],
        works: works(&[Operation::Echo64, Operation::Echo16K, Operation::Polling, Operation::Connect]),
    }
}

fn origins() -> Way {
    let size = |count: usize| {
        // Ours is in the middle.
        let others = (1..count).map(|number| format!("https://page-{number}.example"));
        let mut all: Vec<String> = others.collect();
        all.insert(all.len() / 2, ORIGIN.into());
        let configuration = format!("[origin]\nallow = {all:?}\n");
        Size { label: count.to_string(), configuration, ..Size::default() }
    };
    Way { title: "origins allowed", sizes: vec![size(1), size(10_000)], works: works(&[Operation::Polling, Operation::Connect]) }
}

fn routes(ground: &Ground) -> Way {
    let size = |count: usize| {
        let members: Vec<String> = ground.members.iter().take(count).map(|member| format!("http://{member}")).collect();
        let mut configuration = format!("[[upstream]]\nname = \"app\"\nmembers = {members:?}\n");
        for number in 1..count {
            let _ = write!(configuration, "[[route]]\npath = \"/app-{number}/socket.io/\"\nupstream = \"app\"\n");
        }
        configuration += "[[route]]\npath = \"/socket.io/\"\nupstream = \"app\"\n";
        Size { label: count.to_string(), configuration, ..Size::default() }
    };
    Way {
        title: "routes, and as many members",
        sizes: vec![size(1), size(MEMBERS)],
        works: works(&[Operation::Echo64, Operation::Polling, Operation::Connect]),
    }
}

/// Addresses come from a proxy that is believed. A bucket takes ten minutes to forget one handshake, so that none is swept
/// while we measure, and has room for many. The default cap of `limit.keys` is below this and raised.
fn addresses(options: &Options) -> Way {
    let size = |count: u32| Size {
        label: count.to_string(),
        configuration: "[listen]\ntrusted_proxies = [\"127.0.0.1\"]\n\
                        [limit]\nhandshakes_per_address = \"1/10m burst 1000\"\nkeys = 2000000\n"
            .into(),
        addresses: Some(count),
        ..Size::default()
    };
    let mut sizes = vec![size(10_000), size(100_000)];
    if !options.quick {
        sizes.push(size(1_000_000));
    }
    let refused = ("refused handshake", Work::Refused { clients: 16, most: None });
    Way { title: "addresses remembered", sizes, works: [vec![refused], works(&[Operation::Connect])].concat() }
}

fn works(operations: &[Operation]) -> Vec<(&'static str, Work)> {
    operations.iter().map(|operation| (operation.title(), operation.work(0))).collect()
}

/// Connections that must still fit beside the crowd.
const SPARE: usize = 700;
