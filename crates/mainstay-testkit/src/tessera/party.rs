//! What an instance knows of other nodes: in its memory only, learned only from what they POST to *it*.

use std::collections::{BTreeMap, BTreeSet};

/// Who is known.
#[derive(Debug)]
pub(super) struct Parties {
    configured: Vec<String>,
    /// Key to the address of its node.
    keys: BTreeMap<String, String>,
    peers: BTreeSet<String>,
}

impl Parties {
    pub(super) fn new(configured: Vec<String>) -> Self {
        Self { peers: configured.iter().cloned().collect(), configured, keys: BTreeMap::new() }
    }

    /// Takes what a peer says about itself. What it says about others is not believed.
    pub(super) fn learn(&mut self, told: &Told, own: &str) {
        if told.address == own {
            return;
        }
        self.peers.insert(told.address.clone());
        for (key, address) in told.keys.iter().filter(|(_, address)| *address == told.address) {
            self.keys.insert(key.clone(), address.clone());
        }
    }

    /// Forgets a peer that could not be reached.
    pub(super) fn forget(&mut self, address: &str) {
        self.keys.retain(|_, at| at != address);
        self.peers.remove(address);
        if self.peers.is_empty() {
            self.peers.extend(self.configured.iter().cloned());
        }
    }

    /// The node that has a key.
    pub(super) fn node_of(&self, key: &str) -> Option<String> {
        self.keys.get(key).cloned()
    }

    pub(super) fn peers(&self) -> Vec<String> {
        self.peers.iter().cloned().collect()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&String, &String)> {
        self.keys.iter()
    }
}

/// The body of POST /partyinfo: an address, the keys at addresses, other addresses. Lengths and counts are eight bytes,
/// the most significant first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `serverAddress` of who says it.
    pub address: String,
    /// Keys, in base64, and the addresses of their nodes.
    pub keys: Vec<(String, String)>,
    /// Other nodes.
    pub peers: Vec<String>,
}

impl Told {
    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let text = |text: &str, out: &mut Vec<u8>| {
            out.extend((text.len() as u64).to_be_bytes());
            out.extend(text.as_bytes());
        };
        text(&self.address, &mut out);
        out.extend((self.keys.len() as u64).to_be_bytes());
        for (key, address) in &self.keys {
            text(key, &mut out);
            text(address, &mut out);
        }
        out.extend((self.peers.len() as u64).to_be_bytes());
        for peer in &self.peers {
            text(peer, &mut out);
        }
        out
    }

    /// From bytes; nothing when they are no such thing.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let address = text(bytes)?;
        let keys = (0..count(bytes)?).map(|_| Some((text(bytes)?, text(bytes)?))).collect::<Option<_>>()?;
        let peers = (0..count(bytes)?).map(|_| text(bytes)).collect::<Option<_>>()?;
        Some(Self { address, keys, peers })
    }
}

fn count(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*head))
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(count(bytes)?).ok()?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(head.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(address: &str, keys: &[(&str, &str)]) -> Told {
        let keys = keys.iter().map(|(key, at)| ((*key).to_owned(), (*at).to_owned())).collect();
        Told { address: address.to_owned(), keys, peers: vec!["http://c".to_owned()] }
    }

    #[test]
    fn what_is_told_survives_the_wire_and_no_piece_of_it_passes() {
        let all = told("http://b", &[("k", "http://b"), ("l", "http://c")]);
        let bytes = all.write();
        assert_eq!(Told::read(&bytes), Some(all));
        for cut in 0..bytes.len() {
            assert_eq!(Told::read(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn only_what_a_peer_says_of_itself_is_believed() {
        let mut parties = Parties::new(vec!["http://b".to_owned()]);
        parties.learn(&told("http://b", &[("k", "http://b"), ("l", "http://c")]), "http://a");
        parties.learn(&told("http://a", &[("m", "http://a")]), "http://a");
        assert_eq!(parties.keys().collect::<Vec<_>>(), [(&"k".to_owned(), &"http://b".to_owned())]);
        parties.forget("http://b");
        assert_eq!(parties.node_of("k"), None);
        assert_eq!(parties.peers(), ["http://b"]);
    }
}
