//! A learning switch with VLANs (IEEE 802.1Q), and a box that repeats what is for many from one VLAN into another.

use std::collections::BTreeMap;

use super::{Mac, is_for_many, source};

/// Where the tag of a VLAN stands in a frame: behind both hardware addresses.
const TAG_AT: usize = 12;
/// The type that announces a tag.
const TAGGED: [u8; 2] = [0x81, 0x00];
/// The VLAN of ports that nobody set up.
const DEFAULT: u16 = 1;

/// What a port does with VLANs.
#[derive(Clone, Copy)]
pub enum Port {
    /// It is in one, and its frames have no tags.
    Access(u16),
    /// It is in all, and its frames have tags.
    Trunk,
}

/// A box with a leg in each of two VLANs.
#[derive(Clone, Copy)]
pub struct Repeater {
    /// The VLANs.
    pub between: [u16; 2],
    /// It repeats frames for one host too, not only those for many.
    pub unicast: bool,
}

/// The switch.
pub struct Bridge {
    ports: BTreeMap<usize, Port>,
    learned: BTreeMap<(u16, Mac), usize>,
    /// A box at two further ports, if there is one.
    pub repeater: Option<Repeater>,
}

impl Bridge {
    /// One with these ports, all in one VLAN.
    pub fn new(ports: impl Iterator<Item = usize>) -> Bridge {
        let ports = ports.map(|port| (port, Port::Access(DEFAULT))).collect();
        Bridge { ports, learned: BTreeMap::new(), repeater: None }
    }

    /// Sets up a port.
    pub fn set(&mut self, port: usize, kind: Port) {
        self.ports.insert(port, kind);
    }

    /// What leaves, by which port, of a frame that comes in by `port`.
    pub fn forward(&mut self, port: usize, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let (vid, frame) = match self.ports[&port] {
            Port::Access(vid) => (vid, frame.to_vec()),
            Port::Trunk => match untagged(frame) {
                Some(plain) => plain,
                None => return Vec::new(),
            },
        };
        self.learned.insert((vid, source(&frame)), port);
        let mut out = self.leave(vid, Some(port), &frame);
        if let Some(Repeater { between: [a, b], unicast }) = self.repeater
            && (unicast || is_for_many(&frame))
        {
            let other = if vid == a { b } else { a };
            out.extend(self.leave(other, None, &frame));
        }
        out
    }

    fn leave(&self, vid: u16, from: Option<usize>, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let destination: Mac = frame[..6].try_into().expect("six bytes");
        let known = self.learned.get(&(vid, destination)).copied();
        let as_it_leaves = |(port, kind): (&usize, &Port)| {
            if Some(*port) == from || known.is_some_and(|known| known != *port) {
                return None;
            }
            match kind {
                Port::Access(own) => (*own == vid).then(|| (*port, frame.to_vec())),
                Port::Trunk => Some((*port, tagged(vid, frame))),
            }
        };
        self.ports.iter().filter_map(as_it_leaves).collect()
    }
}

/// The frame with a tag.
pub fn tagged(vid: u16, frame: &[u8]) -> Vec<u8> {
    [&frame[..TAG_AT], &TAGGED, &vid.to_be_bytes(), &frame[TAG_AT..]].concat()
}

/// The VLAN of a frame with a tag, and the frame without it.
pub fn untagged(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (addresses, rest) = frame.split_at(TAG_AT);
    let (tag, rest) = rest.strip_prefix(&TAGGED)?.split_at(2);
    Some((u16::from_be_bytes(tag.try_into().ok()?), [addresses, rest].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of 60 bytes between the cards of these numbers; 255 is all.
    fn frame(to: u8, from: u8) -> Vec<u8> {
        let mac = |n: u8| if n == 255 { [255; 6] } else { [2, 0, 0, 0, 0, n] };
        [&mac(to)[..], &mac(from), &[8, 0], &[0; 46]].concat()
    }

    fn ports(out: &[(usize, Vec<u8>)]) -> Vec<usize> {
        out.iter().map(|(port, _)| *port).collect()
    }

    #[test]
    fn it_floods_what_it_does_not_know_and_learns() {
        let mut bridge = Bridge::new([0, 1, 2].into_iter());
        assert_eq!(ports(&bridge.forward(0, &frame(1, 0))), [1, 2]);
        assert_eq!(ports(&bridge.forward(1, &frame(0, 1))), [0]);
        assert_eq!(ports(&bridge.forward(0, &frame(1, 0))), [1]);
        assert_eq!(ports(&bridge.forward(0, &frame(255, 0))), [1, 2]);
    }

    #[test]
    fn vlans_are_apart_but_for_the_repeater() {
        let mut bridge = Bridge::new([0, 1, 2, 3].into_iter());
        bridge.set(0, Port::Trunk);
        bridge.set(1, Port::Access(10));
        bridge.set(2, Port::Access(20));
        let (all, one) = (frame(255, 1), frame(9, 1));
        assert_eq!(bridge.forward(1, &all), [(0, tagged(10, &all))]);
        assert_eq!(bridge.forward(0, &tagged(20, &frame(255, 0))), [(2, frame(255, 0))]);
        assert_eq!(bridge.forward(0, &frame(255, 0)), []);
        bridge.repeater = Some(Repeater { between: [10, 20], unicast: false });
        let repeated = [(0, tagged(10, &all)), (0, tagged(20, &all)), (2, all.clone())];
        assert_eq!(bridge.forward(1, &all), repeated);
        assert_eq!(ports(&bridge.forward(1, &one)), [0]);
        bridge.repeater = Some(Repeater { between: [10, 20], unicast: true });
        assert_eq!(ports(&bridge.forward(1, &one)), [0, 0, 2]);
        assert_eq!(untagged(&tagged(10, &one)), Some((10, one)));
    }
}
