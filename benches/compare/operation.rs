//! What is measured: the columns of the table, with the work of each.

use crate::task::Work;

/// One column.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    Echo64,
    Echo1K,
    Echo16K,
    FanOut,
    Connect,
    Resume,
    Polling,
    Idle,
}

impl Operation {
    pub const ALL: [Self; 8] =
        [Self::Echo64, Self::Echo1K, Self::Echo16K, Self::FanOut, Self::Connect, Self::Resume, Self::Polling, Self::Idle];

    /// The head of its column.
    pub fn title(self) -> &'static str {
        match self {
            Self::Echo64 => "echo 64 B",
            Self::Echo1K => "echo 1 KiB, 8 in flight",
            Self::Echo16K => "echo 16 KiB, 4 in flight",
            Self::FanOut => "fan-out message",
            Self::Connect => "new connection",
            Self::Resume => "the same, resumed",
            Self::Polling => "polling request",
            Self::Idle => "idle connection, KB",
        }
    }

    /// The load that is put on. `idle` is how many connections are opened to see what one holds.
    pub fn work(self, idle: usize) -> Work {
        match self {
            Self::Echo64 => Work::Echo { connections: 64, size: 64, in_flight: 1 },
            Self::Echo1K => Work::Echo { connections: 64, size: 1024, in_flight: 8 },
            Self::Echo16K => Work::Echo { connections: 64, size: 16 * 1024, in_flight: 4 },
            Self::FanOut => Work::FanOut { connections: 500, size: 128, rate: 20.0 },
            Self::Connect => Work::Connect { clients: 16, resumed: false },
            Self::Resume => Work::Connect { clients: 16, resumed: true },
            Self::Polling => Work::Polling { clients: 32 },
            Self::Idle => Work::Idle { connections: idle, touches: vec![1024], left: vec![] },
        }
    }

    /// A figure as people read it.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Connect | Self::Resume => format!("{figure:.0}"),
            Self::Idle | Self::Echo16K | Self::Polling => format!("{figure:.1}"),
            Self::Echo64 | Self::Echo1K | Self::FanOut => format!("{figure:.2}"),
        }
    }
}
