//! `mainstay jwt`: tokens and key sets.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use mainstay_pki::jwt::{Claims, Expected, Hashed, KeySet, Ledger, Signer, decode, verify};
use mainstay_pki::{Error, Password};
use serde_json::json;
use time::OffsetDateTime;

use super::print;
use crate::config::units;

/// What is done about tokens.
#[derive(Debug, Subcommand)]
pub enum Jwt {
    /// Prints the key set by which tokens are verified: one key of each certificate.
    Jwks {
        /// Certificates of signers, each with what leads to its root behind it: DIR/jwt-signer/NAME-chain.crt.
        #[arg(required = true)]
        certificates: Vec<PathBuf>,
    },
    /// Signs a token, and prints it.
    Sign(Sign),
    /// Prints what a token says, which may not be true.
    Decode {
        /// The file it stands in [default: standard input].
        file: Option<PathBuf>,
    },
    /// Prints what a token says, if it is true.
    Verify(Verification),
    /// Prints the hash of a client's secret, which is read from standard input.
    Hash,
    /// Publishes a key set and gives tokens to clients that know their secret, over HTTPS, until SIGTERM.
    Serve {
        /// The endpoint in TOML.
        file: PathBuf,
    },
}

/// A new token.
#[derive(Debug, Args)]
pub struct Sign {
    /// The signer's private key: DIR/jwt-signer/NAME.key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file whose first line is the password of that key.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Who it is about: a user of the ledger.
    #[arg(long, value_name = "USER")]
    subject: Option<String>,
    /// Who it is for. Repeatable.
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,
    /// For this participant of Canton 3: the audience is `https://daml.com/jwt/aud/participant/ID`.
    #[arg(long, value_name = "ID")]
    participant: Option<String>,
    /// What it is good for [default: daml_ledger_api, unless there is an audience].
    #[arg(long)]
    scope: Option<String>,
    /// Who signed it.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// How long it is good for.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::time)]
    lifetime: Duration,
    /// Canton 2: a party it may act as. Repeatable.
    #[arg(long, value_name = "PARTY")]
    act_as: Vec<String>,
    /// Canton 2: a party it may read as. Repeatable.
    #[arg(long, value_name = "PARTY")]
    read_as: Vec<String>,
    /// Canton 2: it may administrate.
    #[arg(long)]
    admin: bool,
    /// Canton 2: of this ledger only.
    #[arg(long, value_name = "ID")]
    ledger_id: Option<String>,
    /// Canton 2: for this application only.
    #[arg(long, value_name = "ID")]
    application_id: Option<String>,
}

/// What is verified.
#[derive(Debug, Args)]
pub struct Verification {
    /// The file it stands in [default: standard input].
    file: Option<PathBuf>,
    /// The key set: as `mainstay jwt jwks` prints it.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Who it must be for.
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Who must have signed it.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// What it must be good for.
    #[arg(long)]
    scope: Option<String>,
}

/// `mainstay jwt`
pub(super) fn command(jwt: &Jwt) -> ExitCode {
    let now = OffsetDateTime::now_utc();
    let done = match jwt {
        Jwt::Jwks { certificates } => KeySet::of_certificates(certificates).and_then(|keys| keys.to_json()),
        Jwt::Sign(sign) => signed(sign, now),
        Jwt::Decode { file } => text(file.as_deref()).and_then(|token| {
            let decoded = decode(&token)?;
            Ok(format!("{:#}", json!({ "header": decoded.header, "claims": decoded.claims })))
        }),
        Jwt::Verify(what) => verified(what, now),
        Jwt::Serve { file } => return crate::tokens::command(file),
        Jwt::Hash => text(None).and_then(|secret| {
            let secret = secret.strip_suffix('\n').unwrap_or(&secret);
            Hashed::new(secret).map(String::from)
        }),
    };
    match done {
        Ok(text) => print(&format!("{text}\n"), true),
        Err(error) => {
            eprintln!("mainstay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn signed(sign: &Sign, now: OffsetDateTime) -> Result<String, Error> {
    let password = sign.password_file.as_deref().map(Password::from_file).transpose()?;
    let signer = Signer::from_file(&sign.key, password.as_ref())?;
    let participant = sign.participant.iter().map(|id| format!("https://daml.com/jwt/aud/participant/{id}"));
    let audience: Vec<String> = sign.audience.iter().cloned().chain(participant).collect();
    let rights = sign.admin || !sign.act_as.is_empty() || !sign.read_as.is_empty();
    if !rights && (sign.ledger_id.is_some() || sign.application_id.is_some()) {
        return Err(Error::Refused(
            "--ledger-id and --application-id go with --act-as, --read-as or --admin".to_owned(),
        ));
    }
    let ledger = rights.then(|| Ledger {
        ledger_id: sign.ledger_id.clone(),
        application_id: sign.application_id.clone(),
        act_as: sign.act_as.clone(),
        read_as: sign.read_as.clone(),
        admin: sign.admin,
    });
    let scope = sign.scope.clone().or_else(|| (audience.is_empty() && !rights).then(|| SCOPE.to_owned()));
    let lifetime = time::Duration::try_from(sign.lifetime)
        .map_err(|_| Error::Refused("--lifetime is longer than any time that can be told".to_owned()))?;
    let claims =
        Claims { subject: sign.subject.clone(), audience, scope, issuer: sign.issuer.clone(), lifetime, ledger };
    Ok(signer.sign(&claims, now)?.text().to_owned())
}

fn verified(what: &Verification, now: OffsetDateTime) -> Result<String, Error> {
    let keys = KeySet::from_file(&what.keys)?;
    let expected = Expected { audience: what.audience.clone(), issuer: what.issuer.clone(), scope: what.scope.clone() };
    let decoded = verify(&text(what.file.as_deref())?, &keys, &expected, now)
        .map_err(|error| Error::Refused(format!("the token {error}")))?;
    Ok(format!("{:#}", json!({ "header": decoded.header, "claims": decoded.claims })))
}

/// What is too secret for a command line, which everybody on the machine can read.
fn text(file: Option<&Path>) -> Result<String, Error> {
    let mut text = String::new();
    let (read, path) = match file {
        Some(path) => (std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text)), path),
        None => (std::io::stdin().take(LONGEST).read_to_string(&mut text), Path::new("standard input")),
    };
    match read {
        Ok(_) => Ok(text),
        Err(source) => Err(Error::File { doing: "read", path: path.to_owned(), source }),
    }
}

/// What Canton's ledger API wants of a token without an audience.
const SCOPE: &str = "daml_ledger_api";

/// No token is longer, in bytes.
const LONGEST: u64 = 1 << 16;
