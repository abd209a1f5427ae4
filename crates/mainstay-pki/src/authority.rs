//! A directory with a root, an intermediate and what they have signed.
//!
//! ```text
//! DIR/register.json            what the authority is, and what it has signed
//! DIR/root.crt      root.key         the root; its key is needed for a new intermediate only, and may be kept elsewhere
//! DIR/intermediate.crt  intermediate.key   signs everything else
//! DIR/chain.crt                intermediate and root
//! DIR/revoked.crl              the list of revoked certificates
//! DIR/server/NAME.crt  NAME-chain.crt  NAME.key        the certificate; with intermediate and root behind it; its key
//! DIR/server/NAME.crt.der  NAME.key.der                the same for programs that want DER, on wish
//! DIR/client/...  DIR/jwt-signer/...
//! ```
//!
//! What is signed stands in the register before it stands in a file, so nothing is out there that cannot be revoked.
//! Private keys are readable by their owner only. One process at a time changes a directory.

use std::fs::File;
use std::path::{Path, PathBuf};

use rcgen::{Certificate, CertificateRevocationListParams, Issuer, KeyIdMethod, RevokedCertParams, SerialNumber};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::file::{self, Mode};
pub use crate::register::Settings;
use crate::register::{Entry, Reason, Register, Revoked};
use crate::{Error, Key, KeyKind, Name, Password, Profile, params, parse_name};

/// An authority, and the right to change it.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    register: Register,
    password: Option<Password>,
    /// Held as long as this value lives.
    _lock: File,
}

/// What shall be signed.
#[derive(Clone, Debug)]
pub struct Order {
    /// What for.
    pub profile: Profile,
    /// What it is called: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The names in it; none: `NAME.DOMAIN` for servers, none for others.
    pub names: Vec<Name>,
    /// For how many days; else as the profile has it.
    pub days: Option<u32>,
    /// Which key is made for it.
    pub key: KeyKind,
    /// Whether DER files are written too.
    pub der: bool,
}

impl Authority {
    /// Makes an authority: its two keys, encrypted if there is a password, and its two certificates.
    ///
    /// # Errors
    /// There is one already; the directory cannot be written; a setting cannot be put into a certificate.
    pub fn init(
        dir: &Path,
        settings: Settings,
        password: Option<Password>,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        file::make_directory(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(REGISTER);
        for taken in [&path, &dir.join(ROOT_KEY), &dir.join(INTERMEDIATE_KEY)] {
            if taken.exists() {
                return Err(Error::content(taken, "exists: an authority is made once. Take another directory"));
            }
        }
        let root_key = Key::generate(settings.key)?;
        let root_name = format!("root-ca.{}", settings.domain);
        let root_params = params::authority(&settings, &root_name, settings.root_days, None, now)?;
        let root = root_params.self_signed(&root_key.0).map_err(|error| unsigned(&error))?;
        file::put(&dir.join(ROOT_KEY), root_key.to_pem(password.as_ref())?.as_bytes(), Mode::Private)?;
        file::put(&dir.join(ROOT), root.pem().as_bytes(), Mode::Public)?;
        let it = Self { dir: dir.to_owned(), register: Register::new(settings), password, _lock: lock };
        it.sign_intermediate(&Issuer::new(root_params, root_key.0), &root.pem(), now)?;
        // Last: what has a register is complete.
        it.register.write(&path)?;
        let mut it = it;
        it.publish(now)?;
        Ok(it)
    }

    /// Opens one.
    ///
    /// # Errors
    /// There is none, another process has it open, or its register cannot be read.
    pub fn open(dir: &Path, password: Option<Password>) -> Result<Self, Error> {
        let path = dir.join(REGISTER);
        if !path.exists() {
            return Err(Error::content(dir, "is no authority: `mainstay pki init` makes one"));
        }
        let lock = lock(dir)?;
        Ok(Self { dir: dir.to_owned(), register: Register::read(&path)?, password, _lock: lock })
    }

    /// What it is.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.register.settings
    }

    /// Everything it has signed, oldest first.
    #[must_use]
    pub fn issued(&self) -> &[Entry] {
        &self.register.issued
    }

    /// The certificate of that name whose files are there.
    #[must_use]
    pub fn current(&self, profile: Profile, name: &str) -> Option<&Entry> {
        self.register.current(profile, name)
    }

    /// Until when its list of revoked certificates is valid.
    #[must_use]
    pub const fn crl_until(&self) -> Option<OffsetDateTime> {
        self.register.crl_until
    }

    /// Signs a certificate and writes its files.
    ///
    /// # Errors
    /// There is one of that name, unless it is expired or revoked; a name or number that cannot be put into a certificate;
    /// files that cannot be written.
    pub fn issue(&mut self, order: &Order, now: OffsetDateTime) -> Result<Entry, Error> {
        if let Some(there) = self.current(order.profile, &order.name)
            && there.revoked.is_none()
            && there.not_after > now
        {
            return Err(Error::refused(format!(
                "{} {} is there, valid until {}: `mainstay pki renew {} {}` signs the next",
                order.profile,
                order.name,
                there.not_after.date(),
                order.profile,
                order.name
            )));
        }
        self.sign(order, now)
    }

    /// Signs a certificate and writes its files, whether there is one of that name or not.
    ///
    /// # Errors
    /// A name or number that cannot be put into a certificate; files that cannot be written.
    pub fn replace(&mut self, order: &Order, now: OffsetDateTime) -> Result<Entry, Error> {
        self.sign(order, now)
    }

    /// Signs the next certificate in a certificate's place, with a new key, for the same names. The one before it stays
    /// valid until its end; revoke it if it must not.
    ///
    /// # Errors
    /// There is none of that name; files that cannot be written.
    pub fn renew(&mut self, profile: Profile, name: &str, now: OffsetDateTime) -> Result<Entry, Error> {
        let there = self.current(profile, name).ok_or_else(|| self.none(profile, name))?;
        let order = Order {
            profile,
            name: name.to_owned(),
            names: there.names.clone(),
            days: Some(there.days),
            key: there.key,
            der: there.der,
        };
        self.sign(&order, now)
    }

    /// Signs the next intermediate in the intermediate's place, with its own key: what it has signed stays valid.
    ///
    /// # Errors
    /// The root's key is not there, or cannot be opened.
    pub fn renew_intermediate(&mut self, now: OffsetDateTime) -> Result<(), Error> {
        let root = file::read_text(&self.dir.join(ROOT))?;
        let key = Key::from_file(&self.dir.join(ROOT_KEY), self.password.as_ref())?;
        let issuer = Issuer::from_ca_cert_pem(&root, key.0).map_err(|error| unsigned(&error))?;
        self.sign_intermediate(&issuer, &root, now)?;
        let current: Vec<Entry> = self.register.issued.iter().filter(|entry| entry.is_current()).cloned().collect();
        for entry in current {
            self.write_chain(entry.profile, &entry.name)?;
        }
        Ok(())
    }

    /// Revokes a certificate, and writes the list of revoked ones anew.
    ///
    /// # Errors
    /// There is none of that name or serial number, or it is revoked already; files that cannot be written.
    pub fn revoke(
        &mut self,
        profile: Profile,
        name: &str,
        reason: Reason,
        now: OffsetDateTime,
    ) -> Result<Entry, Error> {
        let none = self.none(profile, name);
        let mut next = self.register.clone();
        let entry = next
            .issued
            .iter_mut()
            .rev()
            .find(|entry| entry.profile == profile && (entry.name == name || entry.serial == name.to_ascii_lowercase()))
            .ok_or(none)?;
        if let Some(revoked) = entry.revoked {
            return Err(Error::refused(format!("{profile} {name} was revoked on {}", revoked.at.date())));
        }
        entry.revoked = Some(Revoked { at: now.replace_nanosecond(0).unwrap_or(now), reason });
        let entry = entry.clone();
        self.keep(next)?;
        self.publish(now)?;
        Ok(entry)
    }

    /// Writes the list of revoked certificates anew, valid for the days of the settings.
    ///
    /// # Errors
    /// The intermediate's key cannot be opened; files that cannot be written.
    pub fn publish(&mut self, now: OffsetDateTime) -> Result<(), Error> {
        let now = now.replace_nanosecond(0).unwrap_or(now);
        let mut next = self.register.clone();
        let until = now + Duration::days(i64::from(next.settings.crl_days));
        next.crl_number += 1;
        next.crl_until = Some(until);
        let revoked = |entry: &Entry| {
            // An expired certificate needs no list (RFC 5280, 3.3), but must have been on one after it expired.
            let revoked = entry.revoked.filter(|_| entry.not_after + Duration::days(1) > now)?;
            Some(RevokedCertParams {
                serial_number: serial_number(&entry.serial),
                revocation_time: revoked.at,
                reason_code: revoked.reason.code(),
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: until,
            crl_number: SerialNumber::from(next.crl_number),
            issuing_distribution_point: None,
            revoked_certs: next.issued.iter().filter_map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.intermediate()?).map_err(|error| unsigned(&error))?;
        let text = list.pem().map_err(|error| unsigned(&error))?;
        self.keep(next)?;
        file::put(&self.dir.join(LIST), text.as_bytes(), Mode::Public)
    }

    /// Everything a server or client presents, in one text: with its key in front if that is wanted, certificate,
    /// intermediate and root.
    ///
    /// # Errors
    /// There is none of that name; files that cannot be read.
    pub fn bundle(&self, profile: Profile, name: &str, with_key: bool) -> Result<Zeroizing<String>, Error> {
        self.current(profile, name).ok_or_else(|| self.none(profile, name))?;
        let mut text = Zeroizing::new(String::new());
        if with_key {
            text.push_str(&file::read_text(&self.path(profile, name, ".key"))?);
        }
        text.push_str(&file::read_text(&self.path(profile, name, "-chain.crt"))?);
        Ok(text)
    }

    /// Where a certificate's file is: that of `ending` `.crt`, `-chain.crt` or `.key`.
    #[must_use]
    pub fn path(&self, profile: Profile, name: &str, ending: &str) -> PathBuf {
        self.dir.join(profile.word()).join(format!("{name}{ending}"))
    }

    fn sign(&mut self, order: &Order, now: OffsetDateTime) -> Result<Entry, Error> {
        check_name(&order.name)?;
        let settings = &self.register.settings;
        let names = if order.names.is_empty() && order.profile == Profile::Server {
            vec![parse_name(&format!("DNS:{}.{}", order.name, settings.domain))?]
        } else {
            order.names.clone()
        };
        let days = order.days.unwrap_or_else(|| order.profile.days());
        let common_name = common_name(order.profile, &order.name, &names, &settings.domain);
        let params = params::leaf(settings, order.profile, order.key, &common_name, &names, days, now)?;
        let issuer = self.intermediate()?;
        let key = Key::generate(order.key)?;
        let certificate = params.signed_by(&key.0, &issuer).map_err(|error| unsigned(&error))?;
        let entry = Entry {
            serial: params.serial_number.as_ref().map(hexadecimal).unwrap_or_default(),
            profile: order.profile,
            name: order.name.clone(),
            names,
            key: order.key,
            not_before: params.not_before,
            not_after: params.not_after,
            days,
            der: order.der,
            revoked: None,
            superseded: false,
        };
        let mut next = self.register.clone();
        for before in next.issued.iter_mut().filter(|it| it.profile == entry.profile && it.name == entry.name) {
            before.superseded = true;
        }
        next.issued.push(entry.clone());
        file::make_directory(&self.dir.join(order.profile.word()))?;
        self.keep(next)?;
        self.write_leaf(&entry, &certificate, &key)?;
        Ok(entry)
    }

    /// The key first: whoever reads in between finds a key that does not fit and keeps what it had.
    fn write_leaf(&self, entry: &Entry, certificate: &Certificate, key: &Key) -> Result<(), Error> {
        let path = |ending: &str| self.path(entry.profile, &entry.name, ending);
        file::put(&path(".key"), key.to_pem(None)?.as_bytes(), Mode::Private)?;
        file::put(&path(".crt"), certificate.pem().as_bytes(), Mode::Public)?;
        self.write_chain(entry.profile, &entry.name)?;
        if entry.der {
            file::put(&path(".key.der"), &key.to_der(), Mode::Private)?;
            file::put(&path(".crt.der"), certificate.der(), Mode::Public)?;
        }
        Ok(())
    }

    fn write_chain(&self, profile: Profile, name: &str) -> Result<(), Error> {
        let mut chain = file::read_text(&self.path(profile, name, ".crt"))?.to_string();
        chain.push_str(&file::read_text(&self.dir.join(CHAIN))?);
        file::put(&self.path(profile, name, "-chain.crt"), chain.as_bytes(), Mode::Public)
    }

    fn sign_intermediate(
        &self,
        root: &Issuer<'_, rcgen::KeyPair>,
        root_pem: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let settings = &self.register.settings;
        let path = self.dir.join(INTERMEDIATE_KEY);
        let key = if path.exists() {
            Key::from_file(&path, self.password.as_ref())?
        } else {
            let key = Key::generate(settings.key)?;
            file::put(&path, key.to_pem(self.password.as_ref())?.as_bytes(), Mode::Private)?;
            key
        };
        let name = format!("intermediate-ca.{}", settings.domain);
        let mut params = params::authority(settings, &name, settings.intermediate_days, Some(0), now)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key.0, root).map_err(|error| unsigned(&error))?;
        file::put(&self.dir.join(INTERMEDIATE), certificate.pem().as_bytes(), Mode::Public)?;
        file::put(&self.dir.join(CHAIN), format!("{}{root_pem}", certificate.pem()).as_bytes(), Mode::Public)
    }

    fn intermediate(&self) -> Result<Issuer<'static, rcgen::KeyPair>, Error> {
        let path = self.dir.join(INTERMEDIATE);
        let certificate = file::read_text(&path)?;
        let key = Key::from_file(&self.dir.join(INTERMEDIATE_KEY), self.password.as_ref())?;
        Issuer::from_ca_cert_pem(&certificate, key.0).map_err(|error| Error::content(&path, error.to_string()))
    }

    fn keep(&mut self, next: Register) -> Result<(), Error> {
        next.write(&self.dir.join(REGISTER))?;
        self.register = next;
        Ok(())
    }

    fn none(&self, profile: Profile, name: &str) -> Error {
        let known: Vec<&str> = self
            .register
            .issued
            .iter()
            .filter(|entry| entry.profile == profile && entry.is_current())
            .map(|entry| entry.name.as_str())
            .collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::refused(format!("there is no {profile} {name} in {}: there is {known}", self.dir.display()))
    }
}

fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| Error::file("write", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::content(dir, "another process changes this authority just now: try again when it has ended"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(Error::file("lock", &path, error)),
    }
}

/// What a file may be called after.
fn check_name(name: &str) -> Result<(), Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if name.is_empty() || name.starts_with('.') || name.starts_with('-') || !name.bytes().all(good) {
        return Err(Error::refused(format!(
            "`{name}` cannot be a name: letters, digits, `-`, `_`, `.` and `@`, and neither `.` nor `-` in front"
        )));
    }
    Ok(())
}

/// A client's is its bare name, as databases compare it with the user's.
fn common_name(profile: Profile, name: &str, names: &[Name], domain: &str) -> String {
    let host = names.iter().find_map(|name| match name {
        Name::Dns(host) => Some(host.clone()),
        _ => None,
    });
    match profile {
        Profile::Client => name.to_owned(),
        Profile::Server => host.unwrap_or_else(|| name.to_owned()),
        Profile::JwtSigner => format!("{name}.{domain}"),
    }
}

fn unsigned(error: &rcgen::Error) -> Error {
    Error::refused(format!("could not be signed: {error}"))
}

fn hexadecimal(serial: &SerialNumber) -> String {
    serial.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serial_number(text: &str) -> SerialNumber {
    let digit = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    SerialNumber::from(text.as_bytes().chunks(2).filter_map(digit).collect::<Vec<u8>>())
}

const REGISTER: &str = "register.json";
const LOCK: &str = "register.lock";
const ROOT: &str = "root.crt";
const ROOT_KEY: &str = "root.key";
const INTERMEDIATE: &str = "intermediate.crt";
const INTERMEDIATE_KEY: &str = "intermediate.key";
const CHAIN: &str = "chain.crt";
const LIST: &str = "revoked.crl";
