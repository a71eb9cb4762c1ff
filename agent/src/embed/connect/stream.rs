//! The bytes of one connection to an agent: lines in, lines out, bounded, never waiting.
//!
//! Knows nothing of what the lines say.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use zeroize::Zeroizing;

use crate::control::protocol::MAX_ANSWER_LINE;

/// What is read in one turn: a few hundred records.  The rest waits in the kernel, where polling sees it.
const READ_PER_TURN: usize = 256 * 1024;
/// A chunk of that.
const CHUNK: usize = 16 * 1024;

/// A connection.
pub(super) struct Stream {
    socket: UnixStream,
    /// The line that is not complete yet.
    input: Vec<u8>,
    /// Wiped, since the keys of claims go out here.  What it may hold is bounded by whoever has few questions open.
    output: Zeroizing<Vec<u8>>,
    written: usize,
}

impl Stream {
    /// Connects, if that can be done without waiting: to a Unix socket it can, unless too many others wait there.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn connect(path: &Path) -> io::Result<Stream> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let end = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let socket = UnixStream::from(end);
        let address = UnixAddr::new(path)?;
        connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address)?;
        Ok(Stream::of(socket))
    }

    /// A connection that is made already, and does not block.
    pub(super) fn of(socket: UnixStream) -> Stream {
        Stream { socket, input: Vec::new(), output: Zeroizing::default(), written: 0 }
    }

    /// Reads what one turn may read, and hands over every line that is complete; says whether the other side goes on.
    ///
    /// # Errors
    /// The kernel's; or, as [`ErrorKind::InvalidData`], that a line has no end.
    pub(super) fn read(&mut self, mut line: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        for _ in 0..READ_PER_TURN / CHUNK {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => self.take(&chunk[..n], &mut line)?,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    fn take(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.input.is_empty() {
                line(head);
            } else {
                self.input.extend_from_slice(head);
                // Given back: a record of a thousand holders may have made it large.
                line(&std::mem::take(&mut self.input));
            }
            bytes = rest;
        }
        self.input.extend_from_slice(bytes);
        if self.input.len() > MAX_ANSWER_LINE {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Adds a line to what is to be written.
    pub(super) fn push(&mut self, line: Vec<u8>) {
        self.output.extend_from_slice(&Zeroizing::new(line));
    }

    /// Writes what the kernel takes.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.output() > 0 {
            match self.socket.write(&self.output[self.written..]) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        self.output = Zeroizing::default();
        self.written = 0;
        Ok(())
    }

    /// How many bytes wait for room.
    pub(super) fn output(&self) -> usize {
        self.output.len() - self.written
    }

    /// Ends the connection, and not only this process's part in it: a forked child may have inherited the socket.
    pub(super) fn end(self) {
        // It may have ended by itself.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Stream::of(ours), theirs)
    }

    fn lines(stream: &mut Stream) -> (Vec<String>, io::Result<bool>) {
        let mut lines = Vec::new();
        let goes_on = stream.read(|line| lines.push(String::from_utf8(line.to_vec()).unwrap()));
        (lines, goes_on)
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let (mut stream, mut agent) = pair();
        let mut told = Vec::new();
        for piece in ["a", "b\n", "\nc", "", "d\ne\n"] {
            agent.write_all(piece.as_bytes()).unwrap();
            told.extend(lines(&mut stream).0);
        }
        assert_eq!(told, ["ab", "", "cd", "e"]);
        drop(agent);
        assert!(!lines(&mut stream).1.unwrap());
    }

    #[test]
    fn one_turn_reads_so_much_and_leaves_the_rest_to_the_next() {
        let (mut stream, mut agent) = pair();
        let writer = std::thread::spawn(move || agent.write_all(&[b'\n'; 3 * READ_PER_TURN]).unwrap());
        let (mut turns, mut told) = (0, 0);
        while told < 3 * READ_PER_TURN {
            let n = lines(&mut stream).0.len();
            assert!(n <= READ_PER_TURN);
            (turns, told) = (turns + 1, told + n);
        }
        writer.join().unwrap();
        assert!(turns >= 3);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let (mut stream, mut agent) = pair();
        let writer = std::thread::spawn(move || {
            let chunk = vec![b'x'; 1 << 20];
            while agent.write_all(&chunk).is_ok() {}
        });
        let refused = std::iter::repeat_with(|| lines(&mut stream).1).find_map(Result::err).unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        drop(stream);
        writer.join().unwrap();
    }

    #[test]
    fn what_the_kernel_does_not_take_waits() {
        let (mut stream, mut agent) = pair();
        let line = vec![b'x'; 1 << 20];
        stream.push(line.clone());
        stream.flush().unwrap();
        assert!(stream.output() > 0);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            agent.read_to_end(&mut all).unwrap();
            all
        });
        while stream.output() > 0 {
            stream.flush().unwrap();
        }
        stream.end();
        assert_eq!(reader.join().unwrap(), line);
    }

    #[test]
    fn where_nobody_listens_there_is_no_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert_eq!(Stream::connect(&path).err().unwrap().kind(), ErrorKind::NotFound);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(Stream::connect(&path).err().unwrap().kind(), ErrorKind::ConnectionRefused);
        assert!(Stream::connect(&dir.path().join("x".repeat(200))).is_err());
    }

    #[test]
    fn where_too_many_wait_nobody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        nix::sys::socket::listen(&_listener, nix::sys::socket::Backlog::new(1).unwrap()).unwrap();
        let all: Vec<_> = (0..3).map(|_| Stream::connect(&path)).collect();
        assert!(all[0].is_ok());
        assert_eq!(all[2].as_ref().err().unwrap().kind(), ErrorKind::WouldBlock);
    }
}
