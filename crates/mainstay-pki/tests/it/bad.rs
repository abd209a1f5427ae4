//! What cannot be done is refused in words, and nothing is lost.

use mainstay_pki::{Authority, KeyKind, Password, Profile, Purpose, Verify, show, verify};

use crate::rig::{authority, now, openssl, order, settings};

#[test]
fn names_and_numbers_that_no_certificate_can_carry_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    let mut check = |name: &str, days: u32, expect: &str| {
        let mut wanted = order(Profile::Client, name, &[], KeyKind::EcdsaP256);
        wanted.days = Some(days);
        let said = it.issue(&wanted, now()).unwrap_err().to_string();
        assert!(said.contains(expect), "{name}: {said}");
    };
    check("", 1, "cannot be a name");
    check("../root", 1, "cannot be a name");
    check(".hidden", 1, "cannot be a name");
    check("a/b", 1, "cannot be a name");
    check(&"a".repeat(65), 1, "cannot be a common name");
    check("a", 0, "valid for 0 days");
    check("a", 36_501, "valid for 36501 days");
    assert!(it.issued().is_empty());
    let mut wrong = settings();
    wrong.subject.country = Some("Britain".to_owned());
    let said = Authority::init(&dir.path().join("other"), wrong, None, now()).unwrap_err().to_string();
    assert!(said.contains("two capital letters"), "{said}");
}

#[test]
fn broken_files_are_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    it.issue(&order(Profile::Server, "a", &[], KeyKind::EcdsaP256), now()).unwrap();
    it.issue(&order(Profile::Server, "b", &[], KeyKind::EcdsaP256), now()).unwrap();
    let pki = dir.path().join("pki");
    let path = |name: &str, ending: &str| it.path(Profile::Server, name, ending);
    let check = |change: &dyn Fn(&mut Verify), expect: &str| {
        let mut what = Verify {
            chain: path("a", "-chain.crt"),
            anchors: vec![pki.join("root.crt")],
            lists: Vec::new(),
            purpose: Purpose::Server,
            host: Some("a.acme.test".to_owned()),
            key: Some((path("a", ".key"), None)),
        };
        assert!(verify(&what, now()).is_ok());
        change(&mut what);
        let said = verify(&what, now()).unwrap_err().to_string();
        assert!(said.contains(expect), "{expect} is not in: {said}");
    };
    let junk = dir.path().join("junk");
    std::fs::write(&junk, b"\x00\x01\x02").unwrap();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    check(&|what| what.key = Some((path("b", ".key"), None)), "is not its private key");
    check(&|what| what.chain = path("a", ".crt"), "an intermediate is missing");
    check(&|what| what.host = Some("b.acme.test".to_owned()), "is not for b.acme.test");
    check(&|what| what.purpose = Purpose::Client, "may not be used so");
    check(&|what| what.chain = pki.join("chain.crt"), "");
    check(&|what| what.chain.clone_from(&junk), "junk");
    check(&|what| what.anchors = vec![empty.clone()], "empty");
    check(&|what| what.anchors.clear(), "no anchor");
    check(&|what| what.chain = dir.path().join("absent"), "cannot read");
    check(&|what| what.lists = vec![path("a", ".crt")], "holds no list");
    check(&|what| what.lists = vec![pki.join("revoked.crl")], "take the intermediate as the anchor");
    check(&|what| what.key = Some((path("a", ".crt"), None)), "holds no private key");
    let old = dir.path().join("old.key");
    let (good, said) = openssl("genrsa -traditional -aes128 -passout pass:abcd -out {} 2048", &[&old]);
    assert!(good, "{said}");
    check(&|what| what.key = Some((old.clone(), None)), "OpenSSL's old way");
    assert!(Password::from_file(&empty).unwrap_err().to_string().contains("first line is empty"));
    let said = show(&junk, now()).unwrap_err().to_string();
    assert!(said.contains("junk"), "{said}");
}

#[test]
fn keys_in_every_common_form_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let check = |line: &str| {
        let path = dir.path().join("key");
        let (good, said) = openssl(line, &[&path]);
        assert!(good, "{said}");
        assert!(mainstay_pki::Key::from_file(&path, None).is_ok(), "{line}");
    };
    check("genrsa -traditional -out {} 2048");
    check("genrsa -out {} 2048");
    check("ecparam -name prime256v1 -genkey -noout -out {}");
    check("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {}");
}

#[test]
fn a_register_of_a_newer_mainstay_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(authority(&dir, None));
    let path = dir.path().join("pki/register.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let newer = text.replace("\"version\": 1", "\"version\": 2");
    assert_ne!(text, newer);
    std::fs::write(&path, &newer).unwrap();
    let said = Authority::open(&dir.path().join("pki"), None).unwrap_err().to_string();
    assert!(said.contains("newer Mainstay"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    it.issue(&order(Profile::Server, "a", &[], KeyKind::EcdsaP256), now()).unwrap();
    let register = std::fs::read(dir.path().join("pki/register.json")).unwrap();
    // Where the new register would be written, there is a directory: writing fails as it does on a full disk.
    let beside = dir.path().join("pki/register.json.new");
    std::fs::create_dir(&beside).unwrap();
    let key = std::fs::read(it.path(Profile::Server, "a", ".key")).unwrap();
    let said = it.renew(Profile::Server, "a", now()).unwrap_err().to_string();
    assert!(said.contains("cannot write"), "{said}");
    assert_eq!(std::fs::read(dir.path().join("pki/register.json")).unwrap(), register);
    assert_eq!(std::fs::read(it.path(Profile::Server, "a", ".key")).unwrap(), key);
    assert_eq!(it.issued().len(), 1);
    std::fs::remove_dir(&beside).unwrap();
    it.renew(Profile::Server, "a", now()).unwrap();
}
