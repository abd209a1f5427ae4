//! A text whose secrets may be shown: excerpts of files end up in logs and tickets.

/// `text` with what follows the names of secrets covered by asterisks; every byte keeps its place.
pub(super) fn mask(text: &str) -> String {
    let mut covered = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        cover(line, &mut covered);
    }
    covered
}

fn cover(line: &str, covered: &mut String) {
    let lower = line.to_ascii_lowercase();
    let mut at = 0;
    while let Some((start, end)) = secret(&lower, line, at) {
        covered.push_str(line.get(at..start).unwrap_or_default());
        covered.extend(line.get(start..end).unwrap_or_default().bytes().map(|_| '*'));
        at = end;
    }
    covered.push_str(line.get(at..).unwrap_or_default());
}

/// The next secret at or after `from`: what is assigned to a name that ends in one of [`NAMES`]. A substitution is none.
fn secret(lower: &str, line: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let rest = lower.get(at..)?;
        let (found, name) = NAMES.iter().filter_map(|name| rest.find(name).map(|found| (found, name))).min()?;
        at += found + name.len();
        let after = line.get(at..)?;
        let value = after.trim_start_matches('"').trim_start();
        let Some(value) = value.strip_prefix([':', '=']).map(str::trim_start) else { continue };
        if value.is_empty() || value.starts_with("${") {
            continue;
        }
        let start = line.len() - value.len();
        return Some((start, start + length(value)));
    }
}

/// How far a value reaches: to the end of its quotes, else to where an entry ends.
fn length(value: &str) -> usize {
    if !value.starts_with('"') {
        return value.find([',', '}', ']', '\n', '\r']).unwrap_or(value.len());
    }
    let mut escaped = false;
    for (at, byte) in value.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    value.trim_end().len()
}

const NAMES: [&str; 5] = ["password", "passphrase", "secret", "token", "credentials"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered() {
        for (text, expect) in [
            ("a.password = hush", "a.password = ****"),
            ("keyStorePassword : \"hu\\\"sh\", b = 1\nc = 2", "keyStorePassword : ********, b = 1\nc = 2"),
            ("{ user = u, \"password\" = hush }", "{ user = u, \"password\" = *****}"),
            ("password = ${SECRET}", "password = ${SECRET}"),
            ("password = \"é\"", "password = ****"),
            ("password = \"open", "password = *****"),
            ("password {", "password {"),
            ("the password", "the password"),
            ("passwords, token=x", "passwords, token=*"),
        ] {
            assert_eq!(mask(text), expect);
            assert_eq!(mask(text).len(), text.len());
        }
    }
}
