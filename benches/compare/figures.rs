//! What the rounds gave: for each row and operation the figure of every round, and of those the median and how far they
//! lie apart.

use std::collections::BTreeMap;

use crate::operation::Operation;

/// By the row's place in the table.
#[derive(Debug, Default)]
pub struct Figures {
    rounds: BTreeMap<(usize, Operation), Vec<f64>>,
}

impl Figures {
    pub fn add(&mut self, row: usize, operation: Operation, figure: f64) {
        self.rounds.entry((row, operation)).or_default().push(figure);
    }

    pub fn median(&self, row: usize, operation: Operation) -> Option<f64> {
        median(self.rounds.get(&(row, operation))?)
    }

    /// From the least to the greatest of all cells that were measured more than once, as a part of the median: the middle
    /// one of these distances, and the widest with its cell.
    pub fn spread(&self) -> Option<(f64, f64, usize, Operation)> {
        let many = self.rounds.iter().filter(|(_, rounds)| rounds.len() > 1);
        let apart = |rounds: &[f64]| {
            let (least, most) =
                rounds.iter().fold((f64::MAX, f64::MIN), |(least, most), figure| (figure.min(least), figure.max(most)));
            median(rounds).map_or(0.0, |middle| (most - least) / middle)
        };
        let all: Vec<((usize, Operation), f64)> = many.map(|(cell, rounds)| (*cell, apart(rounds))).collect();
        let ((row, operation), widest) = *all.iter().max_by(|one, other| one.1.total_cmp(&other.1))?;
        let middle = median(&all.iter().map(|(_, apart)| *apart).collect::<Vec<_>>())?;
        Some((middle, widest, row, operation))
    }
}

/// The middle figure; of an even number the mean of the two.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    Some(if sorted.len().is_multiple_of(2) { (sorted[half - 1] + upper) / 2.0 } else { upper })
}
