//! Where log lines go: to standard error, and on a worker's thread those of one turn of its event loop in one write. A busy
//! gate leaves thousands of records a second; a system call for each would cost more than putting it together.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Writes lines to standard error, or keeps them for [`let_out`] on a thread that gathers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines {
    /// Whoever watches should see it at once, even if this thread never comes to the end of its turn.
    is_urgent: bool,
}

/// What makes [`Lines`]: warnings and errors are urgent.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToStandardError;

impl<'a> MakeWriter<'a> for ToStandardError {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines::default()
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Lines {
        Lines { is_urgent: *event.level() <= Level::WARN }
    }
}

thread_local! {
    static GATHERED: RefCell<Gathered> = RefCell::default();
}

/// Lines that wait for the end of a turn. What is left when the thread ends goes out then.
#[derive(Default)]
struct Gathered {
    /// `None`: this thread does not gather.
    lines: Option<Vec<u8>>,
}

/// From here on this thread gathers. Whoever calls this also calls [`let_out`] before the thread waits for anything.
pub fn gather() {
    GATHERED.with_borrow_mut(|gathered| gathered.lines = Some(gathered.lines.take().unwrap_or_default()));
}

/// Writes what this thread has gathered.
pub fn let_out() {
    GATHERED.with_borrow_mut(Gathered::let_out);
}

impl Gathered {
    fn let_out(&mut self) {
        let Some(lines) = self.lines.as_mut().filter(|lines| !lines.is_empty()) else { return };
        // There is nobody to tell that standard error is closed.
        let _ = io::stderr().write_all(lines);
        lines.clear();
        // A burst's room is not kept for ever.
        lines.shrink_to(MOST);
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.let_out();
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept = GATHERED.try_with(|gathered| {
            let Ok(mut gathered) = gathered.try_borrow_mut() else { return false };
            let Some(lines) = &mut gathered.lines else { return false };
            lines.extend_from_slice(line);
            if self.is_urgent || lines.len() >= MOST {
                gathered.let_out();
            }
            true
        });
        // A thread that is ending does not gather any more.
        if !kept.unwrap_or(false) {
            io::stderr().lock().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let_out();
        io::stderr().flush()
    }
}

/// Bytes that wait at most.
const MOST: usize = 16 * 1024;
