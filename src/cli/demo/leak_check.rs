//! What a thief of one node would hold: its disk, all of its keys, and every request that it was sent.

use tumar::client::Prepared;
use tumar::node::Keys;
use tumar::party::Party;
use tumar::seal::{Binding, Envelope, EnvelopeKeys};
use tumar::store::Store;
use tumar::wire::{envelopes_of, samples_of};

use crate::cli::failure::Failure;
use crate::cli::world::Stopped;
use crate::cli::{clock, init};

/// The statistic of 256 equally likely bytes has 255 degrees of freedom: mean 255, deviation 22.6. Five deviations either way.
const NOISE: std::ops::RangeInclusive<f64> = 142.0..=368.0;

/// What one node could see.
#[derive(Debug)]
pub(super) struct LeakCheck {
    pub(super) party: Party,
    /// Bytes of shares in the envelopes, opened with the node's keys.
    pub(super) sent: u64,
    /// Bytes of shares in the store, opened with the node's keys.
    pub(super) stored: u64,
    /// Of all those bytes, against the uniform distribution.
    pub(super) chi_squared: f64,
    /// Runs of the protocol; one bit is opened for each comparison in it, and no score.
    pub(super) runs: u64,
}

impl LeakCheck {
    /// Whether what it holds looks like noise.
    pub(super) fn is_noise(&self) -> bool {
        NOISE.contains(&self.chi_squared)
    }
}

/// How often each byte was seen.
struct Histogram([u64; 256]);

impl Histogram {
    fn count(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0[usize::from(byte)] += 1;
        }
    }

    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Pearson's statistic.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    fn chi_squared(&self) -> f64 {
        let expected = self.total() as f64 / 256.0;
        self.0.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum()
    }
}

/// Opens what each node could open.
pub(super) async fn of(stopped: &Stopped, sent: &[Prepared], runs: [u64; 3]) -> Result<Vec<LeakCheck>, Failure> {
    let mut sights = Vec::with_capacity(3);
    for party in Party::ALL {
        let config = init::node_config(stopped.folder(), party);
        let keys = Keys::read(&config.with_file_name("keys"))?;
        let mut histogram = Histogram([0; 256]);
        let file = config.with_file_name("data").join("store.sqlite");
        let store = Store::open(&file, stopped.deployment.clone(), party, keys.store).await?;
        let mut kept = store.envelope_keys().await?.into_iter().map(|kept| kept.key);
        if let Some(current) = kept.next() {
            let keys = EnvelopeKeys::new(current, kept.next());
            for prepared in sent {
                count_envelopes(&mut histogram, stopped, &keys, party, prepared);
            }
        }
        let sent = histogram.total();
        store
            .load(clock::now(), |record| {
                let words = record.references.iter().flat_map(|reference| reference.share.words());
                words.for_each(|word| histogram.count(&word.to_le_bytes()));
            })
            .await?;
        store.close().await?;
        let stored = histogram.total() - sent;
        let chi_squared = histogram.chi_squared();
        sights.push(LeakCheck { party, sent, stored, chi_squared, runs: runs[party.index()] });
    }
    Ok(sights)
}

/// Counts what is in a request's envelopes: the shares and, at enrolment, the key behind the first.
fn count_envelopes(
    histogram: &mut Histogram,
    stopped: &Stopped,
    keys: &EnvelopeKeys,
    party: Party,
    prepared: &Prepared,
) {
    let ask = prepared.ask();
    for (sample, sent) in ask.samples.iter().zip(samples_of(prepared.request())) {
        let binding = Binding {
            party,
            deployment: &stopped.deployment,
            relying_party: &stopped.relying_party,
            client: &ask.client,
            method: ask.method,
            purpose: &ask.purpose,
            request_id: &ask.request_id,
            gallery: &ask.gallery,
            subject: ask.subject(),
            modality: sample.modality,
            model: &sample.model,
            amount_kzt: ask.amount_kzt,
            captured: ask.captured,
        };
        let bytes = envelopes_of(sent)[party.index()];
        let opened = Envelope::parse(bytes, bytes.len().saturating_sub(Envelope::OVERHEAD))
            .ok()
            .and_then(|envelope| keys.open(&envelope, &binding).ok());
        if let Some(plaintext) = opened {
            histogram.count(&plaintext);
        }
    }
}
