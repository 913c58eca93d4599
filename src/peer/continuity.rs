//! Before anything runs on a link: each end's access log must continue what the other cosigned of it. A store that was put back from an
//! older copy is found here, before it writes the entry that would fork its log.

use tokio_stream::Stream;

use super::Peers;
use super::connection::Outbound;
use super::explain::next;
use super::why::{Behind, LinkError};
use crate::log::continuity::Gap;
use crate::party::Party;
use crate::wire::peer::v1 as wire;
use wire::frame::Kind;

impl Peers {
    /// Waits until it is found that this node's log is not the one that was cosigned: it must stop then.
    pub async fn fell_behind(&self) -> Behind {
        let mut behind = self.fallen.subscribe();
        loop {
            let found = behind.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
            if let Some(found) = found {
                return found;
            }
            // The sender lives as long as self, so this is never reached.
            std::future::pending::<()>().await;
        }
    }

    /// Both ends at once: says what was cosigned of the peer's log, and holds the own log against what the peer cosigned.
    pub(super) async fn compare_logs<S>(&self, peer: Party, inbound: &mut S, out: &Outbound) -> Result<(), LinkError>
    where
        S: Stream<Item = Kind> + Send + Unpin,
    {
        let checkpoints = self.settle.cosigned(peer).await?;
        out.say(Kind::Remembered(wire::Remembered { checkpoints })).await?;
        let Kind::Remembered(of_own) = next(inbound).await? else { return Err(LinkError::OutOfPlace) };
        let gap = self.settle.continues(of_own.checkpoints).await?;
        out.say(Kind::Continued(word(gap.as_ref()))).await?;
        if let Some(gap) = gap {
            let behind = Behind { peer, gap };
            tracing::error!(%peer, "{behind}");
            // Its word, and then the end of the link: until the peer has heard, so that its operator is told as well.
            for _ in 0..2 {
                if next(inbound).await.is_err() {
                    break;
                }
            }
            self.fallen.send_replace(Some(behind.clone()));
            return Err(behind.into());
        }
        let Kind::Continued(of_theirs) = next(inbound).await? else { return Err(LinkError::OutOfPlace) };
        let wire::Continued { half: Some(half), own, cosigned } = of_theirs else { return Ok(()) };
        let error = LinkError::PeerBehind { peer, half, own, cosigned };
        tracing::error!(%peer, "{error}");
        Err(error)
    }
}

fn word(gap: Option<&Gap>) -> wire::Continued {
    gap.map(Gap::sizes).map_or_else(wire::Continued::default, |(half, own, cosigned)| wire::Continued {
        half: Some(half.to_string()),
        own,
        cosigned,
    })
}
