//! One file for a whole set of authorities and certificates, applied as often as somebody likes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::authority::{Order, Settings};
use crate::{Authority, Entry, Error, KeyKind, Name, Password, Profile, Subject, file, inspect, parse_name};

/// What a file asks for.
#[derive(Debug)]
pub struct Scenario {
    authorities: BTreeMap<String, Wanted>,
    certificates: BTreeMap<String, Certificate>,
}

/// How a scenario is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Only say what would be done.
    pub dry: bool,
    /// Sign others for certificates that were revoked or are not as the file says.
    pub replace: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// About which file or directory.
    pub path: PathBuf,
    /// What.
    pub deed: Deed,
}

/// What is done about one thing that a scenario asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was not there.
    Made,
    /// It was due.
    Renewed {
        /// Until when the one before is valid.
        before: OffsetDateTime,
    },
    /// It is as it should be.
    Kept {
        /// Until when it is valid.
        until: OffsetDateTime,
    },
    /// It is not as the file says. Nothing was touched.
    Differs {
        /// In what, and what to do.
        how: String,
    },
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.deed {
            Deed::Made => write!(f, "made     {path}"),
            Deed::Renewed { before } => write!(f, "renewed  {path} (the one before ends on {})", before.date()),
            Deed::Kept { until } => write!(f, "kept     {path} (until {})", until.date()),
            Deed::Differs { how } => write!(f, "differs  {path}: {how}"),
        }
    }
}

impl Done {
    /// The same of a dry run, in which nothing was done.
    #[must_use]
    pub fn planned(&self) -> String {
        let path = self.path.display();
        match &self.deed {
            Deed::Made => format!("to make  {path}"),
            Deed::Renewed { before } => format!("to renew {path} (it ends on {})", before.date()),
            Deed::Kept { .. } | Deed::Differs { .. } => self.to_string(),
        }
    }
}

impl Scenario {
    /// Reads one. Directories in it are relative to its own.
    ///
    /// # Errors
    /// Every fault in it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = file::read_text(path)?;
        let document: Document = toml::from_str(&text).map_err(|error| Error::content(path, error.to_string()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut faults = Vec::new();
        let authorities = document
            .authority
            .into_iter()
            .map(|(name, table)| {
                let wanted = table.wanted(&name, base);
                (name, wanted)
            })
            .collect::<BTreeMap<_, _>>();
        let mut certificates: BTreeMap<String, Certificate> = BTreeMap::new();
        let mut dirs = BTreeMap::new();
        for (name, wanted) in &authorities {
            if let Some(other) = dirs.insert(&wanted.dir, name) {
                faults.push(format!(
                    "[authority.{name}] has the directory of [authority.{other}]: give it one of its own"
                ));
            }
        }
        for (table_name, table) in document.cert {
            match table.certificate(&table_name, &authorities) {
                Ok(certificate) => {
                    let same = |it: &Certificate| {
                        it.authority == certificate.authority
                            && it.order.profile == certificate.order.profile
                            && it.order.name == certificate.order.name
                    };
                    if let Some((other, _)) = certificates.iter().find(|(_, it)| same(it)) {
                        faults
                            .push(format!("[cert.{table_name}] is the same as [cert.{other}]: give it another `name`"));
                    }
                    certificates.insert(table_name, certificate);
                }
                Err(error) => faults.push(format!("[cert.{table_name}] {error}")),
            }
        }
        if faults.is_empty() {
            Ok(Self { authorities, certificates })
        } else {
            Err(Error::content(path, faults.join("\n")))
        }
    }

    /// Makes what is missing, renews what is due, touches nothing else.
    ///
    /// # Errors
    /// The first thing that could not be done. What was done before it stays.
    pub fn apply(&self, how: How, now: OffsetDateTime) -> Result<Vec<Done>, Error> {
        let dry = how.dry;
        let mut done = Vec::new();
        for (name, wanted) in &self.authorities {
            let there = wanted.dir.join("register.json").exists();
            let password = wanted.password_file.as_deref().map(Password::from_file).transpose()?;
            if !there && dry {
                done.push(Done { path: wanted.dir.clone(), deed: Deed::Made });
                let of = |it: &&Certificate| &it.authority == name;
                done.extend(self.certificates.values().filter(of).map(|it| Done {
                    path: wanted.dir.join(it.order.profile.word()).join(format!("{}.crt", it.order.name)),
                    deed: Deed::Made,
                }));
                continue;
            }
            let mut authority = if there {
                Authority::open(&wanted.dir, password)?
            } else {
                Authority::init(&wanted.dir, wanted.settings.clone(), password, now)?
            };
            done.push(authority_deed(wanted, &mut authority, there, dry, now)?);
            for certificate in self.certificates.values().filter(|it| &it.authority == name) {
                done.push(certificate_deed(certificate, &mut authority, how, now)?);
            }
        }
        Ok(done)
    }
}

fn authority_deed(
    wanted: &Wanted,
    authority: &mut Authority,
    there: bool,
    dry: bool,
    now: OffsetDateTime,
) -> Result<Done, Error> {
    let path = wanted.dir.clone();
    if !there {
        return Ok(Done { path, deed: Deed::Made });
    }
    if authority.settings() != &wanted.settings {
        let how = "it was made with other settings, which cannot be changed; make another one in another directory";
        return Ok(Done { path, deed: Deed::Differs { how: how.to_owned() } });
    }
    let until = authority.crl_until().unwrap_or(now);
    let margin = Duration::days(i64::from(wanted.settings.crl_days)) / 3;
    if until - now >= margin {
        return Ok(Done { path: wanted.dir.join("revoked.crl"), deed: Deed::Kept { until } });
    }
    if !dry {
        authority.publish(now)?;
    }
    Ok(Done { path: wanted.dir.join("revoked.crl"), deed: Deed::Renewed { before: until } })
}

fn certificate_deed(
    wanted: &Certificate,
    authority: &mut Authority,
    how: How,
    now: OffsetDateTime,
) -> Result<Done, Error> {
    let Order { profile, name, .. } = &wanted.order;
    let path = authority.path(*profile, name, ".crt");
    let (deed, sign) = match authority.current(*profile, name) {
        // Files that are gone or another's are as good as none.
        Some(entry) if !is_in(entry, authority) => (Deed::Made, true),
        Some(entry) => match difference(entry, wanted, authority) {
            Some(_) if how.replace => (Deed::Renewed { before: entry.not_after }, true),
            Some(how) => (Deed::Differs { how }, false),
            None if entry.is_due(wanted.renew_before, now) => (Deed::Renewed { before: entry.not_after }, true),
            None => (Deed::Kept { until: entry.not_after }, false),
        },
        None => (Deed::Made, true),
    };
    if sign && !how.dry {
        authority.replace(&wanted.order, now)?;
    }
    Ok(Done { path, deed })
}

/// Whether an entry's certificate stands in its file, and a key beside it.
fn is_in(entry: &Entry, authority: &Authority) -> bool {
    let path = |ending: &str| authority.path(entry.profile, &entry.name, ending);
    let serial = inspect::certificates(&path(".crt"))
        .ok()
        .and_then(|found| found.first().and_then(|first| inspect::serial(first).ok()));
    serial.is_some_and(|serial| serial == entry.serial) && path(".key").exists() && path("-chain.crt").exists()
}

fn difference(entry: &Entry, wanted: &Certificate, authority: &Authority) -> Option<String> {
    let order = &wanted.order;
    let again = "`--replace` signs another one";
    if let Some(revoked) = entry.revoked {
        return Some(format!("it was revoked on {} ({}); {again}", revoked.at.date(), revoked.reason));
    }
    let names = if order.names.is_empty() && order.profile == Profile::Server {
        parse_name(&format!("DNS:{}.{}", order.name, authority.settings().domain)).ok().into_iter().collect()
    } else {
        order.names.clone()
    };
    if entry.names != names {
        let list = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Some(format!("it is for {}, and shall be for {}; {again}", list(&entry.names), list(&names)));
    }
    (entry.key != order.key).then(|| format!("its key is {}, and shall be {}; {again}", entry.key, order.key))
}

#[derive(Debug)]
struct Wanted {
    dir: PathBuf,
    settings: Settings,
    password_file: Option<PathBuf>,
}

#[derive(Debug)]
struct Certificate {
    authority: String,
    order: Order,
    renew_before: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    authority: BTreeMap<String, AuthorityTable>,
    #[serde(default)]
    cert: BTreeMap<String, CertTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityTable {
    dir: Option<PathBuf>,
    domain: String,
    organization: Option<String>,
    country: Option<String>,
    state: Option<String>,
    key: Option<KeyKind>,
    crl_url: Option<String>,
    ocsp_url: Option<String>,
    root_days: Option<u32>,
    intermediate_days: Option<u32>,
    crl_days: Option<u32>,
    password_file: Option<PathBuf>,
}

impl AuthorityTable {
    fn wanted(self, name: &str, base: &Path) -> Wanted {
        let defaults = Settings::new(&self.domain);
        Wanted {
            dir: base.join(self.dir.unwrap_or_else(|| PathBuf::from(name))),
            password_file: self.password_file.map(|path| base.join(path)),
            settings: Settings {
                subject: Subject { organization: self.organization, country: self.country, state: self.state },
                key: self.key.unwrap_or(defaults.key),
                crl_url: self.crl_url,
                ocsp_url: self.ocsp_url,
                root_days: self.root_days.unwrap_or(defaults.root_days),
                intermediate_days: self.intermediate_days.unwrap_or(defaults.intermediate_days),
                crl_days: self.crl_days.unwrap_or(defaults.crl_days),
                domain: self.domain,
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertTable {
    authority: String,
    #[serde(rename = "for")]
    profile: Profile,
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    days: Option<u32>,
    renew_before_days: Option<u32>,
    key: Option<KeyKind>,
    #[serde(default)]
    der: bool,
}

impl CertTable {
    fn certificate(self, table: &str, authorities: &BTreeMap<String, Wanted>) -> Result<Certificate, Error> {
        if !authorities.contains_key(&self.authority) {
            let known: Vec<&str> = authorities.keys().map(String::as_str).collect();
            return Err(Error::refused(format!(
                "authority = \"{}\": there is no such [authority.NAME], but {}",
                self.authority,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        }
        let names = self.names.iter().map(|name| parse_name(name)).collect::<Result<Vec<_>, _>>()?;
        let days = self.days.unwrap_or_else(|| self.profile.days());
        if let Some(margin) = self.renew_before_days.filter(|margin| *margin >= days) {
            return Err(Error::refused(format!(
                "renew_before_days = {margin}: it is valid for {days} days, so it would be renewed each time"
            )));
        }
        Ok(Certificate {
            authority: self.authority,
            renew_before: self.renew_before_days.map(|days| Duration::days(i64::from(days))),
            order: Order {
                profile: self.profile,
                name: self.name.unwrap_or_else(|| table.to_owned()),
                names,
                days: self.days,
                key: self.key.unwrap_or(KeyKind::Rsa2048),
                der: self.der,
            },
        })
    }
}
