use netinfo::tree::{Directory, Property};

use super::show::{names, property_lines, tree};

#[test]
fn what_a_server_says_cannot_steer_a_terminal() {
    let property = Property { name: b"na\x1b[2Jme".to_vec(), values: vec![b"a\nb".to_vec(), vec![0xff]] };
    assert_eq!(property_lines(&[property]), "na [2Jme: a b, \u{fffd}\n");
    assert_eq!(names(&[]), "(no name)");
    assert_eq!(names(&[b"x".to_vec(), b"y".to_vec()]), "x, y");
}

#[test]
fn json_keeps_order_and_doubles() {
    let root = Directory::default().with("b", ["1", "2"]).with("b", ["3"]).child(Directory::named("c"));
    let expected = r#"{"children":[{"children":[],"properties":[{"name":"name","values":["c"]}]}],"properties":[{"name":"b","values":["1","2"]},{"name":"b","values":["3"]}]}"#;
    assert_eq!(tree(&root).to_string(), expected);
}
