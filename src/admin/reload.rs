//! A reload asked for at the admin door. The door cannot do it, `app` can: the wish goes there with a way back for the answer.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    answer::{self, No, no},
    revocations::Done,
};
use crate::config::Problem;

/// Somebody wants the configuration read again.
pub struct Wish {
    /// Where it is told what became of it.
    pub told: oneshot::Sender<Report>,
}

/// What became of a reload.
pub struct Report {
    pub is_taken: bool,
    /// The generation in effect now.
    pub generation: u64,
    /// Everything there is to say about the new configuration.
    pub problems: Vec<Problem>,
}

/// Whoever takes wishes, one at a time.
pub type Wishes = mpsc::Sender<Wish>;

/// `POST /reload`.
pub async fn reload(wishes: Option<&Wishes>) -> Result<Done, No> {
    let nobody = || no(StatusCode::SERVICE_UNAVAILABLE, "this gate has no files to read again");
    let (told, report) = oneshot::channel();
    match wishes.ok_or_else(nobody)?.try_send(Wish { told }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return Err(no(StatusCode::CONFLICT, "a reload is under way")),
        Err(TrySendError::Closed(_)) => return Err(nobody()),
    }
    match tokio::time::timeout(PATIENCE, report).await {
        Ok(Ok(report)) => Ok(tell(&report)),
        Ok(Err(_)) => Err(nobody()),
        Err(_) => Err(no(StatusCode::GATEWAY_TIMEOUT, "it takes long; the log will say what became of it")),
    }
}

fn tell(report: &Report) -> Done {
    let (generation, problems) = (report.generation, &report.problems);
    match report.is_taken {
        true => Done {
            answer: answer::json(StatusCode::OK, &json!({ "taken": true, "generation": generation, "problems": problems })),
            what: format!("generation {generation} is in effect"),
        },
        false => {
            let error = "the new configuration is refused; the old one stays in effect";
            let page = json!({ "error": error, "taken": false, "generation": generation, "problems": problems });
            Done {
                answer: answer::json(StatusCode::UNPROCESSABLE_ENTITY, &page),
                what: format!("generation {generation} stays in effect"),
            }
        }
    }
}

/// A configuration is read and built within a second; one whose files hang keeps nobody for ever.
const PATIENCE: Duration = Duration::from_secs(30);
