//! The known word that a mistyped one was probably meant to be.

/// The nearest of `known` to `word` by edit distance; the first of equals; `None` if there is none.
#[must_use]
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|k| distance(word, k))
}

/// `did you mean "x"?` if the nearest is near enough to be a slip of the finger, at most one edit in three
/// letters; else the words there are.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let near_enough = |k: &&str| distance(word, k) <= word.len().max(k.len()).div_ceil(3);
    if let Some(near) = nearest(word, known.clone()).filter(near_enough) {
        return format!("did you mean \"{near}\"?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() { "there are none".to_owned() } else { format!("known are {}", all.join(", ")) }
}

/// Insertions, deletions, replacements and swaps of neighbors (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut two_back: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(two_back[j - 2] + 1);
            }
            row.push(best);
        }
        two_back = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word() {
        let known = ["interval", "interfaces", "port", "peers", "legacy"];
        for (typed, meant) in [
            ("intervall", "interval"),
            ("interface", "interfaces"),
            ("prot", "port"),
            ("LEGACY", "legacy"),
            ("pears", "peers"),
        ] {
            assert_eq!(nearest(typed, known), Some(meant));
        }
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn a_hint_suggests_only_what_is_near() {
        let known = ["mode", "grace", "act_on"];
        assert_eq!(hint("gracee", known), "did you mean \"grace\"?");
        assert_eq!(hint("act-on", known), "did you mean \"act_on\"?");
        assert_eq!(hint("colour", known), "known are mode, grace, act_on");
        assert_eq!(hint("x", []), "there are none");
    }

    #[test]
    fn distances_are_the_textbook_ones() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("same", "same"), 0);
    }
}
