//! Opening: the one place where something is revealed.

use super::{ProtocolError, Round, Session, Signs};
use crate::net::Step;
use crate::prss::same;

/// Opens outcomes to all three parties, one bit a lane, in one round: whether the score reaches the threshold.
///
/// Assume the outcomes known to a peer from the first send on, even if this returns an error or is dropped. The slot that we
/// miss is held by both peers: one sends it, the other a keyed digest of it and of which lanes are opened. If they differ, one of
/// them lies, and no outcome is returned.
///
/// # Errors
/// [`ProtocolError::Disagree`] for a lie, [`ProtocolError::Lost`] for a lost peer or message. The session is over then.
pub async fn open(session: &mut Session, step: Step, signs: &Signs) -> Result<Vec<bool>, ProtocolError> {
    let own = session.own();
    let lanes = signs.lanes();
    if lanes == 0 {
        return Ok(Vec::new());
    }
    let (slot, next_slot) = (signs.own_bytes(), signs.next_bytes());
    let digest = session.keys().hash(own.prev(), step, 0, &signs.to_digest(&next_slot));
    let round =
        Round { from_next: digest.len(), from_prev: slot.len(), to_next: slot.clone(), to_prev: digest.to_vec() };
    let came = session.exchange(step, round).await?;
    let expected = session.keys().hash(own.next(), step, 0, &signs.to_digest(&came.prev));
    let claimed = came.next.first_chunk::<16>().expect("its length was checked");
    if !same(&expected, claimed) {
        return Err(session.fail(ProtocolError::Disagree(step)));
    }
    let bytes = slot.iter().zip(next_slot.iter()).zip(came.prev.iter());
    let signs: Vec<u8> = bytes.map(|((own, next), missing)| own ^ next ^ missing).collect();
    // The sign is set where the score is below the threshold.
    Ok((0..lanes).map(|lane| signs[lane / 8] >> (lane % 8) & 1 == 0).collect())
}
