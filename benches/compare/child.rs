//! Processes this program starts: each is stopped by its id, with everything that descends from it, when its guard is
//! dropped; and all of them when the program itself is told to stop, before the temporary folder goes.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::measure;

/// A process of ours, until it is dropped.
pub struct Child {
    inner: process::Child,
}

/// What is running, for `stop_all_on_signal`.
static STARTED: Mutex<Vec<i32>> = Mutex::new(Vec::new());

impl Child {
    /// Starts a program that says what it has to say in `log`.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Self::spawn(command)
    }

    /// Starts one of our own roles, which says what it has seen by lines.
    pub fn start_role(command: &mut Command) -> io::Result<Self> {
        Self::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()))
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        // The list is held meanwhile, so that a signal finds this one on it or not started.
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = command.spawn()?;
        started.push(inner.id() as i32);
        Ok(Self { inner })
    }

    pub fn id(&self) -> i32 {
        self.inner.id() as i32
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.inner.try_wait(), Ok(None))
    }

    /// The next line a role says, if it comes in time.
    pub fn hear(&mut self, patience: Duration) -> io::Result<String> {
        let output = self.inner.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (said, heard) = mpsc::channel();
        // Ends at the latest when the process does, which is stopped when nothing was heard in time.
        thread::spawn(move || {
            let mut output = BufReader::with_capacity(1, output);
            let mut line = String::new();
            let read = output.read_line(&mut line);
            let _ = said.send((read.map(|_| line), output.into_inner()));
        });
        let (line, output) = heard.recv_timeout(patience).map_err(|_| io::ErrorKind::TimedOut)?;
        self.inner.stdout = Some(output);
        match line?.trim_end() {
            "" => Err(io::ErrorKind::UnexpectedEof.into()),
            line => Ok(line.to_string()),
        }
    }

    fn stop(&mut self) {
        let family = measure::tree(self.id());
        let began = Instant::now();
        let mut asked = 0;
        while !self.has_ended() {
            let since = began.elapsed();
            // The second time is for sockgate, which takes the first as a wish to leave in peace.
            if asked < 2 && since >= ASK_AGAIN * asked {
                send(self.id(), Signal::TERM);
                asked += 1;
            }
            if since > PATIENCE {
                family.iter().for_each(|process| send(*process, Signal::KILL));
                let _ = self.inner.wait();
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        STARTED.lock().unwrap_or_else(PoisonError::into_inner).retain(|started| *started != self.id());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

/// On SIGINT or SIGTERM: stops what is running, removes the temporary folder and ends the program.
pub fn stop_all_on_signal(folder: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(told_to_stop());
        let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let family: Vec<i32> = started.iter().flat_map(|process| measure::tree(*process)).collect();
        started.iter().for_each(|process| send(*process, Signal::TERM));
        thread::sleep(ASK_AGAIN);
        family.iter().for_each(|process| send(*process, Signal::KILL));
        let _ = std::fs::remove_dir_all(&folder);
        process::exit(130);
    });
    Ok(())
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn send(process: i32, signal: Signal) {
    if let Some(process) = Pid::from_raw(process) {
        // It may have ended by itself.
        let _ = kill_process(process, signal);
    }
}

/// From the first SIGTERM to the second.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// From the first SIGTERM to SIGKILL.
const PATIENCE: Duration = Duration::from_secs(4);
