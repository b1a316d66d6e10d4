//! Computes fingerprints of what was last applied; they tell a change of the spec from a change of the store. Called by
//! the plan module; stores keep and compare the results.

use std::{borrow::Cow, fmt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    model::{Layout, Name, Ranks},
    resolve::{AccountContent, GroupContent, MemberContent, RoleContent},
};

/// Hash, 128 bits long, of everything that a store should hold of one object; and the objects behind it as they were
/// authorised.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Hash of the content.
    pub content: [u8; 16],
    /// The objects behind the content in the form in which they were last authorised, as text; `None` where the account
    /// does not enforce who may change access.
    pub authorised: Option<Arc<str>>,
}

/// Text of an entry of which nobody knows what was authorised. The text of no object is equal to it.
pub const UNKNOWN: &str = "?";

impl Fingerprint {
    /// Returns a fingerprint of this content, without authorised objects.
    #[must_use]
    pub const fn new(content: [u8; 16]) -> Self {
        Self { content, authorised: None }
    }

    /// Returns the fingerprint with these authorised objects.
    #[must_use]
    pub fn with(self, authorised: Option<Arc<str>>) -> Self {
        Self { authorised, ..self }
    }

    /// Returns the fingerprint of an entry that is left of several, so that nobody knows what was authorised.
    #[must_use]
    pub fn with_unknown(self) -> Self {
        self.with(Some(Arc::from(UNKNOWN)))
    }

    /// Returns the bytes that a store keeps: the hash, then the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.authorised.iter().flat_map(|text| text.bytes());
        self.content.iter().copied().chain(text).collect()
    }

    /// Reads what [`Self::to_bytes`] returns; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, text) = bytes.split_first_chunk()?;
        let text = std::str::from_utf8(text).ok()?;
        Some(Self { content: *content, authorised: (!text.is_empty()).then(|| Arc::from(text)) })
    }

    /// Returns whether a stored fingerprint is of the same content.
    pub(crate) fn is_of(&self, stored: Option<&Self>) -> bool {
        stored.is_some_and(|stored| stored.content == self.content)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        self.authorised.as_ref().map_or(Ok(()), |text| write!(f, " {text}"))
    }
}

/// Stored content with a fingerprint.
pub(super) trait Fingerprinted: PartialEq {
    /// Returns the fingerprint; the ranks are in `layout`.
    fn fingerprint(&self, layout: &Layout) -> Fingerprint;
}

/// Content that can be translated between layouts.
pub(super) trait Translated: Clone {
    /// Returns the content translated from the layout `from` to the layout `to`.
    fn translated(&self, from: &Layout, to: &Layout) -> Cow<'_, Self>;
}

impl Translated for AccountContent {
    fn translated(&self, _: &Layout, _: &Layout) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }
}

macro_rules! translated_by_ranks {
    ($($content:ty),*) => {$(
        impl Translated for $content {
            fn translated(&self, from: &Layout, to: &Layout) -> Cow<'_, Self> {
                if from == to {
                    return Cow::Borrowed(self);
                }
                Cow::Owned(Self { ranks: to.translate(&self.ranks, from), ..self.clone() })
            }
        }
    )*};
}

translated_by_ranks!(RoleContent, GroupContent, MemberContent);

/// Hashes fields, each with its length, so that two different lists of fields never produce the same input.
struct Fields(Sha256);

impl Fields {
    fn new(kind: u8) -> Self {
        let mut hash = Sha256::new();
        hash.update([kind]);
        Self(hash)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn optional(&mut self, text: Option<&str>) -> &mut Self {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default())
    }

    fn ranks(&mut self, ranks: &Ranks, layout: &Layout) -> &mut Self {
        self.bytes(layout.digest()).bytes(ranks.as_slice())
    }

    fn finish(&mut self) -> Fingerprint {
        let mut short = [0; 16];
        short.copy_from_slice(&self.0.finalize_reset()[..16]);
        Fingerprint::new(short)
    }
}

impl Fingerprinted for AccountContent {
    fn fingerprint(&self, _: &Layout) -> Fingerprint {
        let parent = self.parent.as_ref().map(ToString::to_string);
        Fields::new(1)
            .text(&self.display_name)
            .text(&self.catalog)
            .bytes(self.layout.digest())
            .optional(self.owner.as_ref().map(crate::model::Email::as_str))
            .optional(parent.as_deref())
            .finish()
    }
}

impl Fingerprinted for RoleContent {
    fn fingerprint(&self, layout: &Layout) -> Fingerprint {
        Fields::new(2).text(&self.title).ranks(&self.ranks, layout).finish()
    }
}

impl Fingerprinted for GroupContent {
    fn fingerprint(&self, layout: &Layout) -> Fingerprint {
        Fields::new(3).text(&self.title).ranks(&self.ranks, layout).finish()
    }
}

impl Fingerprinted for MemberContent {
    fn fingerprint(&self, layout: &Layout) -> Fingerprint {
        let role = self.role.as_ref().map(ToString::to_string);
        let second = |at: Option<jiff::Timestamp>| at.map(|at| Name::from(at.as_second().to_string()));
        let mut fields = Fields::new(4);
        fields
            .optional(self.display_name.as_deref())
            .optional(self.external_id.as_deref())
            .optional(role.as_deref())
            .optional(second(self.window.starts_at).as_deref())
            .optional(second(self.window.expires_at).as_deref())
            .optional(self.ended.map(super::super::resolve::RevocationReason::as_str))
            .ranks(&self.ranks, layout);
        for group in &self.groups {
            fields.text(group);
        }
        fields.finish()
    }
}
