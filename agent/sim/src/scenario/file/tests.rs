use super::read;

/// A scenario that is right, with some of its text replaced.
fn changed(from: &str, to: &str) -> String {
    let right = "title = \"a copy\"\nlength = \"20 min\"\nhosts = [\"a\", \"b\"]\ntruth = [[\"0 s\", \"2 holders\"]]\n\
        story = [[\"0 s\", \"a and b start\"]]\nmust-not-accuse = true\n";
    read("right", right).expect("it is right");
    assert!(right.contains(from), "{from}");
    right.replace(from, to)
}

/// The same with another sentence in its story.
fn told(sentence: &str) -> String {
    changed("a and b start", sentence)
}

/// The same with more tables.
fn with(more: &str) -> String {
    changed("must-not-accuse = true\n", &format!("must-not-accuse = true\n{more}\n"))
}

fn composed(more: &str) -> String {
    with(&format!("[compose]\nfaults = [2, 4]\nfrom = \"5 min\"\nuntil = \"10 min\"\n{more}"))
}

#[test]
fn what_cannot_be_played_or_would_show_nothing_is_refused() {
    let starts = "[[fault]]\nname = \"x\"\nstory = [[\"0 s\", \"A starts\"]]";
    for (text, sentence) in [
        // Nothing is there.
        (changed("20 min", "0 s"), "length: 0ns cannot be played"),
        (changed("[\"a\", \"b\"]", "[]"), "it has no hosts"),
        (changed("[[\"0 s\", \"a and b start\"]]", "[]"), "it has no story"),
        (changed("[[\"0 s\", \"2 holders\"]]", "[]"), "it has no truth"),
        (changed("true", "false"), "neither must-not-accuse nor must-detect"),
        (with("seeds-at-most = 0"), "seeds-at-most: 0 would never play it"),
        (with("[[host]]\nname = \"c\"\ncount = 0"), "host \"c\", count: write 1 or more"),
        // Too much is.
        (changed("20 min", "1000 years"), "length: \"1000 years\" is longer than a hundred years"),
        (changed("20 min", "3 years"), "cannot be played; write more than 0 s and at most two years"),
        (with("[[host]]\nname = \"c\"\ncount = 4000000000"), "at most 2000 hosts in all"),
        (with("[settings]\ninterval = \"0 s\""), "settings: interval: \"0 s\" is none; write 1 s to 3600 s"),
        (with("[settings]\ninterval = \"2 h\""), "settings: interval: \"2 h\" is none"),
        (
            with("[[host]]\nname = \"c\"\ncount = 1998\n[settings]\ninterval = \"1 s\""),
            "the most that is played",
        ),
        (told("a restarts 4000000000 times, every 1 s"), "\"4000000000\" is no number from 1 to 1000"),
        (told("a loop sends every broadcast 4000000000 times, 1 ms apart"), "no number from 1 to 1000"),
        (
            told("a stranger floods a with 4000000000 datagrams a second for 1 s"),
            "no number from 1 to 1000000",
        ),
        (told("a stranger floods a with 100000 datagrams a second for 1 h"), "flood for less time"),
        (told("the clock of a steps forward by 300000000000000 years"), "is no time"),
        (told("the clock of a steps forward by 300 years"), "longer than a hundred years"),
        // It cannot be so.
        (told("30 % of all datagrams are lost, 0 in a row"), "\"0\" is no number from 1"),
        (told("100 % of all datagrams are lost, 5 in a row"), "if everything is lost there are no bursts"),
        (told("datagrams take 5 s to 1 s"), "write the shorter time first"),
        (changed("2 holders", "2 to 1 holders"), "write the smaller number first"),
        (
            changed("\"0 s\", \"a and", "\"21 min\", \"a and"),
            "story, (\"21 min\", \"a and b start\"): 21m is after the end",
        ),
        (with("must-say = [[\"21 min\", \"a\", \"clear\"]]"), "must-say: 21m is after the end"),
        (with("must-say = [[\"1 min\", \"a\", \"happy\"]]"), "\"happy\" is nothing that a host says"),
        (with("must-detect = { within = \"1 s\", class = \"kopie\" }"), "must-detect: \"kopie\" is no class"),
        (changed("[\"a\", \"b\"]", "[\"a\", \"a\"]"), "no host \"b\""),
        (with("[[host]]\nname = \"b\""), "two hosts are called \"b\""),
        (with("[[host]]\nname = \"the spare\""), "host: \"the spare\" is no name"),
        (with("[license.xsvr]\nproduct = \"Xs vr\""), "license.xsvr, product \"Xs vr\""),
        (with("[license.xsvr]\nserial = \"Gerät\""), "license.xsvr, serial \"Gerät\""),
        (with("[license.xsvr]\nserial = \" - \""), "license.xsvr, serial \" - \""),
        // Faults.
        (composed("").replace("\"5 min\"", "\"15 min\""), "compose: from is after until"),
        (composed(starts).replace("\"10 min\"", "\"30 min\""), "compose, until: 30m is after the end"),
        (composed(starts).replace("[2, 4]", "[4, 2]"), "compose: faults: [4, 2] cannot be drawn"),
        (composed(starts).replace("[2, 4]", "[2, 4000000000]"), "write two numbers from 1 to 730"),
        (composed("").replace("hosts = [\"a\", \"b\"]", "hosts = []"), "it has no hosts"),
        (
            composed(""),
            "compose: fault \"a partition\": \"the network splits into A / B and C\" is about 3 hosts, and there are 2",
        ),
        (composed(&starts.replace("A starts", "A dances")), "compose: fault \"x\": \"a dances\" is none of"),
        // The form: with its line.
        (with("must-dance = true"), "TOML parse error at line 7"),
        (with("seeds-at-most = -1"), "line 7"),
    ] {
        let said = read("own", &text).map(|_| ()).expect_err(&text);
        assert!(said.contains(sentence), "{sentence}: {said}");
        assert!(said.len() < 400, "one sentence: {said}");
    }
    read("own", &composed(starts)).expect("a fault of its own is right");
}
