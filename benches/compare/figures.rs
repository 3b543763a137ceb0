//! What the rounds gave: for each row and operation the figure of every round, and of those the median and how far they
//! lie apart.

use std::collections::BTreeMap;

use crate::operation::Operation;

/// By the row's place in the table.
#[derive(Debug, Default)]
pub struct Figures {
    rounds: BTreeMap<(usize, Operation), BTreeMap<usize, f64>>,
}

impl Figures {
    pub fn add(&mut self, row: usize, operation: Operation, round: usize, figure: f64) {
        self.rounds.entry((row, operation)).or_default().insert(round, figure);
    }

    pub fn median(&self, row: usize, operation: Operation) -> Option<f64> {
        median(self.rounds.get(&(row, operation))?.values().copied())
    }

    /// How many times the base's figure: the median of what each round says by itself, because a machine that is slower for
    /// some seconds is so for both.
    pub fn ratio(&self, row: usize, base: usize, operation: Operation) -> Option<f64> {
        let base = self.rounds.get(&(base, operation))?;
        let rounds = self.rounds.get(&(row, operation))?.iter();
        median(rounds.filter_map(|(round, figure)| Some(figure / base.get(round)?)))
    }

    /// From the least to the greatest of all cells that were measured more than once, as a part of the median: the middle
    /// one of these distances, and the widest with its cell.
    pub fn spread(&self) -> Option<(f64, f64, usize, Operation)> {
        let many = self.rounds.iter().filter(|(_, rounds)| rounds.len() > 1);
        let all: Vec<((usize, Operation), f64)> = many.map(|(cell, rounds)| (*cell, distance(rounds))).collect();
        let ((row, operation), widest) = *all.iter().max_by(|one, other| one.1.total_cmp(&other.1))?;
        let middle = median(all.iter().map(|(_, distance)| *distance))?;
        Some((middle, widest, row, operation))
    }
}

fn distance(rounds: &BTreeMap<usize, f64>) -> f64 {
    let least = rounds.values().copied().fold(f64::MAX, f64::min);
    let most = rounds.values().copied().fold(f64::MIN, f64::max);
    median(rounds.values().copied()).map_or(0.0, |middle| (most - least) / middle)
}

/// The middle figure; of an even number the mean of the two.
pub fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    Some(if sorted.len().is_multiple_of(2) { (sorted[half - 1] + upper) / 2.0 } else { upper })
}
