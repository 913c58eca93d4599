//! What a token allows (RFC 9396 `authorization_details`), and what a proof narrows it to.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::Value;

use super::claims::{MAX_LIFETIME, MAX_READ_LIFETIME, MAX_SEARCH_LIFETIME};
use crate::name::{GalleryName, Modality, PurposeName, RelyingParty};
use crate::request::{Method, RequestInfo};

/// The one `type` that is understood here: comparing with one subject.
pub const TYPE: &str = "urn:tumar:match:1";

/// Most requests that one token may allow.
pub const MAX_USES: u32 = 1000;

/// What one token allows. A member that is not named here makes the whole token refused: it might have been a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: DetailsType,
    /// What for.
    pub purpose: PurposeName,
    /// The calls, at least one.
    pub actions: Vec<Action>,
    /// On whose behalf.
    pub relying_party: RelyingParty,
    /// Where, at least one.
    pub galleries: Vec<GalleryName>,
    /// What may be compared or taken in; may be empty for actions that do neither.
    pub modalities: Vec<Modality>,
    /// How many requests in all: 1..=[`MAX_USES`].
    pub max_uses: u32,
    /// Under which rule of law, by a short name: `kz-aml`. For people; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
}

/// A subset of [`Details`], chosen by the client for one request. What is absent stays as the token has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: DetailsType,
    /// Must be the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<PurposeName>,
    /// Some of the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
    /// Must be the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relying_party: Option<RelyingParty>,
    /// Some of the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub galleries: Option<Vec<GalleryName>>,
    /// Some of the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modalities: Option<Vec<Modality>>,
    /// At most the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// Must be the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
}

/// The text [`TYPE`] and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetailsType;

impl Serialize for DetailsType {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(TYPE)
    }
}

impl<'de> Deserialize<'de> for DetailsType {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if String::deserialize(from)? == TYPE { Ok(Self) } else { Err(de::Error::custom("not urn:tumar:match:1")) }
    }
}

/// A call, as tokens and policies spell it: [`Method::action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(pub Method);

impl Serialize for Action {
    fn serialize<S: ser::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.action())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let known = Method::ALL.into_iter().find(|method| method.action() == name);
        known.map(Self).ok_or_else(|| de::Error::custom("unknown action"))
    }
}

/// The one element of an `authorization_details` array; `None` if there is not exactly one or it is not understood.
fn only<T: de::DeserializeOwned>(array: &Value) -> Option<T> {
    match array.as_array()?.as_slice() {
        // `T` is read from the object only: serde would take an array of the members in order as well.
        [element @ Value::Object(_)] => T::deserialize(element).ok(),
        _ => None,
    }
}

impl Details {
    /// Most seconds that a token with these may live: who may search must ask for a token more often.
    #[must_use]
    pub fn longest_life(&self) -> u64 {
        match self.actions.as_slice() {
            // What it shows names nobody, and a whole log takes a while.
            [Action(Method::ReadLog)] => MAX_READ_LIFETIME,
            actions if actions.contains(&Action(Method::Search)) => MAX_SEARCH_LIFETIME,
            _ => MAX_LIFETIME,
        }
    }

    /// Reads a token's `authorization_details`: a list of one object. `None` if it is not understood.
    #[must_use]
    pub fn read(array: &Value) -> Option<Self> {
        only::<Self>(array).filter(|details| {
            !details.actions.is_empty()
                && !details.galleries.is_empty()
                && (1..=MAX_USES).contains(&details.max_uses)
                && details.legal_basis.as_ref().is_none_or(|basis| (1..=64).contains(&basis.len()))
        })
    }
}

impl Narrowing {
    /// Reads a proof's `authorization_details`.
    pub(super) fn read(array: &Value) -> Option<Self> {
        only::<Self>(array).filter(|narrowing| narrowing.max_uses != Some(0))
    }

    /// The narrowing that allows `ask` and nothing else of its token.
    #[must_use]
    pub fn to(ask: &RequestInfo) -> Self {
        Self {
            purpose: Some(ask.purpose.clone()),
            actions: Some(vec![Action(ask.method)]),
            galleries: Some(vec![ask.gallery.clone()]),
            modalities: Some(ask.modalities()),
            ..Self::default()
        }
    }

    /// Whether everything it names is in `whole`.
    #[must_use]
    pub fn is_within(&self, whole: &Details) -> bool {
        fn all_in<T: PartialEq>(some: Option<&[T]>, all: &[T]) -> bool {
            some.is_none_or(|some| some.iter().all(|item| all.contains(item)))
        }
        self.purpose.as_ref().is_none_or(|purpose| *purpose == whole.purpose)
            && self.relying_party.as_ref().is_none_or(|party| *party == whole.relying_party)
            && all_in(self.actions.as_deref(), &whole.actions)
            && all_in(self.galleries.as_deref(), &whole.galleries)
            && all_in(self.modalities.as_deref(), &whole.modalities)
            && self.max_uses.is_none_or(|uses| uses <= whole.max_uses)
            && (self.legal_basis.is_none() || self.legal_basis == whole.legal_basis)
    }

    /// Whether it leaves room for `ask`.
    #[must_use]
    pub fn allows(&self, ask: &RequestInfo) -> bool {
        self.purpose.as_ref().is_none_or(|purpose| *purpose == ask.purpose)
            && self.actions.as_ref().is_none_or(|actions| actions.contains(&Action(ask.method)))
            && self.galleries.as_ref().is_none_or(|galleries| galleries.contains(&ask.gallery))
            && self
                .modalities
                .as_ref()
                .is_none_or(|allowed| ask.samples.iter().all(|sample| allowed.contains(&sample.modality)))
    }
}
