//! What passes by itself is waited for: the very same request is sent again, for a while.
//!
//! A node that is stopped for a new version, or dies, is back in a moment. What was answered meanwhile is answered alike, and what was
//! not is done then, so that nothing is lost and nothing is done twice.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::ClientError;
use super::{Answer, Client, Prepared};
use crate::reason::Reason;
use crate::request::{Method, Progress};

/// Between the first two tries; it doubles up to the second of these.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

impl Client {
    /// Proves and calls; while a node is away for a moment, again, for as long as [`ClientConfig::retry`](super::ClientConfig::retry) says.
    /// To try again later, send the same [`Prepared`]: a request that was answered is answered alike, and is no second use.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send(&self, access: &str, prepared: &Prepared) -> Result<Answer, ClientError> {
        self.send_watching(access, prepared, &mut |_| {}).await
    }

    pub(super) async fn send_watching(
        &self,
        access: &str,
        prepared: &Prepared,
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Answer, ClientError> {
        let mut patience = Patience::new(self.config.retry, prepared.ask().method);
        loop {
            let proof = self.prove(access, prepared.ask(), None)?;
            match self.call_watching(access, &proof, prepared, watch).await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.wait(error).await?,
            }
        }
    }
}

/// What is left of a request's time.
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
    /// The request changes who is enrolled, or how.
    changes: bool,
    /// Of an earlier try, whose end is not known.
    unsure: Option<ClientError>,
}

impl Patience {
    /// From now on.
    pub(super) fn new(time: Duration, method: Method) -> Self {
        let changes = matches!(method, Method::Enroll | Method::Erase | Method::Lock | Method::Unlock);
        Self { until: Instant::now() + time, pause: PAUSE[0], changes, unsure: None }
    }

    /// Waits until it is worth trying again.
    ///
    /// # Errors
    /// What the caller is to hear: this error, if it does not pass or did not in time. Where an earlier try may have used the token up,
    /// or made the change, a refusal of this one says nothing of the request, and the earlier error is given back.
    pub(super) async fn wait(&mut self, error: ClientError) -> Result<(), ClientError> {
        if !error.passes() {
            let tells_nothing = self.changes || error.refused() == Some(Reason::TokenSpent);
            return Err(self.unsure.take().filter(|_| tells_nothing).unwrap_or(error));
        }
        let pause = error.refusal().and_then(|refusal| refusal.retry_after).unwrap_or(self.pause);
        if Instant::now() + pause > self.until {
            return Err(error);
        }
        self.pause = (2 * self.pause).min(PAUSE[1]);
        if !is_untouched(&error) {
            self.unsure = Some(error);
        }
        sleep(pause).await;
        Ok(())
    }
}

/// Whether the request came to nobody, or nobody began with it.
fn is_untouched(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(_) => {
            matches!(error.refused(), Some(Reason::NodeStopping | Reason::CommitteeIncomplete))
        }
        ClientError::Unanswered(status) => was_refused(status.as_ref()),
        ClientError::Unreachable { error, .. } => was_refused(error),
        ClientError::Untrusted { .. }
        | ClientError::Committee(_)
        | ClientError::Receipt(_)
        | ClientError::Input(_)
        | ClientError::Tls(_) => false,
    }
}

/// Whether there was no connection at all: nobody listened.
fn was_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::super::error::Refusal;
    use super::*;

    fn refused(reason: &str, retry_after: Option<Duration>) -> ClientError {
        let (reason, message) = (reason.to_owned(), String::new());
        let code = Code::Unavailable;
        let (node, field, link, check) = (None, None, None, None);
        ClientError::Refused(Box::new(Refusal { code, reason, node, message, field, link, check, retry_after }))
    }

    fn unanswered() -> ClientError {
        Status::unavailable("the stream was reset").into()
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_waited_for_in_growing_steps_until_the_time_is_over() {
        let (begin, mut patience) = (Instant::now(), Patience::new(Duration::from_secs(10), Method::Verify));
        let mut tries = 0;
        let last = loop {
            match patience.wait(refused("PEER_LOST", None)).await {
                Ok(()) => tries += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(last.reason(), "PEER_LOST");
        assert!((20..=24).contains(&tries), "{tries}");
        assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        let (begin, mut patience) = (Instant::now(), Patience::new(Duration::from_secs(1), Method::Verify));
        patience.wait(refused("NODE_STOPPING", Some(Duration::from_millis(300)))).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_millis(300), "as the node says");
        assert_eq!(
            Patience::new(Duration::ZERO, Method::Verify).wait(unanswered()).await.unwrap_err().reason(),
            "UNANSWERED"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_try_may_have_done_is_not_held_against_the_request() {
        for (method, first, second, told) in [
            (Method::Verify, unanswered(), "TOKEN_SPENT", "UNANSWERED"),
            (Method::Verify, unanswered(), "SUBJECT_UNKNOWN", "SUBJECT_UNKNOWN"),
            (Method::Enroll, unanswered(), "SUBJECT_EXISTS", "UNANSWERED"),
            (Method::Enroll, refused("PEER_LOST", None), "SUBJECT_EXISTS", "PEER_LOST"),
            (Method::Erase, refused("REQUEST_IN_FLIGHT", None), "SUBJECT_UNKNOWN", "REQUEST_IN_FLIGHT"),
            // Nobody had begun with it.
            (Method::Enroll, refused("NODE_STOPPING", None), "SUBJECT_EXISTS", "SUBJECT_EXISTS"),
            (Method::Erase, refused("COMMITTEE_INCOMPLETE", None), "SUBJECT_UNKNOWN", "SUBJECT_UNKNOWN"),
        ] {
            let mut patience = Patience::new(Duration::from_secs(10), method);
            patience.wait(first).await.unwrap();
            assert_eq!(patience.wait(refused(second, None)).await.unwrap_err().reason(), told, "{method:?} {second}");
        }
        for reason in ["SUBJECT_UNKNOWN", "OVERLOADED", "NODES_OUT_OF_STEP", "STORE_FAILED", "CLOCK_IN_DOUBT"] {
            let mut patience = Patience::new(Duration::from_secs(10), Method::Verify);
            assert_eq!(patience.wait(refused(reason, None)).await.unwrap_err().reason(), reason);
        }
    }
}
