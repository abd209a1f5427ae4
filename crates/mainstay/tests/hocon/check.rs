//! What must hold for any text read as HOCON. The fuzz target and the replay of its corpus share it.

use super::config::fault::Report;
use super::config::hocon::{Data, Object, Outside, Value, outermost_keys, read};
use super::config::source::Sources;

/// Reads `input` and panics where the reader breaks its word.
pub(crate) fn hocon(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    outermost_keys(&text);
    let (object, report, sources) = reading(&text);
    let shown = sources.text(0).unwrap();
    assert_eq!(shown.len(), text.len());
    for found in report.found() {
        if let Some(span) = found.span {
            assert!(span.start <= span.end && span.end as usize <= text.len(), "{found:?}");
        }
        assert!(!found.render(&sources).is_empty());
    }
    let shown = json(&object);
    // A name that is defined, but by nothing, would be another one where it is printed.
    if !report.has_faults() && !shown.contains("${") {
        let (again, report, _) = reading(&shown);
        assert!(!report.has_faults(), "{shown}\n{:?}", report.found());
        assert_eq!(object, again, "{shown}");
    }
}

/// Reads a text with one variable in its environment, and no file beside it.
pub(crate) fn reading(text: &str) -> (Object, Report, Sources) {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let variable = |name: &str| (name == "HOME").then(|| "/home/corda".to_owned());
    let outside = Outside { folder: None, variable: &variable };
    let object = read("any.conf", text, &outside, &mut sources, &mut report);
    (object, report, sources)
}

/// As JSON; what is unset as a substitution.
pub(crate) fn json(object: &Object) -> String {
    let fields: Vec<String> =
        object.fields.iter().map(|entry| format!("{}:{}", quoted(&entry.name), value(&entry.value))).collect();
    format!("{{{}}}", fields.join(","))
}

fn value(value_: &Value) -> String {
    match &value_.data {
        Data::Null => "null".to_owned(),
        Data::Flag(flag) => flag.to_string(),
        Data::Number(text) => text.clone(),
        Data::Text(text) => quoted(text),
        Data::List(list) => format!("[{}]", list.iter().map(value).collect::<Vec<_>>().join(",")),
        Data::Object(object) => json(object),
        Data::Unset(name) => {
            let names: Vec<String> = name.split('.').map(quoted).collect();
            format!("${{{}}}", names.join("."))
        }
    }
}

fn quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if letter < ' ' => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}
