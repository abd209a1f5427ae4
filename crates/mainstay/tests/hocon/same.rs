//! What files mean, held to the library that Corda itself reads them with: `cases.json` is its answer to each of
//! `cases.txt`, `null` where it refuses, with `HOME=/home/corda` in its environment.

use super::check::{json, reading};

#[test]
fn files_mean_what_they_mean_to_corda() {
    let answers: serde_json::Value = serde_json::from_str(include_str!("cases.json")).unwrap();
    let cases: Vec<(&str, &str)> =
        include_str!("cases.txt").split("=== ").filter_map(|case| case.split_once('\n')).collect();
    assert!(cases.len() > 100, "only {} cases", cases.len());
    let wrong: Vec<String> =
        cases.iter().filter_map(|(name, text)| differs(name, text, &answers[name.trim()])).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differs(name: &str, text: &str, answer: &serde_json::Value) -> Option<String> {
    let (object, report, _) = reading(text);
    let shown = json(&object);
    let refused = report.has_faults() || shown.contains("${\"nothing");
    if refused || answer.is_null() {
        let message = report.found().first().map(|fault| fault.message.clone()).unwrap_or_default();
        return (refused != answer.is_null()).then(|| format!("{name}: {message} {shown}, not {answer}"));
    }
    let found: serde_json::Value = match serde_json::from_str(&shown) {
        Ok(found) => found,
        Err(error) => return Some(format!("{name}: {error}: {shown}")),
    };
    (!alike(&found, answer)).then(|| format!("{name}: {found}, not {answer}"))
}

/// Equal, numbers by their value.
fn alike(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (left, right) {
        (Number(left), Number(right)) => left.as_f64() == right.as_f64(),
        (Array(left), Array(right)) => left.len() == right.len() && left.iter().zip(right).all(|(l, r)| alike(l, r)),
        (Object(left), Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| alike(value, other)))
        }
        (left, right) => left == right,
    }
}
