//! Text and C as man(7) has them.

/// Characters of a text, where nothing is meant for roff: a hyphen stays one that can be typed.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c => out.push(c),
        }
    }
    out
}

/// A line that begins with a dot or a quote would be a request.
fn guard(line: String) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

/// A name of the interface, or a word in backticks: bold if it is typed as it stands, italic if it stands for a value.
fn word(word: &str) -> Option<String> {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '*');
    let is_name = ["slnd_", "SLND_"].iter().any(|prefix| bare.starts_with(prefix)) || bare == "NULL";
    let (before, after) = word.split_once(bare).filter(|_| is_name)?;
    Some(format!("{}\\fB{}\\fR{}", escape(before), escape(bare), escape(after)))
}

/// A sentence or more of a comment, on lines of a bearable length.
pub fn prose(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for (i, part) in text.split('`').enumerate() {
        // Every second part stood in backticks; it stays one word, and joins what it touches.
        let quoted = |part: &str| {
            let font =
                if part.chars().any(|c| c.is_ascii_uppercase()) || part.contains(' ') { 'B' } else { 'I' };
            format!("\\f{font}{}\\fR", escape(part).replace(' ', "\\ "))
        };
        let plain = |w: &str| word(w).unwrap_or_else(|| escape(w));
        let mut new: Vec<String> =
            if i % 2 == 1 { vec![quoted(part)] } else { part.split(' ').map(plain).collect() };
        if let (Some(last), false) = (words.last_mut(), i == 0) {
            last.push_str(&new.remove(0));
        }
        words.append(&mut new);
    }
    let mut lines: Vec<String> = vec![String::new()];
    for word in words.into_iter().filter(|w| !w.is_empty()) {
        let line = lines.last_mut().expect("there is a line");
        // A sentence begins a line: roff then knows where it ends.
        let is_over = line.ends_with(['.', '?']) && !line.ends_with("e.g.") && !line.ends_with("...");
        if line.is_empty() {
            *line = word;
        } else if !is_over && line.len() + word.len() < 100 {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines.into_iter().map(guard).collect::<Vec<_>>().join("\n")
}

/// Lines as they are, in letters of one width where there are others: `.EX` would do that, and turn hyphens on again.
fn lines<'a>(font: &str, lines: impl Iterator<Item = &'a str>) -> String {
    let set =
        |line: &str| if line.is_empty() { String::new() } else { format!("\\f({font}{}\\fR", escape(line)) };
    format!(".nf\n{}\n.fi", lines.map(set).collect::<Vec<_>>().join("\n"))
}

/// A text as it is.
pub fn verbatim(text: &str) -> String {
    lines("CR", text.lines())
}

/// A declaration, as wide as a terminal: broken between parameters.
pub fn declaration(declaration: &str) -> String {
    const WIDTH: usize = 72;
    let mut lines = vec![String::new()];
    // Parameters begin below the first one; of a pointer to a function that is its second parenthesis.
    let open =
        declaration.find(")(").map(|at| at + 2).or(declaration.find('(').map(|at| at + 1)).unwrap_or(0);
    let indent = if open > WIDTH / 2 { 4 } else { open };
    for part in declaration.split_inclusive(", ") {
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() && line.len() + part.trim_end().len() > WIDTH {
            lines.push(format!("{}{part}", " ".repeat(indent)));
        } else {
            line.push_str(part);
        }
    }
    self::lines("CB", lines.iter().map(|line| line.trim_end()))
}

#[test]
fn nothing_of_a_text_is_a_request() {
    assert_eq!(prose("`.x` a-b \\ 'q'"), "\\fI.x\\fR a\\-b \\e \\(aqq\\(aq");
    assert_eq!(prose(".TH is text"), "\\&.TH is text");
    assert_eq!(
        prose("(SLND_OK), or `*need`; see slnd_kv."),
        "(\\fBSLND_OK\\fR), or \\fI*need\\fR; see \\fBslnd_kv\\fR."
    );
    assert_eq!(verbatim(".a\n\n'b"), ".nf\n\\f(CR.a\\fR\n\n\\f(CR\\(aqb\\fR\n.fi");
}

#[test]
fn long_declarations_break_between_parameters() {
    let long = "slnd_status (*decide)(struct slnd_host_ctx *ctx, struct slnd_id16 claim, const char *why)";
    assert_eq!(
        declaration(long),
        ".nf\n\\f(CBslnd_status (*decide)(struct slnd_host_ctx *ctx, struct slnd_id16 claim,\\fR\n\
         \\f(CB                      const char *why)\\fR\n.fi"
    );
}
