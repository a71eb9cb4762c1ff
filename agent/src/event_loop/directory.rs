//! The directory's part of a turn.

use super::Agent;
use crate::directory::tree;
use crate::status::DirectoryStatus;

impl Agent {
    /// Answers what was asked of the directory.
    pub(super) fn serve_directory(&mut self) {
        // Out of the agent for the while, since the tree is made from all of it.
        let Ok(mut directory) = std::mem::replace(&mut self.directory, Err(String::new())) else {
            return;
        };
        directory.turn(self.now.boot, |place| {
            let (tree, _left_out) = tree::of(place, &self.report(), []);
            tree
        });
        self.directory = Ok(directory);
    }

    /// What the status says of it.
    pub(super) fn report_directory(&self) -> DirectoryStatus {
        match &self.directory {
            Ok(directory) => directory.status(),
            Err(why) => DirectoryStatus { trouble: why.clone(), ..DirectoryStatus::default() },
        }
    }

    /// Which networks are on link.
    pub(super) fn tell_directory_of_links(&mut self) {
        if let Ok(directory) = &mut self.directory {
            directory.set_links(self.links.iter().map(|link| &link.interface));
        }
    }

    /// Why there is no directory, if there should be one.
    pub(super) fn directory_trouble(&self) -> Option<String> {
        match &self.directory {
            Ok(directory) => directory.trouble().map(str::to_owned),
            Err(why) => Some(why.clone()).filter(|why| !why.is_empty()),
        }
    }
}
