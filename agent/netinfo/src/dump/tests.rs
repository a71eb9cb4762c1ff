use super::*;
use crate::tree::Directory;

const NETWORK: &str = include_str!("../../tests/captures/network.nidump");

fn mistake(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_real_dump_is_printed_as_it_was_read() {
    let tree = parse(NETWORK.as_bytes()).unwrap();
    assert_eq!(tree.children.len(), 10);
    assert_eq!(print(&tree), NETWORK);
}

#[test]
fn every_byte_but_nul_comes_back() {
    let all: Vec<u8> = (1..=255).collect();
    let odd = Directory::default()
        .with("", [""])
        .with("CHILDREN", [all.clone(), b"12".to_vec(), b"\x0112".to_vec(), "ä".into()])
        .with("none", Vec::<&str>::new())
        .child(Directory::default())
        .child(Directory::named("a \"b\" \\").child(Directory::default()));
    let text = print(&odd);
    assert_eq!(parse(text.as_bytes()), Ok(odd));
    assert!(text.lines().all(|line| !line.contains(char::is_control)), "{text}");
}

#[test]
fn commas_semicolons_and_quotes_may_be_left_out_where_nothing_is_ambiguous() {
    let plain = parse(b"{name=(a/b,c,);CHILDREN=({x=()},{},);}").unwrap();
    let quoted = parse(b"{ \"name\" = ( \"a/b\", \"c\" ); CHILDREN = ( { \"x\" = ( ); }, { } ) }").unwrap();
    assert_eq!(plain, quoted);
    assert_eq!(parse(br#"{"a\tb\n\"\101"=()}"#).unwrap().properties[0].name, b"a\tb\n\"A");
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let nested = |levels: usize| "{CHILDREN=(".repeat(levels);
    for (text, told) in [
        ("", "1:1: '{' is expected to begin a directory, but the file ends here"),
        ("{\n  \"ä\" ( \"b\" )\n}", "2:7: '=' is expected behind a property's name, but here is '('"),
        ("{ a = ( b c ) }", "1:11: ',' or ')' is expected in a list"),
        ("{ a = ( b ) c = ( ) }", "1:13: ';' or '}' is expected behind a list"),
        ("{ a = ( \"b ) }", "1:9: this quoted text does not end"),
        ("{ a = ( \"\\777\" ) }", "1:11: an octal escape is at most \\377"),
        ("{ a = ( \"b\\000\" ) }", "1:10: a name or value has no NUL"),
        ("{ } x", "1:5: nothing may follow the root directory"),
        ("{ ; }", "1:3: a property, CHILDREN or '}' is expected"),
        (&nested(100_000), "1:716: a tree has at most 64 levels"),
    ] {
        assert_eq!(mistake(text), told, "{:.40}", text);
    }
}
