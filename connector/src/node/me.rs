//! Who this node is: its root identity, the statements that the root signed, and the keys that it uses now.

use naru_protocol::{
    encoding::Digest,
    identity::{Did, KeyRing, KeySet, Participant, peer_id, verify_key_set, verify_participant},
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
pub(super) struct Me {
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
    /// Name of the log.
    pub origin: String,
    secret: NodeKeys,
}

impl Me {
    /// Reads statements and keys, and refuses a folder whose keys are not those of its statements.
    pub(super) fn read(folder: &Folder, shard: u32) -> Result<Self, NodeError> {
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
        Ok(me)
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
        let key_set = folder.statement("keys-1.jws")?;
        let statement = folder.statement("participant.jws")?;
        let verified = verify_key_set(&key_set)?;
        let mut ring = KeyRing::new(verified.payload().iss);
        ring.accept(&verified)?;
        let keys = verified.into_payload();
        let participant = verify_participant(&statement)?.into_payload();
        let origin = format!("naru/{}/{shard}", keys.iss.root_key());
        Ok(Self { did: keys.iss, participant, statement, keys, key_set, ring, origin, secret })
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
    }
}
