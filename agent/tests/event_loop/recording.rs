//! What an agent records of a conflict: all that it publishes, under names that people know, and never the serial.

use serialnumberd::event_loop::Agent;
use serialnumberd::record::Body;
use serialnumberd::recording::{Part, Recording};
use serialnumberd_core::{ClaimKeys, Event, Product, Serial, Standard};

use crate::home::{Home, license, until};

const SERIAL: &str = "RECORDED-4711";

#[test]
fn a_conflict_is_recorded_as_it_is_published() {
    let homes = [Home::new("127.0.7.21"), Home::new("127.0.7.22")];
    for (home, peer) in homes.iter().zip(["127.0.7.22", "127.0.7.21"]) {
        home.write(&format!("port = 62710\npeers = [\"{peer}\"]"), &license("xsvr", SERIAL));
    }
    let file = homes[0].path("incident.slr");
    let mut agents: Vec<Agent> = homes.iter().map(Home::start).collect();
    agents[0].record_to(file.as_ref()).expect("it records");
    let mut published = Vec::new();
    until("the conflict is confirmed", &mut agents, |a| {
        published.extend(std::iter::from_fn(|| a[0].poll_record()));
        published.iter().any(|r| matches!(&r.body, Body::State { new, .. } if new.as_str() == "duplicate"))
    });
    agents.into_iter().for_each(Agent::shut_down);

    let mut recording = Recording::open(file.as_ref()).expect("a recording");
    let product = Product::new("xsvr").expect("a product");
    let serial = Serial::new(SERIAL).expect("a serial");
    let keys = ClaimKeys::derive::<Standard>(&product, &serial);
    let claims: Vec<_> =
        recording.header().claims.iter().map(|c| (c.product.clone(), c.claim.clone())).collect();
    assert_eq!(claims, [("xsvr".to_owned(), keys.id().to_string())]);
    let mut recorded = Vec::new();
    while let Some(part) = recording.next().expect("it can be read") {
        match part {
            Part::Record(read) => recorded.push(read),
            Part::Lost { .. } => panic!("nothing was lost"),
        }
    }
    assert!(recorded.len() >= published.len());
    for (read, record) in recorded.iter().zip(&published) {
        assert_eq!(&read.record, &**record);
    }
    let named = recorded.iter().any(|read| {
        matches!(read.record.body, Body::Engine(Event::Duplicate { .. }))
            && read.interfaces.values().any(|name| name == "lo")
    });
    assert!(named, "interfaces have their names");
    let text = std::fs::read_to_string(&file).expect("read");
    let hex: String = SERIAL.bytes().map(|b| format!("{b:02x}")).collect();
    assert!(!text.contains(SERIAL) && !text.to_lowercase().contains(&hex), "no serial in any spelling");
}
