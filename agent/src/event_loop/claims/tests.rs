//! The book alone: who may hold what, and whom a new configuration pushes out.

use serialnumberd_core::{Standard, limits};
use zeroize::Zeroizing;

use super::book::{CLAIMS_OF_PROGRAMS, CLAIMS_PER_CLIENT};
use super::*;

const CONFIGURED: Owner = Owner::Configuration;

fn client(n: usize) -> Owner {
    Owner::Client(ClientId::of_test(n))
}

/// Keys are made up: only whether they are the same counts.
fn keys(serial: usize) -> ClaimKeys {
    let mut secret = Zeroizing::new([0; 32]);
    secret[..8].copy_from_slice(&serial.to_be_bytes());
    ClaimKeys::of_secret::<Standard>(secret)
}

fn request(product: &str, serial: usize) -> ClaimRequest {
    ClaimRequest {
        product: Product::new(product).unwrap(),
        keys: keys(serial),
        terms: Terms { seats: 1, ..Terms::default() },
        program: "httpd".to_owned(),
    }
}

fn paired(request: ClaimRequest, standby: bool) -> ClaimRequest {
    let terms = Terms { group: "pair".to_owned(), standby, standbys: 1, ..request.terms };
    ClaimRequest { terms, ..request }
}

/// What the agent does with its book, without engine and plugins.
fn enter(book: &mut Book, owner: Owner, request: &ClaimRequest) -> Result<(), String> {
    judge(book, owner, request)?;
    let ClaimRequest { product, keys, terms, program } = request.clone();
    let held =
        Held { product, keys, verdict: ClaimVerdict::default(), terms: terms.clone(), claimants: Vec::new() };
    let pid = (owner != CONFIGURED).then_some(42);
    let claimant = Claimant { owner, terms, program, pid };
    book.entry(request.keys.id()).or_insert(held).join(claimant);
    Ok(())
}

/// A book in which these hold the same claim.
fn shared(owners: &[Owner]) -> Book {
    let mut book = Book::new();
    owners.iter().for_each(|owner| enter(&mut book, *owner, &request("xsvr", 1)).unwrap());
    book
}

#[test]
fn programs_that_claim_alike_share_and_the_configuration_comes_first() {
    let book = shared(&[client(1), client(2), CONFIGURED, client(2)]);
    let held = book.get(&keys(1).id()).unwrap();
    let owners: Vec<Owner> = held.claimants.iter().map(|c| c.owner).collect();
    assert_eq!((book.len(), owners), (1, vec![CONFIGURED, client(1), client(2)]));
    let names: Vec<String> = held.claimants.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["the configuration", "httpd (pid 42)", "httpd (pid 42)"]);
}

#[test]
fn another_serial_number_of_a_held_product_is_refused_whoever_asks() {
    for holder in [CONFIGURED, client(1)] {
        let error = judge(&shared(&[holder]), client(2), &request("xsvr", 2)).unwrap_err();
        assert!(error.starts_with("xsvr is claimed on this host with another serial number, by "), "{error}");
    }
    let error = judge(&shared(&[client(1)]), client(1), &request("xsvr", 2)).unwrap_err();
    assert!(error.contains("by this program itself"), "{error}");
    let error = judge(&shared(&[CONFIGURED]), client(1), &request("other", 1)).unwrap_err();
    assert_eq!(error, "these keys are not those of other");
}

#[test]
fn who_shares_agrees_and_who_names_no_group_leaves_it_to_the_others() {
    let alone = || request("xsvr", 1);
    let seats = |seats| ClaimRequest { terms: Terms { seats, ..alone().terms }, ..alone() };
    let standbys = ClaimRequest { terms: Terms { standbys: 2, ..paired(alone(), true).terms }, ..alone() };
    let other =
        ClaimRequest { terms: Terms { group: "trio".to_owned(), ..paired(alone(), true).terms }, ..alone() };
    for (first, second, differ) in [
        (alone(), seats(5), Some("1 seat")),
        (seats(5), alone(), Some("5 seats")),
        (seats(0), alone(), Some("unlimited seats")),
        (paired(alone(), true), alone(), None),
        (paired(alone(), true), paired(alone(), true), None),
        (alone(), paired(alone(), true), Some("no fail-over group")),
        (paired(alone(), true), other, Some("the fail-over group \"pair\"")),
        (paired(alone(), true), paired(alone(), false), Some("standby = true")),
        (paired(alone(), true), standbys, Some("standbys = 1")),
    ] {
        let mut book = Book::new();
        enter(&mut book, client(1), &first).unwrap();
        let error = judge(&book, client(2), &second).err();
        let expected = differ.map(|d| {
            format!("xsvr is claimed on this host already, by httpd (pid 42), with {d}: claim it alike")
        });
        assert_eq!(error, expected);
    }
}

#[test]
fn who_holds_it_alone_may_change_its_mind() {
    let mut book = shared(&[client(1)]);
    enter(&mut book, client(1), &paired(request("xsvr", 1), true)).unwrap();
    let held = book.get(&keys(1).id()).unwrap();
    assert!(held.claimants.len() == 1 && held.claimants[0].terms.standby);
    let mut book = shared(&[CONFIGURED, client(1)]);
    let error = enter(&mut book, client(1), &paired(request("xsvr", 1), true)).unwrap_err();
    assert!(error.contains("by the configuration, with no fail-over group"), "{error}");
}

#[test]
fn programs_leave_room_for_each_other_and_for_the_configuration() {
    let name = |n: usize| format!("p{n}");
    let mut book = Book::new();
    for n in 0..CLAIMS_OF_PROGRAMS {
        enter(&mut book, client(n / CLAIMS_PER_CLIENT), &request(&name(n), n)).unwrap();
    }
    let error = judge(&book, client(0), &request(&name(100), 100)).unwrap_err();
    assert!(error.contains("at most 16 claims"), "{error}");
    let error = judge(&book, client(9), &request(&name(100), 100)).unwrap_err();
    assert!(error.contains("programs hold 32 claims"), "{error}");
    assert_eq!(judge(&book, client(0), &request(&name(0), 0)), Ok(()), "what it holds already");
    assert_eq!(judge(&book, client(9), &request(&name(0), 0)), Ok(()), "what is held already");
    for n in 200..200 + limits::CLAIMS - CLAIMS_OF_PROGRAMS {
        enter(&mut book, CONFIGURED, &request(&name(n), n)).unwrap();
    }
    assert_eq!(book.len(), limits::CLAIMS);
}

#[test]
fn a_configuration_pushes_out_who_claims_otherwise_and_nobody_else() {
    let out = |book: &Book, coming: &[ClaimRequest]| -> Vec<(Owner, String)> { in_the_way(book, coming) };
    let book = shared(&[CONFIGURED, client(1)]);
    assert_eq!(out(&book, &[request("xsvr", 1)]), []);
    assert_eq!(out(&book, &[]), [], "the program holds on");
    assert_eq!(out(&book, &[paired(request("xsvr", 1), true)]), [], "it named no group");
    for (coming, differ) in [
        (request("xsvr", 2), "xsvr with another serial number"),
        (request("other", 1), "other with another serial number"),
        (ClaimRequest { terms: Terms::default(), ..request("xsvr", 1) }, "xsvr with unlimited seats"),
    ] {
        assert_eq!(out(&book, &[coming]), [(client(1), format!("the configuration now has {differ}"))]);
    }
}

#[test]
fn a_configuration_that_needs_their_places_pushes_programs_out() {
    let mut book = shared(&[client(1)]);
    enter(&mut book, client(2), &request("other", 2)).unwrap();
    let mut coming: Vec<ClaimRequest> =
        (0..limits::CLAIMS - 2).map(|n| request(&format!("p{n}"), 100 + n)).collect();
    assert_eq!(in_the_way(&book, &coming), []);
    coming.push(request("one-more", 99));
    assert_eq!(in_the_way(&book, &coming).len(), 1);
    coming.push(request("xsvr", 1));
    let out = in_the_way(&book, &coming);
    assert_eq!(out, [(client(2), "the configuration needs the place of other".to_owned())]);
}

#[test]
fn clients_claim_as_many_as_there_are_at_once_and_one_a_second_after_that() {
    let mut pace = Pace::default();
    let at = |s: u64| Mono((1000 + s) * 1_000_000_000);
    let taken = |pace: &mut Pace, now| (0..200).take_while(|_| pace.take(now).is_ok()).count();
    assert_eq!(taken(&mut pace, at(0)), 64);
    assert!(pace.take(at(0)).unwrap_err().contains("try again in 1 s"));
    assert_eq!(taken(&mut pace, at(3)), 3);
    assert_eq!(taken(&mut pace, at(10_000)), 64);
}
