//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, ValueEnum};

use crate::operation::Operation;

/// Measures sockgate beside HAProxy and nginx on this machine, and alone as its work grows.
#[derive(Debug, Parser)]
#[command(name = "compare", bin_name = "cargo bench --profile dist --bench compare --")]
pub struct Options {
    /// `full` alone and short windows: a minute and a half
    #[arg(long)]
    pub quick: bool,
    /// Whether everything works: every peer, every operation, 50 ms each; fails when something does not
    #[arg(long, conflicts_with_all = ["quick", "growth", "write"])]
    pub check: bool,
    /// sockgate alone, as connections, workers, origins, routes, members and counted addresses grow
    #[arg(long, conflicts_with = "write")]
    pub growth: bool,
    /// Put the table into README.md and the chart beside this program
    #[arg(long)]
    pub write: bool,
    /// Which peers
    #[arg(long, value_delimiter = ',', default_value = "sockgate,haproxy,nginx")]
    pub peers: Vec<String>,
    /// Which operations, or which ways to grow, by words of their titles: --only echo,polling
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds, of which the median counts
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Seconds of a round that count
    #[arg(long)]
    pub window: Option<f64>,
    /// Connections opened to see what an idle one holds; 0: none
    #[arg(long)]
    pub idle: Option<usize>,
    /// With --growth: the most connections that are open beside those that work
    #[arg(long, default_value_t = 4000)]
    pub others: usize,
    /// The CPU that everything shares; the last one otherwise
    #[arg(long)]
    pub cpu: Option<usize>,

    /// Another role of this program, for itself
    #[arg(long, hide = true)]
    pub role: Option<Role>,
    #[arg(long, hide = true, required_if_eq("role", "load"))]
    pub task: Option<String>,
    #[arg(long, hide = true, default_value_t = 1)]
    pub ports: usize,
    #[arg(long, hide = true, required_if_eq("role", "relay"))]
    pub listen: Option<SocketAddr>,
    #[arg(long, hide = true, required_if_eq("role", "relay"))]
    pub upstream: Option<SocketAddr>,
    #[arg(long, hide = true, required_if_eq("role", "relay"))]
    pub certificate: Option<PathBuf>,
    #[arg(long, hide = true, required_if_eq("role", "relay"))]
    pub key: Option<PathBuf>,
    /// `cargo bench` says so; `cargo test --all-targets` does not
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// What this program can be beside the one that measures.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Role {
    Upstream,
    Load,
    Relay,
}

impl Options {
    pub fn operations(&self) -> Vec<Operation> {
        Operation::ALL.into_iter().filter(|operation| self.wants(operation.title())).collect()
    }

    pub fn wants(&self, title: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| title.contains(word.as_str()))
    }
}
