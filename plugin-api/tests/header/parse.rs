//! Reads what a committed header declares, each thing with its comment: headers in the form that cbindgen gives them,
//! and the `#define` lines of the parts written by hand.  It knows these forms, not C.

/// What a declaration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Typedef,
    Struct,
    Function,
    Field,
}

/// Something that a header declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub kind: Kind,
    pub name: String,
    /// The comment before it, its lines joined.
    pub doc: String,
    /// In C, on one line, without semicolon; of a struct its head.
    pub declaration: String,
    /// Of a struct.
    pub fields: Vec<Item>,
}

/// A macro: the line that defines it, and the comment behind or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Macro {
    pub name: String,
    /// With parentheses; empty if it takes no arguments.
    pub parameters: String,
    pub value: String,
    pub doc: String,
}

impl Item {
    /// Whether it is a function, or a field that points to one.
    pub fn is_callable(&self) -> bool {
        self.kind == Kind::Function || (self.kind == Kind::Field && self.declaration.contains("(*"))
    }
}

/// The name that a declaration declares; of a pointer to a function the one in its first parentheses.
fn declared(declaration: &str) -> &str {
    let head = match declaration.split_once("(*") {
        Some((_, inner)) => inner.split(')').next().unwrap_or(inner),
        None => declaration.split(['(', '[']).next().unwrap_or(declaration),
    };
    head.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .find(|word| !word.is_empty())
        .unwrap_or(head)
}

fn item(kind: Kind, doc: &str, declaration: &str) -> Item {
    // What a function has before its type is for compilers.
    let declaration = declaration.split_once(" static ").map_or(declaration, |(_, rest)| rest);
    let declaration = declaration.trim_start_matches("SLND_API ").trim_start_matches("SLND_PLUGIN_EXPORT ");
    let name = declared(declaration).to_owned();
    Item { kind, name, doc: doc.to_owned(), declaration: declaration.to_owned(), fields: Vec::new() }
}

/// Puts the comments of a text on one line each, so that every line is a whole comment or no comment.
fn with_comments_joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map(str::trim) {
        match lines.last_mut().filter(|_| is_open) {
            Some(comment) => {
                comment.push(' ');
                comment.push_str(line.strip_prefix("* ").unwrap_or(line));
            }
            None => lines.push(line.to_owned()),
        }
        let now = lines.last().expect("a line was just added");
        is_open = now.starts_with("/*") && !now.ends_with("*/");
    }
    lines
}

/// The text of a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    Some(line.strip_prefix("/*")?.strip_suffix("*/")?.trim())
}

/// All that a header declares, in its order.
pub fn items(header: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let (mut doc, mut statement, mut in_struct) = (String::new(), String::new(), false);
    for line in with_comments_joined(&without_bodies(header)) {
        if let Some(text) = comment(&line) {
            doc = text.to_owned();
            continue;
        }
        let gap = if statement.is_empty() || statement.ends_with('(') { "" } else { " " };
        statement.push_str(gap);
        statement.push_str(&line);
        let Some(whole) = statement.strip_suffix([';', '{']).map(str::trim_end) else { continue };
        match whole.strip_prefix("typedef ") {
            _ if whole.starts_with('}') => in_struct = false,
            Some(head) if statement.ends_with('{') => {
                items.push(item(Kind::Struct, &doc, head));
                in_struct = true;
            }
            Some(alias) => items.push(item(Kind::Typedef, &doc, alias)),
            None if in_struct => {
                items.last_mut().expect("a struct is open").fields.push(item(Kind::Field, &doc, whole));
            }
            None if whole.contains('(') => items.push(item(Kind::Function, &doc, whole)),
            None => {}
        }
        statement.clear();
    }
    // Assertions are calls of macros for the header alone.
    items.retain(|item| !item.name.ends_with('_'));
    items
}

/// A header without its directives, and with a semicolon for the body of each function.
fn without_bodies(header: &str) -> String {
    let (mut out, mut in_directive, mut in_body) = (String::new(), false, false);
    for line in header.lines() {
        if in_directive || line.starts_with('#') {
            in_directive = line.ends_with('\\');
        } else if in_body {
            in_body = line != "}";
        } else if line.ends_with(") {") {
            in_body = true;
            out.push_str(&format!("{};\n", line.trim_end_matches(" {")));
        } else if !line.starts_with("extern \"C\"") && line != "}" {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

/// The macros of a header that others may use: whose names do not end in an underscore.
pub fn macros(header: &str) -> Vec<Macro> {
    let mut doc = String::new();
    let mut macros = Vec::new();
    for line in with_comments_joined(header) {
        if let Some(text) = comment(&line) {
            // A heading is about more than the next macro.
            doc = if text.starts_with("----") { String::new() } else { text.to_owned() };
            continue;
        }
        // #ifndef may stand between a macro and its comment.
        if line.starts_with("#if") {
            continue;
        }
        let definition = line.strip_prefix("#define ").filter(|rest| rest.starts_with("SLND_"));
        if let Some(definition) = definition {
            let (name, rest) = definition.split_at(definition.find([' ', '(']).unwrap_or(definition.len()));
            // An argument list follows without a blank; a value in parentheses does not.
            let (parameters, value) = match rest.split_once(')') {
                Some((parameters, value)) if rest.starts_with('(') => (format!("{parameters})"), value),
                _ => (String::new(), rest),
            };
            let (value, behind) = value.split_once("/*").unwrap_or((value, ""));
            let behind = behind.trim_end_matches("*/").trim();
            macros.push(Macro {
                name: name.to_owned(),
                parameters,
                value: value.trim_end_matches('\\').trim().to_owned(),
                doc: if behind.is_empty() { doc.clone() } else { behind.to_owned() },
            });
        }
        doc.clear();
    }
    macros.retain(|one: &Macro| !one.name.ends_with('_'));
    macros
}

#[test]
fn declarations_and_their_comments_are_found() {
    let header = "/* guard */\n#ifndef X\n/*\n A thing,\n in two lines.\n */\ntypedef struct thing {\n  /* Bytes. */\n  \
                  uint8_t b[2];\n  /* [any] Does. */\n  int (*run)(void *ctx,\n             const char *what);\n} thing;\n\
                  /* Number. */\ntypedef int32_t number;\n/* Makes one. */\nSLND_API number make(\n    thing *out);\n\
                  #define SLND_X \\\n  int x;\nASSERT_(1, \"\");\n/* Inline. */\n__attribute__((a)) static void put(int c,\n    \
                  ...) {\n  out(c);\n}\n#endif\n";
    let found = items(header);
    let told: Vec<_> =
        found.iter().chain(&found[0].fields).map(|i| (i.kind, &*i.name, &*i.declaration, &*i.doc)).collect();
    let expected = [
        (Kind::Struct, "thing", "struct thing", "A thing, in two lines."),
        (Kind::Typedef, "number", "int32_t number", "Number."),
        (Kind::Function, "make", "number make(thing *out)", "Makes one."),
        (Kind::Function, "put", "void put(int c, ...)", "Inline."),
        (Kind::Field, "b", "uint8_t b[2]", "Bytes."),
        (Kind::Field, "run", "int (*run)(void *ctx, const char *what)", "[any] Does."),
    ];
    assert_eq!(told, expected);
}

#[test]
fn macros_and_their_comments_are_found() {
    let header = "/* ---- heading ---- */\n#define SLND_A ((x)1) /* behind */\n/* before,\n * in two lines */\n#define SLND_F(a, b) \\\n  (a)\n\n\
                  #define SLND_F_(a) a\n/* ---- heading ---- */\n#define SLND_B \"x\"\n/* empty */\n#ifndef SLND_C\n#define SLND_C\n#endif\n";
    let found = macros(header);
    let told: Vec<_> = found.iter().map(|m| (&*m.name, &*m.parameters, &*m.value, &*m.doc)).collect();
    let expected = [
        ("SLND_A", "", "((x)1)", "behind"),
        ("SLND_F", "(a, b)", "", "before, in two lines"),
        ("SLND_B", "", "\"x\"", ""),
        ("SLND_C", "", "", "empty"),
    ];
    assert_eq!(told, expected);
}
