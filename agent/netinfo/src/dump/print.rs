//! Writes a dump, byte for byte as the original does.

use super::CHILDREN;
use crate::tree::Directory;

/// The tree as a dump; it ends with a newline.  What is no text, and control characters, are octal escapes.
#[must_use]
pub fn print(root: &Directory) -> String {
    let mut out = String::new();
    directory(root, 0, &mut out);
    out.push('\n');
    out
}

fn directory(one: &Directory, level: usize, out: &mut String) {
    let indent = "  ".repeat(level);
    out.push_str(&indent);
    out.push_str("{\n");
    for property in &one.properties {
        out.push_str(&indent);
        out.push_str("  ");
        quote(&property.name, out);
        out.push_str(" = ( ");
        for (n, value) in property.values.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            quote(value, out);
        }
        out.push_str(if property.values.is_empty() { ");\n" } else { " );\n" });
    }
    if !one.children.is_empty() {
        out.push_str(&format!("{indent}  {CHILDREN} = (\n"));
        for (n, child) in one.children.iter().enumerate() {
            directory(child, level + 2, out);
            out.push_str(if n + 1 < one.children.len() { ",\n" } else { "\n" });
        }
        out.push_str(&format!("{indent}  )\n"));
    }
    out.push_str(&indent);
    out.push('}');
}

fn quote(bytes: &[u8], out: &mut String) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                c if c.is_ascii_control() => octal(u8::try_from(c).unwrap_or(b'?'), out),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| octal(byte, out));
    }
    out.push('"');
}

fn octal(byte: u8, out: &mut String) {
    out.push_str(&format!("\\{byte:03o}"));
}
