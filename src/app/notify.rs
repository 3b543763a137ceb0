//! What the service manager is told (sd_notify(3)): ready, reloading, stopping, alive. Where there is none, nobody is told
//! anything. That it cannot be told is for the log; the gate serves all the same.

use std::time::Duration;

use sd_notify::NotifyState;

/// Serving, for the first time or again; `status` is what `systemctl status` shows.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Taking a new configuration; `ready` must follow. The time tells one reload from the next.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("Taking a new configuration")]),
        Err(error) => tracing::warn!(%error, "the service manager is not told of the reload"),
    }
}

/// Leaving, which takes up to `within`: the manager should not kill before that.
pub fn stopping(status: &str, within: Duration) {
    let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(within), NotifyState::Status(status)]);
}

/// All is well; the manager waits for it again.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Within which time the manager wants to hear [`alive`] again, if it does.
pub fn patience() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
