//! The fuzz target's corpus, and every case cut short, through the checks of the target.

use std::path::Path;

use super::check::hocon;

#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/hocon");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!((10..=MOST_FILES).contains(&files.len()), "{} files in {}", files.len(), folder.display());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() <= MOST_BYTES, "{} is too large", file.display());
        // The name, for when the check panics.
        println!("{}", file.display());
        hocon(&bytes);
    }
}

#[test]
fn files_cut_short() {
    for case in include_str!("cases.txt").split("=== ").filter_map(|case| case.split_once('\n')) {
        for end in 0..=case.1.len() {
            hocon(&case.1.as_bytes()[..end]);
        }
    }
}

#[test]
fn texts_that_grow() {
    let doubled = |row: &str| -> String {
        let lines = (1..64).map(|n| format!("a{n} = {}\n", row.replace('@', &format!("${{a{}}}", n - 1))));
        std::iter::once("a0 = [x]\n".to_owned()).chain(lines).collect()
    };
    for row in ["@@", "[@, @]", "{ x = @, y = @ }", "@ @ @ @"] {
        hocon(doubled(row).as_bytes());
        hocon(doubled(row).replace("[x]", "xxxxxxxx").as_bytes());
    }
    hocon("[".repeat(100_000).as_bytes());
    hocon("a{".repeat(100_000).as_bytes());
    hocon(format!("a = {}", "{b:".repeat(100_000)).as_bytes());
    hocon(format!("{} = 1", "a.".repeat(10_000) + "b").as_bytes());
    let chain: String = (0..2000).map(|n| format!("a{n} = ${{a{}}}\n", n + 1)).collect();
    hocon(chain.as_bytes());
}

const MOST_FILES: usize = 600;
const MOST_BYTES: usize = 4096;
