//! The sentences that a story is told in.  A table: a pattern, and what it means.
//!
//! In a pattern `{hosts}` stands for one name, several joined by commas and `and`, or `everybody`; `{host}`, `{span}`,
//! `{n}`, `{percent}`, `{segment}`, `{address}` for one thing each; `a|b` for either word.

use super::deed::{Clock, Deed, Disk, Link, Loss, Mischief, Net, Paper, Power, Sort};
use super::limits::{BURST, COPIES, FLOOD, RESTARTS};
use super::slots::{Cast, Slots};

type Meaning = fn(&mut Slots<'_>) -> Result<Deed, String>;

/// Every sentence there is.
const SENTENCES: &[(&str, Meaning)] = &[
    // Processes and machines.
    ("{hosts} start|starts", |s| s.power(|_| Ok(Power::Start))),
    ("{hosts} stop|stops", |s| s.power(|_| Ok(Power::Stop))),
    ("{hosts} is|are killed", |s| s.power(|_| Ok(Power::Kill))),
    ("{hosts} reboot|reboots in {span}", |s| s.power(|s| Ok(Power::Reboot(s.span()?)))),
    ("{hosts} restart|restarts {n} times, every {span}", |s| {
        s.power(|s| Ok(Power::Restarts(s.number(1..=RESTARTS)?, s.span()?)))
    }),
    ("{hosts} freeze|freezes for {span}", |s| s.power(|s| Ok(Power::Freeze(s.span()?)))),
    ("{hosts} is|are starved by {span} a turn for {span}", |s| {
        s.power(|s| Ok(Power::Starve(s.span()?, s.span()?)))
    }),
    ("{hosts} is|are suspended", |s| s.power(|_| Ok(Power::Suspend))),
    ("{hosts} resume|resumes", |s| s.power(|_| Ok(Power::Resume))),
    ("{hosts} is|are stunned for {span}", |s| s.power(|s| Ok(Power::Stun(s.span()?)))),
    // Disks and snapshots.
    ("{hosts} lose|loses its|their state directory", |s| s.disk(|_| Ok(Disk::Lose))),
    ("the state directory|directories of {hosts} is|are saved", |s| s.disk(|_| Ok(Disk::Save))),
    ("the state directory|directories of {hosts} is|are restored", |s| s.disk(|_| Ok(Disk::Restore))),
    ("{hosts} get|gets a copy of the disk of {host}", |s| s.disk(|s| Ok(Disk::CopyOf(s.host()?)))),
    ("a snapshot of {hosts} is taken", |s| s.disk(|_| Ok(Disk::Snapshot))),
    ("{hosts} go|goes on from the snapshot of {host} with fresh entropy", |s| {
        s.disk(|s| Ok(Disk::GoOnFrom { of: s.host()?, fresh: true }))
    }),
    ("{hosts} go|goes on from the snapshot of {host} with the same entropy", |s| {
        s.disk(|s| Ok(Disk::GoOnFrom { of: s.host()?, fresh: false }))
    }),
    // Clocks.
    ("the clock|clocks of {hosts} step|steps forward by {span}", |s| {
        s.clock(|s| Ok(Clock::Step(s.milliseconds()?)))
    }),
    ("the clock|clocks of {hosts} step|steps back by {span}", |s| {
        s.clock(|s| Ok(Clock::Step(-s.milliseconds()?)))
    }),
    ("the clock|clocks of {hosts} stop|stops", |s| s.clock(|_| Ok(Clock::Stop))),
    ("the clock|clocks of {hosts} is|are unset", |s| s.clock(|_| Ok(Clock::Unset))),
    ("the clock|clocks of {hosts} is|are set right", |s| s.clock(|_| Ok(Clock::SetRight))),
    // Addresses, cards, links.
    ("{hosts} get|gets another address", |s| s.link(|_| Ok(Link::Renumber))),
    ("{hosts} get|gets another IPv6 prefix", |s| s.link(|_| Ok(Link::NewPrefix))),
    ("the address of {hosts} is passed on to {host}", |s| s.link(|s| Ok(Link::PassAddressTo(s.host()?)))),
    ("{hosts} have|has the same address as {host}", |s| s.link(|s| Ok(Link::SameAddressAs(s.host()?)))),
    ("{hosts} take|takes the address {address}", |s| s.link(|s| Ok(Link::AddAddress(s.address()?)))),
    ("{hosts} give|gives up the address {address}", |s| s.link(|s| Ok(Link::DropAddress(s.address()?)))),
    ("{hosts} move|moves to {segment}", |s| s.link(|s| Ok(Link::Move(s.segment()?)))),
    ("{hosts} get|gets a card on {segment}", |s| s.link(|s| Ok(Link::AddCard(s.segment()?)))),
    ("{hosts} lose|loses its|their newest card", |s| s.link(|_| Ok(Link::DropCard))),
    ("the card|cards of {hosts} is|are swapped", |s| s.link(|_| Ok(Link::SwapCard))),
    ("{hosts} lose|loses the link", |s| s.link(|_| Ok(Link::Lose))),
    ("the link|links of {hosts} is|are back", |s| s.link(|_| Ok(Link::Back))),
    ("{hosts} can no longer send", |s| s.link(|_| Ok(Link::Mute))),
    ("{hosts} can send again", |s| s.link(|_| Ok(Link::Unmute))),
    // The network.
    ("{percent} of all datagrams are lost", |s| Ok(Deed::Net(Net::Lose(Loss::Even(s.share()?), Sort::All)))),
    ("{percent} of all datagrams are lost, {n} in a row", |s| {
        let (share, length) = (s.share()?, s.number(1..=BURST)?);
        if share == 1.0 {
            return Err(
                "if everything is lost there are no bursts; write \"100 % of all datagrams are lost\"".into(),
            );
        }
        Ok(Deed::Net(Net::Lose(Loss::Bursts { share, length: f64::from(length) }, Sort::All)))
    }),
    ("all broadcasts are lost", |_| all_lost(Sort::Broadcast)),
    ("all unicasts are lost", |_| all_lost(Sort::Unicast)),
    ("all of IPv4 is lost", |_| all_lost(Sort::Ipv4)),
    ("all of IPv6 is lost", |_| all_lost(Sort::Ipv6)),
    ("nothing is lost any more", |_| Ok(Deed::Net(Net::Heal))),
    ("{hosts} no longer hear|hears {hosts}", |s| Ok(Deed::Net(Net::Deafen(s.hosts()?, s.hosts()?)))),
    ("the network splits into {hosts} / {hosts}", |s| Ok(Deed::Net(Net::Split(s.hosts()?, s.hosts()?)))),
    ("datagrams take {span} to {span}", |s| {
        let (least, most) = (s.span()?, s.span()?);
        if least > most {
            return Err("write the shorter time first".to_owned());
        }
        Ok(Deed::Net(Net::Delay(least, most)))
    }),
    ("{percent} of all datagrams come twice", |s| Ok(Deed::Net(Net::Twice(s.share()?)))),
    ("a box sends every broadcast back after {span}", |s| Ok(Deed::Net(Net::Reflect(s.span()?, 1)))),
    ("a loop sends every broadcast {n} times, {span} apart", |s| {
        let copies = s.number(1..=COPIES)?;
        Ok(Deed::Net(Net::Reflect(s.span()?, copies)))
    }),
    ("the box or loop is gone", |_| Ok(Deed::Net(Net::StopReflecting))),
    ("a relay joins {segment} and {segment}", |s| Ok(Deed::Net(Net::Relay(s.segment()?, s.segment()?)))),
    // Licenses.
    ("{hosts} give|gives up the license", |s| s.paper(|_| Ok(Paper::Release))),
    ("{hosts} become|becomes standby", |s| s.paper(|_| Ok(Paper::Standby(true)))),
    ("{hosts} become|becomes active", |s| s.paper(|_| Ok(Paper::Standby(false)))),
    ("the license of {hosts} has {n} seats from now on", |s| s.paper(|s| Ok(Paper::Seats(s.seats()?)))),
    // Strangers: they hear and send, and have no license.
    ("a stranger repeats what {host} said", |s| Ok(Deed::Mischief(Mischief::Replay(s.host()?)))),
    ("a stranger floods {host} with {n} datagrams a second for {span}", |s| {
        let (of, each_second, during) = (s.host()?, s.number(1..=FLOOD)?, s.span()?);
        if f64::from(each_second) * during.as_secs_f64() > f64::from(FLOOD) {
            return Err(format!("that is more than {FLOOD} datagrams in all; flood for less time"));
        }
        Ok(Deed::Mischief(Mischief::Flood { of, each_second, during }))
    }),
    ("a stranger says goodbye in the name of {host}", |s| Ok(Deed::Mischief(Mischief::Goodbye(s.host()?)))),
    ("a stranger sends {host} what is no datagram", |s| Ok(Deed::Mischief(Mischief::Malformed(s.host()?)))),
    ("a stranger announces as {host} from an address of its own", |s| {
        Ok(Deed::Mischief(Mischief::Spoof(s.host()?)))
    }),
];

fn all_lost(sort: Sort) -> Result<Deed, String> {
    Ok(Deed::Net(Net::Lose(Loss::Even(1.0), sort)))
}

/// What a sentence means.
///
/// # Errors
/// A sentence that says what cannot be read, and the nearest pattern.
pub(crate) fn deed(sentence: &str, cast: Cast<'_>) -> Result<Deed, String> {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    // The most specific pattern is the one with the most words of its own.
    let fitting = SENTENCES.iter().filter_map(|(pattern, meaning)| {
        let texts = fit(&pattern.split_whitespace().collect::<Vec<_>>(), &words)?;
        Some((literals(pattern), texts, meaning))
    });
    let Some((_, texts, meaning)) = fitting.max_by_key(|(literals, ..)| *literals) else {
        return Err(format!(
            "\"{sentence}\" is none of the simulator's sentences; near is \"{}\"",
            nearest(&words)
        ));
    };
    meaning(&mut Slots::new(texts, cast)).map_err(|e| format!("in \"{sentence}\": {e}"))
}

fn is_slot(word: &str) -> bool {
    word.starts_with('{')
}

fn literals(pattern: &str) -> usize {
    pattern.split_whitespace().filter(|w| !is_slot(w)).count()
}

fn says(literal: &str, word: &str) -> bool {
    literal.split('|').any(|l| l == word)
}

/// The words that stand for each slot, if the sentence fits.
fn fit(pattern: &[&str], words: &[&str]) -> Option<Vec<String>> {
    let Some((first, rest)) = pattern.split_first() else { return words.is_empty().then(Vec::new) };
    if !is_slot(first) {
        let (word, others) = words.split_first()?;
        return if says(first, word) { fit(rest, others) } else { None };
    }
    (1..=words.len()).find_map(|n| {
        let mut found = fit(rest, &words[n..])?;
        let mut text = words[..n].join(" ");
        // A comma of the sentence, not of the list.
        if first.ends_with("},") {
            text = text.strip_suffix(',')?.to_owned();
        }
        found.insert(0, text);
        Some(found)
    })
}

fn nearest(words: &[&str]) -> &'static str {
    let common = |pattern: &str| {
        pattern.split_whitespace().filter(|p| !is_slot(p) && words.iter().any(|w| says(p, w))).count()
    };
    SENTENCES.iter().map(|(pattern, _)| *pattern).max_by_key(|p| common(p)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sentence: &str) -> Result<Deed, String> {
        let hosts = ["mail", "web", "web2"].map(str::to_owned);
        let segments = ["lan".to_owned()];
        deed(sentence, Cast { hosts: &hosts, segments: &segments })
    }

    #[test]
    fn sentences_are_read() {
        for (sentence, meaning) in [
            ("mail starts", "Power([0], Start)"),
            ("mail, web and web2 start", "Power([0, 1, 2], Start)"),
            ("web* stop", "Power([1, 2], Stop)"),
            ("everybody is killed", "Power([0, 1, 2], Kill)"),
            ("mail reboots in 1 min 5 s", "Power([0], Reboot(65s))"),
            ("mail restarts 50 times, every 6 s", "Power([0], Restarts(50, 6s))"),
            ("30 % of all datagrams are lost", "Net(Lose(Even(0.3), All))"),
            (
                "30 % of all datagrams are lost, 5 in a row",
                "Net(Lose(Bursts { share: 0.3, length: 5.0 }, All))",
            ),
            ("the network splits into mail / web and web2", "Net(Split([0], [1, 2]))"),
            ("the clock of mail steps back by 1 h", "Clock([0], Step(-3600000))"),
            (
                "web goes on from the snapshot of mail with fresh entropy",
                "Disk([1], GoOnFrom { of: 0, fresh: true })",
            ),
        ] {
            assert_eq!(format!("{:?}", read(sentence).expect(sentence)), meaning);
        }
    }

    #[test]
    fn what_is_no_sentence_is_named_with_the_nearest() {
        let error = read("mail begins").unwrap_err();
        assert!(error.starts_with("\"mail begins\" is none of the simulator's sentences"), "{error}");
        let error = read("nobody starts").unwrap_err();
        assert_eq!(error, "in \"nobody starts\": there is no host \"nobody\"; there are mail, web, web2");
        assert!(read("mail reboots in a while").unwrap_err().contains("\"a while\" is no time"));
        assert!(read("mail is restarting 5 times").unwrap_err().contains("near is"));
        assert!(read("130 % of all datagrams are lost").unwrap_err().contains("is no share"));
    }

    #[test]
    fn no_two_patterns_are_the_same() {
        for (i, (pattern, _)) in SENTENCES.iter().enumerate() {
            assert!(SENTENCES[i + 1..].iter().all(|(other, _)| other != pattern), "{pattern}");
        }
    }
}
