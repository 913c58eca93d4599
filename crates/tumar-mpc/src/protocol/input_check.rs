//! Takes templates in: are the summands the same at both holders, and from XOR of nibbles to sums of words.
//!
//! Every nibble becomes a word by [`words`](super::words), 4 bytes a component. The range -8..=7 holds by construction, whatever the
//! client sent.

use zeroize::Zeroizing;

use super::words::Lift;
use super::{ProtocolError, Round, Session};
use crate::net::Step;
use crate::prss::same;
use crate::share::{InputShares, Replicated};

/// A template that was taken in.
#[derive(Debug)]
pub struct CheckedInput {
    /// Its components as sums of three.
    pub components: Replicated,
    /// Whether both holders of every summand were sent the same. If not, the components mean nothing, but the run goes on: a
    /// client's fault must not touch the other templates of the batch.
    pub consistent: bool,
}

/// Bytes of hashes that a party sends to each peer for a template: of its own summand and of the next party's.
const HASHES: usize = 32;

/// Takes a batch of templates in, in two rounds. All three parties must have the batch in the same order.
///
/// Every party learns of every template whether its summands agree, from keyed hashes that say nothing to the party that does
/// not hold the summand.
///
/// # Errors
/// [`ProtocolError`] if the run stopped. What is wrong with a template is no error of the run.
pub async fn check_inputs(session: &mut Session, batch: &[InputShares]) -> Result<Vec<CheckedInput>, ProtocolError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let hashes = hash_all(session, batch);
    let mut lift: Lift<4> = Lift::new(nibbles(batch, InputShares::own), nibbles(batch, InputShares::next));
    let shared = lift.share_bits(session).map_err(|e| session.fail(e))?;
    let round = Round {
        to_next: [&hashes[..], &shared].concat(),
        to_prev: hashes.clone(),
        from_next: hashes.len(),
        from_prev: hashes.len() + lift.due_from_prev(session),
    };
    let came = session.exchange(Step::Inject, round).await?;
    let (prev_hashes, prev_shared) = came.prev.split_at(hashes.len());
    let consistent = agree(&hashes, &came.next, prev_hashes);
    lift.receive_bits(session, prev_shared);
    let words = lift.finish(session, Step::Product).await?;

    let mut start = 0;
    let mut taken = Vec::with_capacity(batch.len());
    for (summands, consistent) in batch.iter().zip(consistent) {
        let range = start..start + summands.shape().components();
        start = range.end;
        let components = Replicated::new(summands.shape(), words.own[range.clone()].into(), words.next[range].into());
        let components = components.map_err(|e| session.fail(e))?;
        taken.push(CheckedInput { components, consistent });
    }
    Ok(taken)
}

/// For each template the hash of the own summand, under the key with the previous party, who holds it too, and that of the next
/// party's.
fn hash_all(session: &mut Session, batch: &[InputShares]) -> Vec<u8> {
    let own = session.own();
    let keys = session.keys();
    let mut hashes = Vec::with_capacity(HASHES * batch.len());
    for (summands, place) in batch.iter().zip(0_u64..) {
        hashes.extend_from_slice(&keys.hash(own.prev(), Step::Inject, place, summands.own()));
        hashes.extend_from_slice(&keys.hash(own.next(), Step::Inject, place, summands.next()));
    }
    hashes
}

/// Which templates' summands are the same at both holders, by what all three parties say.
fn agree(own: &[u8], next: &[u8], prev: &[u8]) -> Vec<bool> {
    // Each party names its own slot first, then the next one's.
    let pairs = |bytes: &[u8]| bytes.as_chunks::<16>().0.as_chunks::<2>().0.to_vec();
    let claims = pairs(own).into_iter().zip(pairs(next)).zip(pairs(prev));
    claims
        .map(|((own, next), prev)| same(&own[0], &prev[1]) & same(&own[1], &next[0]) & same(&prev[0], &next[1]))
        .collect()
}

/// The nibbles of one slot of a whole batch, one after the other, each in a byte of its own.
fn nibbles(batch: &[InputShares], slot: fn(&InputShares) -> &[u8]) -> Zeroizing<Vec<u8>> {
    let components = batch.iter().map(|summands| summands.shape().components()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(components));
    out.extend(batch.iter().flat_map(slot).flat_map(|byte| [byte & 15, byte >> 4]));
    out
}
