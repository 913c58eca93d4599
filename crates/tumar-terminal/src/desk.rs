//! The work of a terminal, in safe code: what a function of the header does once its pointers are followed.

use tumar_client::name::{Modality, ModelId, RequestId};
use tumar_client::party::Party;
use tumar_client::prepare::{Capture, Committee, Prepared, Search, ServedModel, SubjectKey, Target};
use tumar_client::request::{Case, Minute};
use tumar_client::seal::random;
use tumar_client::share::{InputShares, Masks, split};
use tumar_client::template::face::quantise_to;
use tumar_client::template::finger::record::{FingerPosition, Record, Wanted};
use tumar_client::template::finger::{encode_fixed, encode_rows};
use tumar_client::template::model::{Encoding, Models};
use tumar_client::template::{MOST_ROWS, ROW};
use tumar_client::wire::{committee_from_bytes, envelopes_of, message_to_bytes, samples_of};
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::keeper::{Made, Terminal};
use crate::layout::{
    Handle, TUMAR_ANY, TUMAR_METHOD_ENROLL, TUMAR_METHOD_SEARCH, TUMAR_METHOD_VERIFY, TUMAR_MOST_DOCUMENT,
    TUMAR_REQUEST_DIGEST, TUMAR_REQUEST_ID, TUMAR_REQUEST_MESSAGE, TUMAR_REQUEST_SAVED,
};
use crate::pinned::Pinned;

/// Components of the largest template: a full set of rows.
const MOST_COMPONENTS: usize = MOST_ROWS * ROW;

/// A call as the caller described it; nothing of it is checked.
pub(crate) struct Wish<'a> {
    pub(crate) method: u32,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) gallery: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) purpose: &'a str,
    pub(crate) amount_kzt: u64,
    pub(crate) captured_at: u64,
    pub(crate) person_key: Handle,
    pub(crate) case_digest: Option<[u8; 32]>,
    pub(crate) max_candidates: u32,
}

fn document<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
    if bytes.len() > TUMAR_MOST_DOCUMENT { Err(Fault::Length { what }) } else { Ok(bytes) }
}

/// The party of a letter.
fn party_of(letter: u8) -> Result<Party, Fault> {
    Party::ALL.into_iter().find(|party| party.as_str().as_bytes() == [letter]).ok_or(Fault::Argument { what: "party" })
}

impl Terminal {
    /// One that believes these pins.
    pub(crate) fn open(pins: &[u8]) -> Result<Self, Fault> {
        let text = str::from_utf8(document("pins", pins)?).map_err(|_| Fault::PinsText)?;
        Self::new(Pinned::parse(text)?)
    }

    pub(crate) fn check_committee(&self, answer: &[u8]) -> Result<Handle, Fault> {
        let answer = committee_from_bytes(document("answer", answer)?).ok_or(Fault::CommitteeForm)?;
        self.keep(Committee::check(&answer, self.pinned.nodes())?)
    }

    pub(crate) fn until(&self, committee: Handle) -> Result<u64, Fault> {
        Ok(self.find::<Committee>(committee)?.until())
    }

    pub(crate) fn key_id(&self, committee: Handle, party: u8) -> Result<[u8; 8], Fault> {
        Ok(*self.find::<Committee>(committee)?.key(party_of(party)?).id().as_bytes())
    }

    /// A model of the committee's, or of the table that this library was built with.
    fn model(&self, committee: Handle, id: &str, modality: Modality) -> Result<ServedModel, Fault> {
        let id: ModelId = id.parse()?;
        let found = if committee == 0 {
            let models = Models::built_in();
            models.find(&id).map(|model| ServedModel {
                id,
                modality: model.modality(),
                encoding: model.encoding(),
                dimension: model.dimension(),
            })
        } else {
            self.find::<Committee>(committee)?.models().iter().find(|model| model.id == id).cloned()
        };
        found.filter(|model| model.modality == modality).ok_or(Fault::Model(modality.as_str()))
    }

    pub(crate) fn face(&self, committee: Handle, model: &str, embedding: &[f32]) -> Result<Handle, Fault> {
        let model = self.model(committee, model, Modality::Face)?;
        let template = quantise_to(embedding, model.dimension)?;
        self.keep(Made { model: model.id, template })
    }

    pub(crate) fn finger(
        &self,
        committee: Handle,
        model: &str,
        record: &[u8],
        wanted: [i32; 2],
    ) -> Result<Handle, Fault> {
        let model = self.model(committee, model, Modality::Finger)?;
        let wanted = wanted_of(wanted)?;
        let minutiae = Record::read(record)?.view(wanted)?.minutiae();
        let template = match model.encoding {
            Encoding::Rows => encode_rows(&minutiae),
            Encoding::Vector => encode_fixed(&minutiae),
        }?;
        self.keep(Made { model: model.id, template })
    }

    /// Rows and columns.
    pub(crate) fn shape(&self, template: Handle) -> Result<[u32; 2], Fault> {
        let shape = self.find::<Made>(template)?.template.shape();
        // At most 40 and 2048.
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok([small(shape.rows()), small(shape.columns())])
    }

    pub(crate) fn pack(&self, template: Handle) -> Result<Zeroizing<Box<[u8]>>, Fault> {
        Ok(self.find::<Made>(template)?.template.pack())
    }

    /// By masks of the caller's, or fresh ones.
    pub(crate) fn split(&self, template: Handle, masks: Option<&[u8]>) -> Result<Handle, Fault> {
        let made = self.find::<Made>(template)?;
        let shape = made.template.shape();
        let masks = match masks {
            Some(masks) if masks.len() == shape.components() => Zeroizing::new(masks.to_vec()),
            Some(masks) => {
                return Err(Fault::Bytes { what: "masks", expected: shape.components(), found: masks.len() });
            }
            None => {
                let fresh = random::<MOST_COMPONENTS>()?;
                Zeroizing::new(fresh.get(..shape.components()).ok_or(Fault::Internal)?.to_vec())
            }
        };
        self.keep(split(shape, &made.template.pack(), Masks::from_random(masks))?)
    }

    pub(crate) fn plaintext(&self, shares: Handle, party: u8) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let party = party_of(party)?;
        let shares = self.find::<[InputShares; 3]>(shares)?;
        Ok(Zeroizing::new(shares[party.index()].for_envelope().to_vec()))
    }

    /// Read, or drawn.
    pub(crate) fn person_key(&self, text: Option<&str>) -> Result<Handle, Fault> {
        self.keep(match text {
            Some(text) => text.parse()?,
            None => SubjectKey::generate()?,
        })
    }

    pub(crate) fn person_key_text(&self, key: Handle) -> Result<Zeroizing<String>, Fault> {
        Ok(self.find::<SubjectKey>(key)?.to_text())
    }

    pub(crate) fn person_key_of_node(&self, key: Handle, party: u8) -> Result<Zeroizing<[u8; 32]>, Fault> {
        Ok(self.find::<SubjectKey>(key)?.for_node(party_of(party)?))
    }

    pub(crate) fn seal(&self, committee: Handle, wish: &Wish<'_>, templates: &[Handle]) -> Result<Handle, Fault> {
        let committee = self.find::<Committee>(committee)?;
        if wish.captured_at >= committee.until() {
            return Err(Fault::Expired);
        }
        let request_id = wish.request_id.map(str::parse::<RequestId>).transpose()?;
        let by = self.pinned.requester(request_id);
        let minute = Minute::of(wish.captured_at);
        let made = templates.iter().map(|handle| self.find::<Made>(*handle)).collect::<Result<Vec<_>, _>>()?;
        let captures: Vec<_> =
            made.iter().map(|made| Capture { model: &made.model, template: &made.template }).collect();
        wish.is_consistent()?;
        let prepared = match wish.method {
            TUMAR_METHOD_ENROLL => {
                let key = self.find::<SubjectKey>(wish.person_key)?;
                Prepared::enroll(by, &committee, &wish.target()?, &captures, minute, &key)
            }
            TUMAR_METHOD_VERIFY => {
                Prepared::verify(by, &committee, &wish.target()?, &captures, wish.amount_kzt, minute)
            }
            TUMAR_METHOD_SEARCH => Prepared::search(by, &committee, &wish.search()?, &captures, minute),
            _ => return Err(Fault::Argument { what: "method" }),
        };
        self.keep(prepared?)
    }

    pub(crate) fn request_bytes(&self, request: Handle, what: u32) -> Result<Vec<u8>, Fault> {
        let request = self.find::<Prepared>(request)?;
        Ok(match what {
            TUMAR_REQUEST_MESSAGE => message_to_bytes(request.request()),
            TUMAR_REQUEST_SAVED => request.to_bytes(),
            TUMAR_REQUEST_ID => request.ask().request_id.to_string().into_bytes(),
            TUMAR_REQUEST_DIGEST => request.ask().request_digest().to_vec(),
            _ => return Err(Fault::Argument { what: "what" }),
        })
    }

    pub(crate) fn envelope(&self, request: Handle, sample: usize, party: u8) -> Result<Vec<u8>, Fault> {
        let party = party_of(party)?;
        let request = self.find::<Prepared>(request)?;
        let sample = samples_of(request.request()).get(sample).ok_or(Fault::Argument { what: "sample" })?;
        Ok(envelopes_of(sample)[party.index()].to_vec())
    }
}

impl Wish<'_> {
    /// Whether what is there belongs to the method.
    fn is_consistent(&self) -> Result<(), Fault> {
        let (enrols, verifies, searches) = (
            self.method == TUMAR_METHOD_ENROLL,
            self.method == TUMAR_METHOD_VERIFY,
            self.method == TUMAR_METHOD_SEARCH,
        );
        let rules = [
            (enrols || verifies || searches, "method"),
            (verifies || self.amount_kzt == 0, "amount_kzt"),
            (searches != self.subject.is_some(), "subject"),
            (searches == self.case_digest.is_some(), "case_digest"),
            (searches == (self.max_candidates > 0), "max_candidates"),
        ];
        if let Some((_, what)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(Fault::Argument { what });
        }
        if enrols == (self.person_key != 0) { Ok(()) } else { Err(Fault::PersonKeyDue) }
    }

    fn target(&self) -> Result<Target, Fault> {
        let subject = self.subject.ok_or(Fault::Argument { what: "subject" })?;
        Ok(Target { gallery: self.gallery.parse()?, subject: subject.parse()?, purpose: self.purpose.parse()? })
    }

    /// The officers' approvals are the backend's to add: no envelope depends on them.
    fn search(&self) -> Result<Search, Fault> {
        let digest = self.case_digest.ok_or(Fault::Argument { what: "case_digest" })?;
        let case = Case { digest, most: self.max_candidates, approvals: Vec::new() };
        Ok(Search { gallery: self.gallery.parse()?, purpose: self.purpose.parse()?, case })
    }
}

/// Which view is meant by a position and a number.
fn wanted_of([position, number]: [i32; 2]) -> Result<Wanted, Fault> {
    let code = |what, value| match value {
        TUMAR_ANY => Ok(None),
        value => u8::try_from(value).map(Some).map_err(|_| Fault::Argument { what }),
    };
    let position = match code("position", position)? {
        Some(code) => Some(FingerPosition::from_code(code).ok_or(Fault::Argument { what: "position" })?),
        None => None,
    };
    Ok(Wanted { position, number: code("number", number)? })
}
