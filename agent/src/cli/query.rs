//! `query`: asks a host in the classic text format, with ordinary sockets and no agent.

use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use serialnumberd_core::limits::CLASSIC_BYTES;
use serialnumberd_core::wire::classic::{Query, Response};

use super::args::QueryArgs;
use super::output::{Ending, standard};
use crate::text::{Cell, Palette, clean, table};

/// A datagram may be lost: this often the question is asked within the time.
const ATTEMPTS: u32 = 3;

pub(super) fn query(args: &QueryArgs) -> Ending {
    let to = resolve(&args.host, args.port)?;
    let bytes = ask(to, args)?.ok_or_else(|| no_answer(to))?;
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    let response = Response::decode(&bytes)
        .ok_or_else(|| format!("{to} answers, but not in the classic format: \"{}\"", clean(&shown)))?;
    let (mut out, palette) = standard();
    out.write_all(render(palette, to, &response).as_bytes())?;
    Ok(0)
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let found = (host, port).to_socket_addrs().map_err(|e| format!("cannot find the host {host}: {e}"))?;
    let mut all: Vec<SocketAddr> = found.collect();
    // The original spoke IPv4 only.
    all.sort_by_key(|address| address.is_ipv6());
    all.first().copied().ok_or_else(|| format!("the host {host} has no address"))
}

/// The first answer, or `None` if there was none in time.
fn ask(to: SocketAddr, args: &QueryArgs) -> Result<Option<Vec<u8>>, String> {
    let fail = |e: io::Error| match e.kind() {
        ErrorKind::ConnectionRefused => format!("nothing listens on UDP port {} of {}", to.port(), to.ip()),
        _ => format!("cannot ask {to}: {e}"),
    };
    let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).map_err(fail)?;
    // Connected, so that only this host's answers come, and its refusal too.
    socket.connect(to).map_err(fail)?;
    let own = socket.local_addr().map_err(fail)?.ip().to_string();
    let token = token()?;
    let text = Query { address: &own, token: &token, product: args.product }.encode();
    let patience = (args.timeout / ATTEMPTS).max(Duration::from_millis(1));
    socket.set_read_timeout(Some(patience)).map_err(fail)?;
    let mut buffer = vec![0; CLASSIC_BYTES + 1];
    for _ in 0..ATTEMPTS {
        socket.send(&text).map_err(fail)?;
        match socket.recv(&mut buffer) {
            Ok(n) => return Ok(Some(buffer[..n].to_vec())),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => return Err(fail(e)),
        }
    }
    Ok(None)
}

/// Six hex digits, since the format wants a token; it does not come back with the answer.
fn token() -> Result<String, String> {
    let random = getrandom::u32().map_err(|e| format!("the kernel gives no random number: {e}"))?;
    Ok(format!("{:06X}", random >> 8))
}

fn no_answer(to: SocketAddr) -> String {
    format!(
        "no answer from {to}; a serialnumberd answers only with legacy = \"answer\", only for products that it \
         holds, and only to its own network"
    )
}

fn render(palette: Palette, from: SocketAddr, response: &Response<'_>) -> String {
    let [a, b, c, d] = response.numbers;
    let row = |name: &str, value: &str| vec![Cell::plain(name), Cell::plain(value)];
    table(
        palette,
        0,
        &[
            row("from", &from.to_string()),
            row("host", response.host),
            row("product", response.product),
            row("number 1", a),
            row("number 2", b),
            row("number 3", c),
            row("number 4", d),
        ],
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Arguments, Command};

    fn args(port: u16, timeout: &str) -> QueryArgs {
        let line = format!("serialnumberd query 127.0.0.1 --port {port} --timeout {timeout}");
        match Arguments::try_parse_from(line.split(' ')).unwrap().command {
            Command::Query(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lost_question_is_asked_again_and_the_answer_shown() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let n = "0x".to_owned() + &"A1".repeat(20);
        let answer = format!("SNRESPS:alpha:{n}:xsvr:{n}:0x6955b900:{n}:alpha\0");
        let host = std::thread::spawn(move || {
            let mut buffer = [0; 100];
            let (first, _) = server.recv_from(&mut buffer).unwrap();
            let (_, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(answer.as_bytes(), from).unwrap();
            String::from_utf8_lossy(&buffer[..first]).into_owned()
        });
        let bytes = ask(to, &args(to.port(), "1500ms")).unwrap();
        let text = host.join().unwrap();
        let query = Query::decode(text.as_bytes()).unwrap();
        assert_eq!((query.address, query.token.len(), query.product.as_str()), ("127.0.0.1", 6, "xsvr"));
        let bytes = bytes.unwrap();
        let shown = render(Palette::default(), to, &Response::decode(&bytes).unwrap());
        assert!(shown.contains("host      alpha\nproduct   xsvr\nnumber 1  0xA1A1"), "{shown}");
    }

    #[test]
    fn silence_and_refusal_are_told_apart() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = silent.local_addr().unwrap();
        assert_eq!(ask(to, &args(to.port(), "30ms")), Ok(None));
        drop(silent);
        assert!(ask(to, &args(to.port(), "9s")).unwrap_err().contains("nothing listens on UDP port"));
    }
}
