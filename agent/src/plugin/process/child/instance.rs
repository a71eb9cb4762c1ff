//! The plugin's own thread in the child: loads the file, waits for the agent's word, makes the instance, and works.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use rtrb::{Consumer, Producer};
use serialnumberd_core::HolderView;

use crate::clock;
use crate::plugin::begin::{Code, Facts, Making, Terms, load, make};
use crate::plugin::context::{AskHolders, HolderSource};
use crate::plugin::handshake::{Doorbell, End};
use crate::plugin::host_table::HostInfo;
use crate::plugin::manifest::Manifest;
use crate::plugin::options::Settings;
use crate::plugin::outbox::Item;
use crate::plugin::permission::Permissions;
use crate::plugin::process::words::FromChild;
use crate::plugin::shared::{Clocks, Configure, Message, Shared};

/// Says something to the agent, from any thread but the main one, which passes it on.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) words: Sender<FromChild>,
    pub(super) bell: Arc<Doorbell>,
}

impl Teller {
    fn say(&self, word: FromChild) {
        // The main thread ends with the process only.
        let _ = self.words.send(word);
        self.bell.ring();
    }
}

/// The agent's word that the instance is to be made.
pub(super) struct Go {
    pub(super) granted: Permissions,
    pub(super) settings: Arc<Settings>,
    pub(super) host: HostInfo,
}

/// The thread's ends of everything.
pub(super) struct Ends {
    pub(super) teller: Teller,
    pub(super) shared: Arc<Shared>,
    pub(super) go: Receiver<Go>,
    pub(super) queue: Consumer<Item>,
    pub(super) commands: Consumer<Configure>,
    pub(super) messages: Producer<Message>,
    pub(super) holders: Receiver<Option<Arc<[HolderView]>>>,
}

/// The thread's whole life.
pub(super) fn live(plugin: File, manifest: Manifest, state_dir: PathBuf, ends: Ends) -> End {
    let teller = ends.teller.clone();
    let refused = |error| {
        teller.say(FromChild::Refused(error));
        End::Failed
    };
    let clocks = Clocks { boot: Arc::new(clock::boottime_ns), wall: Arc::new(clock::wall_ns) };
    let descriptor = match load(Code::File(plugin, manifest), &ends.shared, &clocks) {
        Ok(descriptor) => descriptor,
        Err(error) => return refused(error),
    };
    teller.say(FromChild::Described(Facts::of(&descriptor)));
    // Without it, the agent only wanted to know.
    let Ok(Go { granted, settings, host }) = ends.go.recv() else { return End::Stopped };
    let making = Making {
        terms: Terms { granted, settings, state_dir },
        host,
        clocks,
        doorbell: Arc::clone(&teller.bell),
        shared: ends.shared,
        messages: ends.messages,
        commands: ends.commands,
        queue: ends.queue,
        holders: HolderSource::Asked(ask(teller.clone(), ends.holders)),
    };
    match make(&descriptor, making) {
        Ok(worker) => {
            teller.say(FromChild::Started);
            worker.serve()
        }
        Err(error) => refused(error),
    }
}

/// The table of holders is the agent's: it is asked, one question after the other, and answers at once.
fn ask(teller: Teller, answers: Receiver<Option<Arc<[HolderView]>>>) -> AskHolders {
    let answers = Mutex::new(answers);
    Box::new(move |product| {
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        teller.say(FromChild::AskHolders { product: product.to_string() });
        answers.recv().ok().flatten()
    })
}
