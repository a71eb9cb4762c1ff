//! `evidence`: what is kept, one of them, a copy of it, and whether a file is evidence at all.
//!
//! `list`, `show` and `export` ask the agent, or read its state directory where none runs; `verify` needs neither.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use serialnumberd_core::evidence::{Findings, check_serial};
use serialnumberd_core::{ClaimKeys, EvidenceId, Serial, Standard};

use super::args::{
    EvidenceCommand, EvidenceExportArgs, EvidenceListArgs, EvidenceShowArgs, EvidenceSource,
    EvidenceVerifyArgs,
};
use super::exhibit::{self, Checked};
use super::output::{Ending, FAILURE, standard};
use crate::config::SerialText;
use crate::control::protocol::{EvidenceList, EvidenceSummary, EvidenceText, Request};
use crate::durable;
use crate::evidence::{Case, LONGEST, Shelf, judge};
use crate::logging;
use crate::paths::Environment;
use crate::status::parse_rfc3339;
use crate::text::{Palette, Tone, clean, moment, span, wrap};

pub(super) fn evidence(command: &EvidenceCommand, environment: &Environment) -> Ending {
    match command {
        EvidenceCommand::List(args) => list(args, environment),
        EvidenceCommand::Show(args) => show(args, environment),
        EvidenceCommand::Export(args) => export(args, environment),
        EvidenceCommand::Verify(args) => verify(args),
    }
}

/// Asks the agent, or the shelf of a state directory.
fn fetch<T: serde::de::DeserializeOwned>(
    source: &EvidenceSource,
    environment: &Environment,
    id: Option<EvidenceId>,
    read: impl FnOnce(&Shelf) -> Result<T, String>,
) -> Result<T, String> {
    match &source.state_dir {
        Some(dir) if !dir.is_dir() => Err(format!("there is no state directory {}", dir.display())),
        Some(dir) => read(&Shelf::of(dir)),
        None => {
            let mut agent = source
                .control
                .connect(environment)
                .map_err(|e| format!("{e}; where none runs, name the state directory with --state-dir"))?;
            agent.ask(&Request::Evidence { id }, Duration::ZERO)
        }
    }
}

fn text_of(source: &EvidenceSource, environment: &Environment, id: EvidenceId) -> Result<Vec<u8>, String> {
    let from_shelf = |shelf: &Shelf| {
        let text = String::from_utf8(shelf.read(id)?);
        Ok(EvidenceText { text: text.map_err(|_| format!("evidence {id} is damaged: it is no text"))? })
    };
    fetch(source, environment, Some(id), from_shelf).map(|answer| answer.text.into_bytes())
}

fn list(args: &EvidenceListArgs, environment: &Environment) -> Ending {
    let from_shelf = |shelf: &Shelf| Ok(EvidenceList { evidence: shelf.list()? });
    let list = fetch(&args.source, environment, None, from_shelf)?.evidence;
    let (mut out, palette) = standard();
    if args.json {
        let text = serde_json::to_string_pretty(&list).map_err(|e| e.to_string())?;
        writeln!(out, "{text}")?;
    } else {
        out.write_all(render_list(palette, &list).as_bytes())?;
    }
    Ok(0)
}

pub(super) fn render_list(palette: Palette, list: &[EvidenceSummary]) -> String {
    if list.is_empty() {
        return "No evidence is kept: no conflict was found here.\n".to_owned();
    }
    list.iter()
        .map(|kept| {
            let id = palette.paint(Tone::Strong, &clean(&kept.id));
            format!("{id}\n{}", wrap("  ", 2, &line(kept)))
        })
        .collect()
}

fn line(kept: &EvidenceSummary) -> String {
    if let Some(flaw) = &kept.flaw {
        return format!("proves nothing: {flaw}");
    }
    let with = match kept.others.as_slice() {
        [] => String::new(),
        [one] => format!(" with {one}"),
        [first, rest @ ..] => format!(" with {first} and {} more", rest.len()),
    };
    let ms = kept.ended.as_deref().and_then(parse_rfc3339).zip(parse_rfc3339(&kept.declared));
    let ended = ms.map_or(String::new(), |(end, begin)| {
        format!(", ended {} later", span(Duration::from_millis(end.saturating_sub(begin))))
    });
    format!(
        "{}: {} of class {}{with}; declared {}{ended}",
        kept.product,
        kept.stage,
        kept.class,
        moment(&kept.declared)
    )
}

fn show(args: &EvidenceShowArgs, environment: &Environment) -> Ending {
    let bytes = text_of(&args.source, environment, args.id)?;
    let (case, findings) =
        judge(&bytes).map_err(|flaw| format!("evidence {} proves nothing: {flaw}", args.id))?;
    if case.exhibit.id != args.id {
        return Err(format!("evidence {} lies there as {}", case.exhibit.id, args.id).into());
    }
    tell(&case, &findings, Checked::WithoutSerial, args.json)
}

fn tell(case: &Case, findings: &Findings, checked: Checked, as_json: bool) -> Ending {
    let (mut out, palette) = standard();
    if as_json {
        let text = serde_json::to_string_pretty(&exhibit::document(case, findings, checked));
        writeln!(out, "{}", text.map_err(|e| e.to_string())?)?;
    } else {
        out.write_all(exhibit::render(palette, case, findings, checked).as_bytes())?;
    }
    Ok(0)
}

fn verify(args: &EvidenceVerifyArgs) -> Ending {
    let name = if is_dash(&args.file) { "standard input".into() } else { args.file.display().to_string() };
    let bytes = read(&args.file).map_err(|e| format!("cannot read {name}: {e}"))?;
    let judged = judge(&bytes).and_then(|(case, findings)| Ok((with_serial(args, &case)?, case, findings)));
    match judged {
        Ok((checked, case, findings)) => tell(&case, &findings, checked, args.json),
        Err(flaw) => {
            if args.json {
                let document: Value = json!({"verified": false, "flaw": flaw});
                writeln!(standard().0, "{document:#}")?;
            }
            logging::failure(&clean(&format!("{name} proves nothing: {flaw}")));
            Ok(FAILURE)
        }
    }
}

fn with_serial(args: &EvidenceVerifyArgs, case: &Case) -> Result<Checked, String> {
    let Some(file) = &args.serial_file else { return Ok(Checked::WithoutSerial) };
    let serial = SerialText::from_file(file)?;
    let serial = Serial::new(serial.expose()).map_err(|e| e.to_string())?;
    let keys = ClaimKeys::derive::<Standard>(&case.exhibit.product, &serial);
    let group = args.group.as_deref();
    let named = check_serial::<Standard>(&case.exhibit, &keys, group).map_err(|flaw| flaw.to_string())?;
    Ok(Checked::WithSerial { of_group: group.map(|_| named) })
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What is at most as long as evidence can be, and a byte more if it is longer.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if is_dash(path) { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut bytes = Vec::new();
    source.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn export(args: &EvidenceExportArgs, environment: &Environment) -> Ending {
    let bytes = text_of(&args.source, environment, args.id)?;
    let (mut out, _) = standard();
    if is_dash(&args.file) {
        out.write_all(&bytes)?;
        return Ok(0);
    }
    let shown = args.file.display();
    let written = if args.force { overwrite(&args.file, &bytes) } else { write_new(&args.file, &bytes) };
    written.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists if !args.force => {
            format!("{shown} exists already; name another file, or overwrite it with --force")
        }
        _ => format!("cannot write {shown}: {e}"),
    })?;
    writeln!(
        out,
        "{shown}: {} bytes; anyone can check them with `serialnumberd evidence verify {shown}`",
        bytes.len()
    )?;
    if let Err(flaw) = judge(&bytes) {
        writeln!(out, "warning: it proves nothing: {}", clean(&flaw))?;
    }
    Ok(0)
}

/// Writes a file that is not there yet, also not as a link to nowhere.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half of it convinces nobody; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(path);
    }
    written
}

/// Puts a new file in the place of one: what a link there leads to stays as it is.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    durable::replace(path, &path.with_file_name(name), bytes, true)
}
