use super::*;
use crate::xdr::Id;

fn small() -> Directory {
    Directory::default().with("master", ["h/network"]).child(
        Directory::named("users")
            .child(Directory::named("root").with("uid", ["0"]))
            .child(Directory::default().with("name", ["alice", "al"]).with("uid", ["501"])),
    )
}

fn found(snapshot: &Snapshot, parent: u32, key: &str, value: &str) -> Vec<u32> {
    snapshot.lookup(parent, key.as_bytes(), value.as_bytes()).collect()
}

#[test]
fn objects_count_depth_first_and_are_found_by_any_value() {
    let tree = small().child(Directory::named("groups"));
    let snapshot = Snapshot::new(&tree).unwrap();
    assert_eq!((snapshot.len(), snapshot.highest_id()), (5, 4));
    assert_eq!(snapshot.children(0), Some(&[1, 4][..]));
    assert_eq!(found(&snapshot, 1, "name", "al"), [3]);
    assert_eq!(found(&snapshot, 1, "uid", "501"), [3]);
    assert_eq!(found(&snapshot, 0, "uid", "501"), []);
    assert_eq!(found(&snapshot, 1, "name", "Alice"), []);
    assert_eq!((snapshot.parent(3), snapshot.parent(0), snapshot.parent(9)), (Some(1), Some(0), None));
    assert_eq!(snapshot.checksum(), 1 + 2 + 3 + 4 + 5);
    assert_eq!(snapshot.directory(), tree);
}

#[test]
fn only_the_first_property_of_a_name_is_looked_at_and_each_child_is_found_once() {
    let odd = Directory::default().with("name", ["a", "a"]).with("name", ["b"]);
    let snapshot = Snapshot::new(&Directory::default().child(odd)).unwrap();
    assert_eq!(found(&snapshot, 0, "name", "a"), [1]);
    assert_eq!(found(&snapshot, 0, "name", "b"), []);
}

#[test]
fn what_stays_keeps_its_id_and_what_changed_its_object() {
    let first = Snapshot::new(&small()).unwrap();
    let mut tree = small();
    tree.children[0].children[1].properties[1].values[0] = b"502".to_vec();
    tree.children[0].children.insert(0, Directory::named("bob"));
    let second = first.succeed(&tree).unwrap();
    assert_eq!(second.id(0), first.id(0));
    assert_eq!(second.id(1), Some(Id { object: 1, instance: 2 }));
    assert_eq!(second.id(2), first.id(2));
    assert_eq!(second.id(3), Some(Id { object: 3, instance: 2 }));
    assert_eq!(second.children(1), Some(&[4, 2, 3][..]));
    assert_eq!(second.directory(), tree);
    assert_eq!(second.last_written(), second.id(3));
    assert_eq!(second.succeed(&tree).unwrap().checksum(), second.checksum());
    let third = second.succeed(&small()).unwrap();
    assert_eq!((third.id(4), third.highest_id(), third.len()), (None, 3, 4));
    // Gone is gone: the next one that is new is another object.
    let fourth = third.succeed(&tree).unwrap();
    assert_eq!(fourth.children(1), Some(&[5, 2, 3][..]));
}

#[test]
fn objects_that_are_gone_come_back_only_after_many_others() {
    let with = |name: String| Directory::default().child(Directory::named(&name));
    let mut snapshot = Snapshot::new(&with("0".to_owned())).unwrap();
    let rounds = crate::limits::RETIRED_MIN + 100;
    for n in 1..rounds {
        let before = snapshot.children(0).unwrap()[0];
        snapshot = snapshot.succeed(&with(n.to_string())).unwrap();
        assert_ne!(snapshot.children(0), Some(&[before][..]));
    }
    assert!(snapshot.records.len() < crate::limits::RETIRED_MIN + 8, "{}", snapshot.records.len());
}

#[test]
fn namesakes_and_the_nameless_are_told_apart_by_their_order() {
    let tree = Directory::default()
        .child(Directory::named("a").with("n", ["1"]))
        .child(Directory::named("a").with("n", ["2"]))
        .child(Directory::default())
        .child(Directory::default().with("name", Vec::<&str>::new()));
    let snapshot = Snapshot::new(&tree).unwrap();
    let next = snapshot.succeed(&tree).unwrap();
    assert_eq!(next.children(0), snapshot.children(0));
    assert_eq!(next.checksum(), snapshot.checksum());
    assert_eq!(found(&next, 0, "name", "a"), [1, 2]);
}

#[test]
fn what_the_protocol_cannot_carry_is_refused() {
    let text = |text: Vec<u8>| Directory::default().with("name", [text]);
    assert_eq!(text(vec![b'x'; crate::limits::NAME_MAX]).check(), Ok(()));
    assert_eq!(text(vec![b'x'; crate::limits::NAME_MAX + 1]).check(), Err(TreeError::TextTooLong));
    assert_eq!(text(b"a\0b".to_vec()).check(), Err(TreeError::Nul));
    let deep =
        |levels: usize| (0..levels).fold(Directory::default(), |below, _| Directory::default().child(below));
    assert_eq!(deep(DEPTH_MAX).check(), Ok(()));
    assert_eq!(deep(DEPTH_MAX + 1).check(), Err(TreeError::TooDeep));
    assert_eq!(Snapshot::new(&deep(DEPTH_MAX + 1)).unwrap_err(), TreeError::TooDeep);
}
