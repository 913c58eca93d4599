//! Requests that change who is enrolled, prepared without being sent: kept on a disk first, the very same can be sent again.

use super::{Answer, Capture, Client, ErasureCertificate, InputError, Prepared, SubjectKey, Target};
use crate::log::receipt::Outcome;
use crate::request::Minute;

impl Client {
    /// The request of [`enroll`](Self::enroll), to be kept before it is [sent](Self::send): with it and the key, which the caller
    /// drew and keeps as well, nothing is lost that was made. `captured` is when the person stood there. An error that
    /// [wants new keys](super::ClientError::wants_new_keys) asks for [`refresh`](Self::refresh) and another one.
    ///
    /// # Errors
    /// [`InputError`].
    pub async fn prepare_enrolment(
        &self,
        target: &Target,
        references: &[Capture<'_>],
        captured: Minute,
        key: &SubjectKey,
    ) -> Result<Prepared, InputError> {
        let committee = self.current().await;
        Prepared::enroll(&*self.config, &committee, target, references, captured, key)
    }

    /// The request of [`erase`](Self::erase), to be kept before it is [sent](Self::send).
    ///
    /// # Errors
    /// [`InputError`].
    pub fn prepare_erasure(&self, target: &Target) -> Result<Prepared, InputError> {
        Prepared::erase(&*self.config, target)
    }

    /// What shows that somebody was erased; none of a request that was not to erase.
    #[must_use]
    pub fn certificate(&self, prepared: &Prepared, answer: &Answer) -> Option<ErasureCertificate> {
        let ask = prepared.ask();
        let subject = ask.subject().filter(|_| answer.outcome == Outcome::Erased)?;
        Some(ErasureCertificate::new(self.deployment(), ask, subject, &answer.receipts))
    }
}
