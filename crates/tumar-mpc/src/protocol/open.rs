//! Opening: the one place where something is revealed.

use zeroize::Zeroizing;

use super::bits::Bits;
use super::{ProtocolError, Round, Session};
use crate::net::Step;
use crate::prss::same;

/// Opens bits to all three parties, one each lane, in one round.
///
/// `of` says what each lane stands for, the same at all three parties: a party that was made to leave another item out than its
/// peers must not take their bits for those of its own items.
///
/// Assume the bits known to a peer from the first send on, even if this returns an error or is dropped. The slot that we
/// miss is held by both peers: one sends it, the other a keyed digest of it and of what is opened. If they differ, one of them
/// lies, and no bit is returned.
///
/// # Errors
/// [`ProtocolError::Disagree`] for a lie, [`ProtocolError::Lost`] for a lost peer or message. The session is over then.
pub async fn open(session: &mut Session, step: Step, bits: &Bits, of: &[usize]) -> Result<Vec<bool>, ProtocolError> {
    let own = session.own();
    let lanes = bits.lanes();
    if lanes == 0 {
        return Ok(Vec::new());
    }
    // Runs of items in a row, by their first one and their length.
    let runs = of.chunk_by(|item, next| item + 1 == *next).flat_map(|run| [run[0] as u64, run.len() as u64]);
    let items: Vec<u8> = runs.flat_map(u64::to_le_bytes).collect();
    let named = |slot: &[u8]| Zeroizing::new([slot, &items].concat());
    let (slot, next_slot) = (bits.own_bytes(), bits.next_bytes());
    let digest = session.keys().hash(own.prev(), step, 0, &named(&next_slot));
    let round =
        Round { from_next: digest.len(), from_prev: slot.len(), to_next: slot.clone(), to_prev: digest.to_vec() };
    let came = session.exchange(step, round).await?;
    let expected = session.keys().hash(own.next(), step, 0, &named(&came.prev));
    let claimed = came.next.first_chunk::<16>().expect("its length was checked");
    if !same(&expected, claimed) {
        return Err(session.fail(ProtocolError::Disagree(step)));
    }
    let bytes = slot.iter().zip(next_slot.iter()).zip(came.prev.iter());
    let opened: Vec<u8> = bytes.map(|((own, next), missing)| own ^ next ^ missing).collect();
    Ok((0..lanes).map(|lane| opened[lane / 8] >> (lane % 8) & 1 == 1).collect())
}
