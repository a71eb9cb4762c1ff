//! A link and an agent that says what the test wants, on a socket of their own and at times that the test makes up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use serde_json::{Value, json};
use serialnumberd_core::{ClaimKeys, Mono, Product, Standard, State};
use zeroize::Zeroizing;

use super::super::super::board::{Entry, Standing};
use super::super::Link;
use crate::control::{ClaimRequest, Terms};
use crate::record::{Body, Decision, Record, Verdict, line};

pub(super) const S: u64 = 1000;

pub(super) fn product(name: &str) -> Product {
    Product::new(name).unwrap()
}

pub(super) fn request(name: &str, serial: u8) -> ClaimRequest {
    ClaimRequest {
        product: product(name),
        keys: ClaimKeys::of_secret::<Standard>(Zeroizing::new([serial; 32])),
        terms: Terms { seats: 1, ..Terms::default() },
        program: "httpd".to_owned(),
    }
}

/// A link, and the place where an agent may be.
pub(super) struct Stage {
    dir: tempfile::TempDir,
    pub(super) listener: Option<UnixListener>,
    pub(super) link: Link,
    pub(super) now_ms: u64,
}

impl Stage {
    /// Nobody is there.
    pub(super) fn empty() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let link = Link::new(vec![dir.path().join("s")], 7, Mono(0)).unwrap();
        Stage { dir, listener: None, link, now_ms: 0 }
    }

    pub(super) fn new() -> Stage {
        let mut stage = Stage::empty();
        stage.listen();
        stage
    }

    pub(super) fn listen(&mut self) {
        let path = self.dir.path().join("s");
        let _ = std::fs::remove_file(&path);
        self.listener = Some(UnixListener::bind(path).unwrap());
    }

    pub(super) fn turn(&mut self) {
        self.link.turn(Mono(self.now_ms * 1_000_000));
    }

    /// Lets time pass and turns then.
    pub(super) fn after(&mut self, ms: u64) {
        self.now_ms += ms;
        self.turn();
    }

    /// In how many ms the link wants to turn by itself.
    pub(super) fn due_ms(&self) -> u64 {
        self.link.deadline().0 / 1_000_000 - self.now_ms
    }

    /// The agent takes a connection that the link has made, is greeted, and greets.
    pub(super) fn accept(&mut self) -> Agent {
        let (stream, _) = self.listener.as_ref().unwrap().accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut agent = Agent(BufReader::new(stream));
        assert_eq!(agent.hear(), json!({"proto": 1}));
        let watch = agent.hear();
        assert_eq!((&watch["request"], &watch["form"]), (&json!("watch"), &json!("record")));
        agent.say(&json!({"proto": 1}));
        agent.answer(&watch, &json!({}));
        agent
    }

    /// A link that holds `xsvr`, which is allowed.
    pub(super) fn holding() -> (Stage, Agent) {
        let mut stage = Stage::new();
        stage.link.ledger.claim(request("xsvr", 1));
        stage.turn();
        let mut agent = stage.accept();
        agent.grants(&mut stage, "xsvr", "allow");
        (stage, agent)
    }

    pub(super) fn entry(&self, name: &str) -> Option<Entry> {
        let mut entries = self.link.ledger.entries(self.link.trouble());
        entries.find(|(p, _)| p.as_str() == name).map(|(_, entry)| entry)
    }

    pub(super) fn standing(&self) -> Standing {
        let Some(Entry::Held(standing)) = self.entry("xsvr") else {
            panic!("{:?} is no standing", self.entry("xsvr"))
        };
        standing
    }

    pub(super) fn verdict(&self) -> &'static str {
        self.standing().decision.verdict.as_str()
    }
}

pub(super) struct Agent(pub(super) BufReader<UnixStream>);

impl Agent {
    pub(super) fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    /// A request that must be this one.
    pub(super) fn hears(&mut self, name: &str, product: &str) -> Value {
        let request = self.hear();
        assert_eq!((&request["request"], &request["product"]), (&json!(name), &json!(product)), "{request}");
        request
    }

    pub(super) fn hears_nothing(&mut self) {
        assert!(self.0.buffer().is_empty());
        self.0.get_ref().set_nonblocking(true).unwrap();
        let heard = self.0.read(&mut [0; 64]);
        self.0.get_ref().set_nonblocking(false).unwrap();
        assert!(heard.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    }

    pub(super) fn ended(&mut self) -> bool {
        self.0.read_to_end(&mut Vec::new()).is_ok()
    }

    pub(super) fn say(&mut self, line: &Value) {
        self.0.get_ref().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(super) fn answer(&mut self, request: &Value, ok: &Value) {
        self.say(&json!({"id": request["id"], "ok": ok}));
    }

    pub(super) fn refuse(&mut self, request: &Value, sentence: &str) {
        self.say(&json!({"id": request["id"], "error": sentence}));
    }

    pub(super) fn answer_check(&mut self, request: &Value, state: &str, verdict: &str) {
        self.answer(
            request,
            &json!({"state": state, "verdict": verdict, "reason": format!("so it is {verdict}")}),
        );
    }

    pub(super) fn grants(&mut self, stage: &mut Stage, product: &str, verdict: &str) {
        stage.turn();
        let claim = self.hears("claim", product);
        self.answer(&claim, &json!({"claim": ""}));
        stage.turn();
        let check = self.hears("check", product);
        self.answer_check(&check, "clear", verdict);
        stage.turn();
    }

    /// Tells that something happened to a product.
    pub(super) fn tell(&mut self, seq: u64, name: &str) {
        let body = Body::State {
            product: product(name),
            claim: request(name, 1).keys.id(),
            old: State::Clear,
            new: State::Suspected,
            coverage: serialnumberd_core::Coverage::Good,
            decision: Decision { verdict: Verdict::ALLOW, reason: String::new() },
        };
        let record =
            Record { seq, mono_ns: 1, real_ns: 1, caused_by_self: false, decide_until_ns: Some(9), body };
        let text = line::write(&record, &|_| None, line::Raw::Keep);
        self.say(&json!({"event": serde_json::from_str::<Value>(&text).unwrap()}));
    }
}
