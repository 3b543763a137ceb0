//! Tells a carriage that somebody else has left it something. Asked at every turn of the carriage, so it costs one look at a flag
//! while nobody rings; a waker that is taken at each ring would have to be given anew each time.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// Rung by requests, listened to by one task.
#[derive(Debug)]
pub(super) struct Bell {
    rung: AtomicBool,
    listener: Mutex<Option<Waker>>,
}

impl Default for Bell {
    /// What was left before anybody listened is there to be heard.
    fn default() -> Self {
        Self { rung: AtomicBool::new(true), listener: Mutex::default() }
    }
}

impl Bell {
    /// Whether it was rung since this was asked the last time.
    pub fn has_rung(&self) -> bool {
        // Nearly always it was not, and a load does not take the line from those who ring.
        self.rung.load(Ordering::Acquire) && self.rung.swap(false, Ordering::AcqRel)
    }

    /// Who is woken by it from here on. To be called before asking.
    pub fn belong_to(&self, listener: Waker) {
        *self.listener() = Some(listener);
    }

    /// Wakes this one no more. Another that came after it listens on.
    pub fn leave(&self, leaver: &Waker) {
        self.listener().take_if(|listener| listener.will_wake(leaver));
    }

    pub fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        let listener = self.listener().clone();
        if let Some(listener) = listener {
            listener.wake();
        }
    }

    fn listener(&self) -> MutexGuard<'_, Option<Waker>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
