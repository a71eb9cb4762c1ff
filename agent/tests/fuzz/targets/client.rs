//! What a client takes from an agent: lines, answers, and the pages that it shows people.

use super::with_folder;
use serialnumberd::cli::pages;
use serialnumberd::control::EventView;
use serialnumberd::control::client::Client;
use serialnumberd::control::protocol::{CheckAnswer, ReloadAnswer, Request, hello_line};
use serialnumberd::status::Status;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

pub fn client(bytes: &[u8]) {
    let (kind, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    match kind % 4 {
        0 => connection(bytes),
        1 => document(bytes),
        2 => event(bytes),
        _ => {
            let _checked: Result<CheckAnswer, _> = serde_json::from_slice(bytes);
            let _reloaded: Result<ReloadAnswer, _> = serde_json::from_slice(bytes);
        }
    }
}

/// Whatever the document says, its pages are lines of printable text.
fn document(bytes: &[u8]) {
    let Ok(status) = serde_json::from_slice::<Status>(bytes) else { return };
    let again = serde_json::to_vec(&status).expect("a document is JSON");
    assert_eq!(serde_json::from_slice::<Status>(&again).ok().as_ref(), Some(&status));
    for page in pages(&status) {
        assert!(page.ends_with('\n'));
        assert!(page.lines().all(|line| !line.chars().any(char::is_control)), "{page:?}");
    }
}

fn event(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<EventView>(bytes) else { return };
    let again = serde_json::to_vec(&event).expect("an event is JSON");
    assert_eq!(serde_json::from_slice::<EventView>(&again).ok().as_ref(), Some(&event));
    assert!(!event.to_string().is_empty());
}

/// An agent that says the given bytes to whoever connects, and nothing more.
fn agent(path: &Path) -> Sender<Vec<u8>> {
    let listener = UnixListener::bind(path).expect("the socket can be made");
    let (sender, lines) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for bytes in lines {
            let Ok((mut stream, _)) = listener.accept() else { return };
            // The client may hang up first.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    sender
}

/// A client gets an answer or a sentence, and does not hang.
fn connection(bytes: &[u8]) {
    thread_local!(static AGENT: std::cell::OnceCell<Sender<Vec<u8>>> = const { std::cell::OnceCell::new() });
    let (greeted, bytes) = bytes.split_first().unwrap_or((&1, &[]));
    let greeting = if greeted & 1 != 0 { hello_line() } else { Vec::new() };
    with_folder(|folder| {
        let path = folder.join("agent.sock");
        AGENT.with(|agent| {
            let agent = agent.get_or_init(|| self::agent(&path));
            agent.send([&greeting[..], bytes].concat()).expect("the agent runs");
        });
        // Whatever comes of it is shown as it is: an agent's own sentence, or the client's.
        let _asked =
            Client::connect(&[path]).and_then(|mut c| c.ask::<Status>(&Request::Status, Duration::ZERO));
    });
}
