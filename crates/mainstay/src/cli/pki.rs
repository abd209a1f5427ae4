//! `mainstay pki`: certificates.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use mainstay_pki::authority::{Order, Settings};
use mainstay_pki::{
    Authority, Deed, Done, Entry, Error, How, KeyKind, Name, Password, Profile, Purpose, Reason, Scenario, Shown,
    Subject, Verify, parse_name, show, verify,
};
use serde_json::json;
use time::OffsetDateTime;

use super::print;

/// What is done about certificates.
#[derive(Debug, Subcommand)]
pub enum Pki {
    /// Makes an authority: a root, and an intermediate that signs everything else.
    Init(Init),
    /// Signs a certificate and makes its key.
    Issue(Issue),
    /// Signs the next certificate in one's place, with a new key; or the next intermediate, with its own key.
    Renew {
        /// Of which kind.
        #[arg(value_name = "KIND")]
        kind: Renewable,
        /// What it is called; not for an intermediate.
        #[arg(required_if_eq_any = [("kind", "server"), ("kind", "client"), ("kind", "jwt-signer")])]
        name: Option<String>,
        #[command(flatten)]
        here: Here,
    },
    /// Revokes a certificate, and writes the list of revoked ones anew.
    Revoke {
        /// Of which kind.
        kind: Kind,
        /// What it is called, or its serial number in hexadecimal.
        name: String,
        /// Why.
        #[arg(long, value_enum, default_value = "unspecified")]
        reason: Why,
        #[command(flatten)]
        here: Here,
    },
    /// Writes the list of revoked certificates anew, as it is valid for some days only.
    Crl {
        #[command(flatten)]
        here: Here,
    },
    /// Shows what an authority has signed.
    List {
        /// Those before the current ones too.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        here: Here,
    },
    /// Prints a certificate and what leads to its root, in one text.
    Bundle {
        /// Of which kind.
        kind: Kind,
        /// What it is called.
        name: String,
        /// Its private key in front, as HAProxy wants it; goes to a file only.
        #[arg(long, requires = "out")]
        with_key: bool,
        /// To this file, which only its owner may read [default: standard output].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        here: Here,
    },
    /// Shows what stands in files of certificates, lists and keys. Private keys are named, not shown.
    Show {
        /// In PEM or DER.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Verifies a certificate as Mainstay's listeners and pools do.
    Verify(Verification),
    /// Makes what a file asks for and is missing, renews what is due, and touches nothing else.
    Apply {
        /// Authorities and certificates in TOML.
        file: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Sign others for certificates that were revoked or are not as the file says.
        #[arg(long)]
        replace: bool,
    },
}

/// Which authority.
#[derive(Debug, Args)]
pub struct Here {
    /// The authority's directory.
    #[arg(long, value_name = "DIR", default_value = "pki")]
    dir: PathBuf,
    /// The file whose first line is the password of the authority's keys.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// A new authority.
#[derive(Debug, Args)]
pub struct Init {
    /// What its certificates are called after, as in acme.com.
    #[arg(long)]
    domain: String,
    /// Whose certificates they are: O.
    #[arg(long)]
    organization: Option<String>,
    /// C, two capital letters.
    #[arg(long)]
    country: Option<String>,
    /// ST
    #[arg(long)]
    state: Option<String>,
    /// Its two keys.
    #[arg(long, value_enum, default_value = "rsa-4096")]
    key: KeyWord,
    /// For how many days the root is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 7300)]
    root_days: u32,
    /// For how many days the intermediate is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 3650)]
    intermediate_days: u32,
    /// For how many days a list of revoked certificates is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    crl_days: u32,
    /// Where the list of revoked certificates is to be had, written into each certificate.
    #[arg(long, value_name = "URL")]
    crl_url: Option<String>,
    /// An OCSP responder, written into each certificate. Mainstay has none.
    #[arg(long, value_name = "URL")]
    ocsp_url: Option<String>,
    #[command(flatten)]
    here: Here,
}

/// A new certificate.
#[derive(Debug, Args)]
pub struct Issue {
    /// What for.
    kind: Kind,
    /// What it is called. A client's common name, which databases take for the user's name.
    name: String,
    /// A name it is for: a host, an address, URI:... or email:... Repeatable [default: NAME.DOMAIN for servers].
    #[arg(long = "san", value_name = "NAME", value_parser = parse_name)]
    names: Vec<Name>,
    /// For how many days it is valid [default: 365; 375 for clients].
    #[arg(long)]
    days: Option<u32>,
    /// Its key.
    #[arg(long, value_enum, default_value = "rsa-2048")]
    key: KeyWord,
    /// Write certificate and key in DER too.
    #[arg(long)]
    der: bool,
    #[command(flatten)]
    here: Here,
}

/// What is verified.
#[derive(Debug, Args)]
pub struct Verification {
    /// The certificate, with what leads to an anchor behind it.
    file: PathBuf,
    /// A file of certificates that are believed: roots, or an intermediate alone. Repeatable.
    #[arg(long = "ca", value_name = "FILE", required = true)]
    anchors: Vec<PathBuf>,
    /// A list of revoked certificates. Repeatable.
    #[arg(long = "crl", value_name = "FILE")]
    lists: Vec<PathBuf>,
    /// What it is presented as.
    #[arg(long = "as", value_enum, default_value = "server")]
    purpose: PurposeWord,
    /// A host name or address it must be for.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// A private key that must be its own.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The file whose first line is the password of that key.
    #[arg(long, value_name = "FILE", requires = "key")]
    password_file: Option<PathBuf>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// A TLS server
    Server,
    /// A TLS client
    Client,
    /// Signs tokens
    JwtSigner,
}

/// What the next one can be signed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Renewable {
    /// A TLS server
    Server,
    /// A TLS client
    Client,
    /// Signs tokens
    JwtSigner,
    /// The authority's intermediate
    Intermediate,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyWord {
    /// RSA with 2048 bits
    #[value(name = "rsa-2048")]
    Rsa2048,
    /// RSA with 4096 bits
    #[value(name = "rsa-4096")]
    Rsa4096,
    /// ECDSA on P-256
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
}

/// What a certificate is presented as.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurposeWord {
    /// A TLS server
    Server,
    /// A TLS client
    Client,
}

/// Why a certificate is revoked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Why {
    /// Nobody said
    Unspecified,
    /// Somebody else has, or may have, its private key
    KeyCompromise,
    /// Its names are no longer its owner's
    AffiliationChanged,
    /// Another one took its place
    Superseded,
    /// What it was for is no more
    CessationOfOperation,
}

/// `mainstay pki`
pub(super) fn command(pki: &Pki) -> ExitCode {
    let now = OffsetDateTime::now_utc();
    let done = match pki {
        Pki::Init(init) => made(init, now),
        Pki::Issue(issue) => issued(issue, now),
        Pki::Renew { kind, name, here } => renewed(*kind, name.as_deref(), here, now),
        Pki::Revoke { kind, name, reason, here } => open(here).and_then(|mut it| {
            let entry = it.revoke(kind.profile(), name, reason.reason(), now)?;
            let list = here.dir.join("revoked.crl");
            Ok((
                format!("revoked {} {} ({})\nwrote {}\n", entry.profile, entry.name, entry.serial, list.display()),
                true,
            ))
        }),
        Pki::Crl { here } => open(here).and_then(|mut it| {
            it.publish(now)?;
            Ok((format!("wrote {}\n", here.dir.join("revoked.crl").display()), true))
        }),
        Pki::List { all, json, here } => open(here).map(|it| (listed(&it, *all, *json, now), true)),
        Pki::Bundle { kind, name, with_key, out, here } => open(here).and_then(|it| {
            let text = it.bundle(kind.profile(), name, *with_key)?;
            let Some(out) = out else { return Ok((text.to_string(), true)) };
            mainstay_pki::write_private(out, &text)?;
            Ok((format!("wrote {}\n", out.display()), true))
        }),
        Pki::Show { files, json } => shown(files, *json, now),
        Pki::Verify(what) => verified(what, now),
        Pki::Apply { file, dry_run, replace } => applied(file, How { dry: *dry_run, replace: *replace }, now),
    };
    match done {
        Ok((text, good)) => print(&text, good),
        Err(error) => {
            eprintln!("mainstay: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is printed, and whether all is well.
type Outcome = Result<(String, bool), Error>;

fn made(init: &Init, now: OffsetDateTime) -> Outcome {
    let settings = Settings {
        domain: init.domain.clone(),
        subject: Subject {
            organization: init.organization.clone(),
            country: init.country.clone(),
            state: init.state.clone(),
        },
        key: init.key.kind(),
        crl_url: init.crl_url.clone(),
        ocsp_url: init.ocsp_url.clone(),
        root_days: init.root_days,
        intermediate_days: init.intermediate_days,
        crl_days: init.crl_days,
    };
    Authority::init(&init.here.dir, settings, password(&init.here)?, now)?;
    let dir = init.here.dir.display();
    Ok((format!("made {dir}/root.crt\nmade {dir}/intermediate.crt\nmade {dir}/revoked.crl\n"), true))
}

fn issued(issue: &Issue, now: OffsetDateTime) -> Outcome {
    let order = Order {
        profile: issue.kind.profile(),
        name: issue.name.clone(),
        names: issue.names.clone(),
        days: issue.days,
        key: issue.key.kind(),
        der: issue.der,
    };
    let mut it = open(&issue.here)?;
    let entry = it.issue(&order, now)?;
    Ok((signed(&it, &entry), true))
}

fn renewed(kind: Renewable, name: Option<&str>, here: &Here, now: OffsetDateTime) -> Outcome {
    let mut it = open(here)?;
    match (kind.profile(), name) {
        (Some(profile), Some(name)) => {
            let entry = it.renew(profile, name, now)?;
            Ok((signed(&it, &entry), true))
        }
        (None, None) => {
            it.renew_intermediate(now)?;
            let dir = here.dir.display();
            Ok((format!("made {dir}/intermediate.crt, and the chains that it stands in\n"), true))
        }
        (_, Some(_)) => Err(Error::Refused("an authority has one intermediate: give no name".to_owned())),
        (Some(profile), None) => Err(Error::Refused(format!("which {profile}? Give its name"))),
    }
}

fn signed(it: &Authority, entry: &Entry) -> String {
    let always = [".crt", "-chain.crt", ".key"];
    let endings = always.iter().chain(if entry.der { &[".crt.der", ".key.der"][..] } else { &[] });
    let made = endings.map(|ending| format!("made {}\n", it.path(entry.profile, &entry.name, ending).display()));
    made.collect::<String>() + &format!("valid until {}, serial number {}\n", entry.not_after.date(), entry.serial)
}

fn listed(it: &Authority, all: bool, as_json: bool, now: OffsetDateTime) -> String {
    let entries: Vec<&Entry> = it.issued().iter().filter(|entry| all || entry.is_current()).collect();
    if as_json {
        return format!("{:#}\n", json!({ "issued": entries }));
    }
    let width = |of: &dyn Fn(&Entry) -> usize| entries.iter().map(|entry| of(entry)).max().unwrap_or_default();
    let kinds = width(&|entry| entry.profile.word().len());
    let names = width(&|entry| entry.name.len());
    let line = |entry: &&Entry| {
        let standing = match entry.revoked {
            Some(revoked) => format!("revoked on {} ({})", revoked.at.date(), revoked.reason),
            None if entry.not_after <= now => format!("expired on {}", entry.not_after.date()),
            None => format!("{} days left, until {}", (entry.not_after - now).whole_days(), entry.not_after.date()),
        };
        let older = if entry.is_current() { "" } else { ", another took its place" };
        format!("{:kinds$}  {:names$}  {}  {standing}{older}\n", entry.profile.word(), entry.name, entry.serial)
    };
    entries.iter().map(line).collect()
}

fn shown(files: &[PathBuf], as_json: bool, now: OffsetDateTime) -> Outcome {
    let mut text = String::new();
    let mut documents = Vec::new();
    for file in files {
        let found = show(file, now)?;
        documents.push(json!({ "file": file, "holds": found }));
        text.push_str(&format!("{}\n", file.display()));
        text.extend(found.iter().map(described));
    }
    Ok((if as_json { format!("{:#}\n", json!({ "files": documents })) } else { text }, true))
}

fn described(one: &Shown) -> String {
    let rows: Vec<(&str, String)> = match one {
        Shown::Certificate {
            subject,
            issuer,
            serial,
            names,
            authority,
            usages,
            key,
            not_before,
            not_after,
            days_left,
            fingerprint,
        } => vec![
            (if *authority { "authority" } else { "certificate" }, subject.clone()),
            ("signed by", issuer.clone()),
            ("for", names.join(", ")),
            ("may", usages.join(", ")),
            ("key", key.clone()),
            ("valid", format!("{not_before} to {not_after}, {days_left} days left")),
            ("serial", serial.clone()),
            ("sha256", fingerprint.clone()),
        ],
        Shown::RevokedList { issuer, this_update, next_update, serials } => vec![
            ("list of", issuer.clone()),
            ("valid", format!("{this_update} to {}", next_update.as_deref().unwrap_or("whenever"))),
            ("revoked", if serials.is_empty() { "none".to_owned() } else { serials.join(", ") }),
        ],
        Shown::PrivateKey { form, encrypted } => {
            vec![("private key", format!("{form}{}", if *encrypted { ", encrypted" } else { "" }))]
        }
    };
    rows.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("  {name:12} {value}\n"))
        .chain(["\n".to_owned()])
        .collect()
}

fn verified(what: &Verification, now: OffsetDateTime) -> Outcome {
    let password = what.password_file.as_deref().map(Password::from_file).transpose()?;
    let asked = Verify {
        chain: what.file.clone(),
        anchors: what.anchors.clone(),
        lists: what.lists.clone(),
        purpose: match what.purpose {
            PurposeWord::Server => Purpose::Server,
            PurposeWord::Client => Purpose::Client,
        },
        host: what.host.clone(),
        key: what.key.clone().map(|key| (key, password)),
    };
    verify(&asked, now)?;
    Ok((format!("{}: good\n", what.file.display()), true))
}

fn applied(file: &std::path::Path, how: How, now: OffsetDateTime) -> Outcome {
    let done = Scenario::read(file)?.apply(how, now)?;
    let good = !done.iter().any(|done| matches!(done.deed, Deed::Differs { .. }));
    let line = |done: &Done| if how.dry { done.planned() + "\n" } else { format!("{done}\n") };
    Ok((done.iter().map(line).collect(), good))
}

fn open(here: &Here) -> Result<Authority, Error> {
    Authority::open(&here.dir, password(here)?)
}

fn password(here: &Here) -> Result<Option<Password>, Error> {
    here.password_file.as_deref().map(Password::from_file).transpose()
}

impl Kind {
    const fn profile(self) -> Profile {
        match self {
            Self::Server => Profile::Server,
            Self::Client => Profile::Client,
            Self::JwtSigner => Profile::JwtSigner,
        }
    }
}

impl Renewable {
    const fn profile(self) -> Option<Profile> {
        match self {
            Self::Server => Some(Profile::Server),
            Self::Client => Some(Profile::Client),
            Self::JwtSigner => Some(Profile::JwtSigner),
            Self::Intermediate => None,
        }
    }
}

impl KeyWord {
    const fn kind(self) -> KeyKind {
        match self {
            Self::Rsa2048 => KeyKind::Rsa2048,
            Self::Rsa4096 => KeyKind::Rsa4096,
            Self::EcdsaP256 => KeyKind::EcdsaP256,
        }
    }
}

impl Why {
    const fn reason(self) -> Reason {
        match self {
            Self::Unspecified => Reason::Unspecified,
            Self::KeyCompromise => Reason::KeyCompromise,
            Self::AffiliationChanged => Reason::AffiliationChanged,
            Self::Superseded => Reason::Superseded,
            Self::CessationOfOperation => Reason::CessationOfOperation,
        }
    }
}
