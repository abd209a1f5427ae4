//! Users and groups by name, from the system's own files.

use crate::config::fault::did_you_mean;

/// Reads `user`, `user:group` or `:group`; names or numbers. The files are those of `/etc/passwd` and `/etc/group`.
pub(super) fn owner(text: &str, passwd: &str, group: &str) -> Result<(Option<u32>, Option<u32>), (String, String)> {
    let (user, own_group) = text.split_once(':').unwrap_or((text, ""));
    let id = |kind: &str, name: &str, file: &str| match (name, number(name).or_else(|| look_up(name, file))) {
        ("", _) => Ok(None),
        (_, Some(id)) => Ok(Some(id)),
        (_, None) => {
            let names = file.lines().filter_map(|line| line.split(':').next());
            let help = match did_you_mean(name, names) {
                Some(guess) => format!("did you mean \"{guess}\"?"),
                None => format!("create the {kind}, or write the number of one"),
            };
            Err((format!("there is no {kind} \"{name}\" on this machine"), help))
        }
    };
    let found = (id("user", user, passwd)?, id("group", own_group, group)?);
    if found == (None, None) {
        return Err((format!("\"{text}\" names nobody"), "write \"user\", \"user:group\" or \":group\"".to_owned()));
    }
    Ok(found)
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Both files have the name first and the id third.
fn look_up(name: &str, file: &str) -> Option<u32> {
    file.lines().map(|line| line.split(':')).find_map(|mut parts| {
        (parts.next()? == name).then_some(())?;
        parts.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nquorum:x:1001:1002::/:\n";
        let group = "root:x:0:\nledger:x:1002:quorum\n";
        for (text, expect) in [
            ("root", Some((Some(0), None))),
            ("quorum:ledger", Some((Some(1001), Some(1002)))),
            (":ledger", Some((None, Some(1002)))),
            ("7:8", Some((Some(7), Some(8)))),
            ("quorun", None),
            ("quorum:root1", None),
            ("", None),
            (":", None),
        ] {
            assert_eq!(owner(text, passwd, group).ok(), expect, "{text}");
        }
        assert_eq!(owner("quorun", passwd, group).unwrap_err().1, "did you mean \"quorum\"?");
    }
}
