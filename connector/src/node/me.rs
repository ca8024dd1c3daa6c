//! Who this node is: its root identity, the statements that the root signed, and the keys that it uses now.

use naru_protocol::{
    encoding::Digest,
    identity::{
        Did, IdentityError, KeyRing, KeySet, Participant, peer_id, verify_key_set, verify_participant,
    },
    jws::{JwsError, Payload, sign_compact},
    signature::SigningKey,
};

use super::NodeError;
use crate::{
    config::{Folder, NodeKeys, Seed},
    node::facts::Party,
};

/// This node, to others and to itself.
#[derive(Debug)]
pub(crate) struct Me {
    /// Root identity.
    pub did: Did,
    /// What it says of itself.
    pub participant: Participant,
    /// The signed statement, as handed out.
    pub statement: String,
    /// The newest key set.
    pub keys: KeySet,
    /// The signed key set, as handed out.
    pub key_set: String,
    /// All own key sets, for proofs that our own signatures go into.
    pub ring: KeyRing,
    /// All own key sets as handed out, by number, oldest first.
    pub sets: Vec<(u32, String)>,
    /// Name of the log.
    pub origin: String,
    secret: NodeKeys,
    /// Keys that signed under earlier sets.
    earlier: Vec<(u32, SigningKey)>,
}

impl Me {
    /// Reads statements and keys, and refuses a folder whose keys are not those of its statements.
    pub(crate) fn read(folder: &Folder, shard: u32) -> Result<Self, NodeError> {
        let secret = folder.keys()?;
        let transport = SigningKey::from_seed(&secret.transport.0).public();
        let (signing, log) = (secret.signing.public(), secret.log.public());
        let me = Self::of(folder, shard, secret)?;
        let same = me.keys.iss == me.participant.iss
            && me.keys.signing == signing
            && me.keys.log == log
            && me.keys.transport == transport;
        if !same {
            return Err(NodeError::Folder(
                "the key files are not those of the statements in identity/".into(),
            ));
        }
        // A key that was taken away or revoked signs nothing any more; what it once signed stays signed.
        let kept = |set: &&KeySet| set.number < me.keys.number && me.ring.revocation(set.number).is_none();
        let earlier = me.ring.sets().filter(kept).filter_map(|set| {
            let key = SigningKey::from_seed(&folder.seed_of("signing", set.number).ok()?.0);
            (key.public() == set.signing).then_some((set.number, key))
        });
        let earlier = earlier.collect();
        Ok(Self { earlier, ..me })
    }

    /// Reads the statements alone, for a node that does not run: keys that nobody knows stand where its own would.
    pub(super) fn at_rest(folder: &Folder, shard: u32) -> Result<Self, NodeError> {
        let seed = || {
            let random = crate::config::random::<32>();
            random.map(Seed).map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))
        };
        let secret = NodeKeys {
            signing: SigningKey::from_seed(&seed()?.0),
            log: SigningKey::from_seed(&seed()?.0),
            transport: seed()?,
            private: seed()?,
            lanes: seed()?,
        };
        Self::of(folder, shard, secret)
    }

    fn of(folder: &Folder, shard: u32, secret: NodeKeys) -> Result<Self, NodeError> {
        let statement = folder.statement("participant.jws")?;
        let mut sets = Vec::new();
        for number in folder.key_sets()? {
            sets.push((number, folder.statement(&format!("keys-{number}.jws"))?));
        }
        let verified: Vec<_> =
            sets.iter().map(|(_, text)| verify_key_set(text)).collect::<Result<_, IdentityError>>()?;
        let newest = verified.last().ok_or(IdentityError::Unknown(1))?;
        let mut ring = KeyRing::new(newest.payload().iss);
        for set in &verified {
            ring.accept(set)?;
        }
        let (keys, key_set) = (newest.payload().clone(), sets.last().map(|(_, text)| text.clone()));
        let key_set = key_set.unwrap_or_default();
        let participant = verify_participant(&statement)?.into_payload();
        let earlier = Vec::new();
        let origin = format!("naru/{}/{shard}", keys.iss.root_key());
        Ok(Self { did: keys.iss, participant, statement, keys, key_set, ring, sets, origin, secret, earlier })
    }

    /// Number of the key set that signs now.
    #[must_use]
    pub(super) const fn ks(&self) -> u32 {
        self.keys.number
    }

    /// The key that signs now.
    #[must_use]
    pub(super) const fn signing(&self) -> &SigningKey {
        &self.secret.signing
    }

    /// The keys that sign, newest set first, with their numbers.
    pub(super) fn signing_keys(&self) -> impl Iterator<Item = (u32, &SigningKey)> {
        let earlier = self.earlier.iter().rev().map(|(number, key)| (*number, key));
        std::iter::once((self.ks(), self.signing())).chain(earlier)
    }

    /// The key of one of our sets: an answer that was promised under it is given with the same bytes again.
    pub(super) fn signing_of(&self, ks: u32) -> Option<&SigningKey> {
        self.signing_keys().find(|(number, _)| *number == ks).map(|(_, key)| key)
    }

    /// Under which set an answer that was promised under `ks` is given again: under another only where that one is revoked (ID-10.3).
    pub(super) fn answers_under(&self, ks: u32) -> u32 {
        if self.ring.revocation(ks).is_some() { self.ks() } else { ks }
    }

    /// The node's secrets.
    #[must_use]
    pub(super) const fn secret(&self) -> &NodeKeys {
        &self.secret
    }

    /// Signs a statement, token or acknowledgement under the current key set.
    pub(super) fn sign<M: Payload>(&self, payload: &M) -> Result<String, JwsError> {
        sign_compact(payload, self.ks(), &self.secret.signing)
    }

    /// Identity on the network.
    #[must_use]
    pub(super) fn peer_id(&self) -> String {
        peer_id(&self.keys.transport)
    }

    /// Where DSP callbacks go: this peer, over whatever connection it has.
    #[must_use]
    pub(super) fn callback(&self) -> String {
        format!("multiaddr:/p2p/{}", self.peer_id())
    }

    /// Digest of the participant statement.
    #[must_use]
    pub(super) fn statement_digest(&self) -> Digest {
        Digest::of(self.statement.as_bytes())
    }

    /// As policy sees it.
    #[must_use]
    pub(super) fn party(&self) -> Party {
        party(&self.participant)
    }
}

/// A participant as policy sees it.
#[must_use]
pub(super) fn party(participant: &Participant) -> Party {
    use naru_protocol::identity::Size;
    let size = match participant.size {
        Size::Sme => "sme",
        Size::Mid => "mid",
        Size::Large => "large",
    };
    Party {
        did: participant.iss.to_string(),
        country: participant.country.to_string(),
        size: size.to_owned(),
        declared: serde_json::Map::new(),
    }
}
