//! A queue in which some come before others.

use bytes::Bytes;
use zoorum_proto::{Decode, Encode, Reader};

use super::queue::{offer, poll, take};
use super::{below, number};
use crate::client::Client;
use crate::error::Result;

/// Names of elements' znodes begin so, then come priority and number.
const ELEMENT: &str = "queue-";
/// Begins the data of an element, as Curator writes it.
const FORMAT: i32 = 0x0001_0001;
/// Comes before one piece of data.
const ITEM: u8 = 1;
/// Comes after the last.
const END: u8 = 2;

/// A queue whose elements come by priority, the smallest first, and by age among equals.
#[derive(Clone, Debug)]
pub struct PriorityQueue {
    client: Client,
    path: String,
}

impl PriorityQueue {
    /// The queue of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// Puts an element behind those of its priority.
    ///
    /// # Errors
    ///
    /// An ambiguous one if the connection is lost before the answer: then the element may be in the queue or not.
    pub async fn offer(&self, priority: i32, element: impl AsRef<[u8]>) -> Result<()> {
        let path = below(&self.path, &format!("{ELEMENT}{}", sortable(priority)));
        offer(&self.client, &self.path, &path, &wrap(element.as_ref())).await
    }

    /// Takes the first element, once there is one. If the future is dropped while one is being taken, that goes back to
    /// the queue, behind those of its priority.
    ///
    /// # Errors
    ///
    /// An ambiguous one if the connection is lost before the answer: then an element may be lost. One of an invalid
    /// request if the first znode is no element, or several that Curator's `putMulti` put in together: it stays.
    pub async fn take(&self) -> Result<Bytes> {
        take(&self.client, &self.path, in_queue, unwrap).await
    }

    /// Takes the first element, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub async fn poll(&self) -> Result<Option<Bytes>> {
        Ok(poll(&self.client, &self.path, in_queue, unwrap).await?.ok())
    }
}

/// In the order of their names, which is the order of priorities.
fn in_queue(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| name.starts_with(ELEMENT) && number(name).is_some());
    names.sort();
    names
}

/// A priority in digits whose order is that of the numbers.
fn sortable(priority: i32) -> String {
    format!("{}{priority:08X}", i32::from(priority >= 0))
}

fn wrap(element: &[u8]) -> Vec<u8> {
    let mut data = FORMAT.to_vec();
    ITEM.encode(&mut data);
    element.encode(&mut data);
    END.encode(&mut data);
    data
}

fn unwrap(data: &Bytes) -> Option<Bytes> {
    let mut input = Reader::new(data);
    let is_item = i32::decode(&mut input) == Ok(FORMAT) && u8::decode(&mut input) == Ok(ITEM);
    let element = is_item.then(|| <&[u8]>::decode(&mut input).ok()).flatten()?;
    (u8::decode(&mut input) == Ok(END)).then(|| data.slice_ref(element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_sort_as_their_names() {
        let priorities = [i32::MIN, -2, -1, 0, 1, 255, i32::MAX];
        assert!(priorities.map(sortable).is_sorted(), "{:?}", priorities.map(sortable));
        assert_eq!(sortable(255), "1000000FF");
    }

    #[test]
    fn what_is_wrapped_is_unwrapped() {
        assert_eq!(unwrap(&wrap(b"x").into()).as_deref(), Some(&b"x"[..]));
        assert_eq!(unwrap(&Bytes::from_static(b"x")), None);
        let two = [&wrap(b"x")[..wrap(b"x").len() - 1], &wrap(b"y")[4..]].concat();
        assert_eq!(unwrap(&two.into()), None, "of two nobody may take the first, and with it the second");
    }
}
