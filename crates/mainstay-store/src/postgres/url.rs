//! The URL of a PostgreSQL store.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::{LocationFault, Secret};

/// Where a PostgreSQL store is. `Display` and `Debug` show no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    config: Box<Config>,
    trust: Trust,
    ca: Option<PathBuf>,
}

/// What is asked of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: `disable`, `prefer`, and `require` without certificates to compare with.
    Any,
    /// That it is signed by one of ours.
    Signed,
    /// That too, and that it is the host's.
    Host,
}

/// Where a host of a [`Url`] listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// A name that is to be looked up, and a port.
    Name(String, u16),
    /// An address.
    Ip(SocketAddr),
    /// The server's socket in the file system.
    Unix(PathBuf),
}

impl Url {
    /// Its hosts, in the order given: the name of each, as operators are shown it, and where it listens.
    #[must_use]
    pub fn hosts(&self) -> Vec<(String, HostAddress)> {
        let target = |(name, config): (String, Config)| {
            let port = config.get_ports().first().copied().unwrap_or(PORT);
            let address = match (config.get_hostaddrs().first(), config.get_hosts().first()) {
                (Some(address), _) => HostAddress::Ip(SocketAddr::new(*address, port)),
                (None, Some(Host::Unix(folder))) => HostAddress::Unix(folder.join(format!(".s.PGSQL.{port}"))),
                (None, Some(Host::Tcp(host))) => match host.parse() {
                    Ok(address) => HostAddress::Ip(SocketAddr::new(address, port)),
                    Err(_) => HostAddress::Name(host.clone(), port),
                },
                (None, None) => HostAddress::Name(String::new(), port),
            };
            (name, address)
        };
        self.targets(None, KEEPALIVE).into_iter().map(target).collect()
    }

    /// One way to the database for each host, in the order given, with the host's name.
    pub(crate) fn targets(&self, password: Option<&Secret>, timeout: Duration) -> Vec<(String, Config)> {
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        let addresses = self.config.get_hostaddrs();
        let count = hosts.len().max(addresses.len()).min(HOSTS_MAX);
        let target = |at: usize| {
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(PORT);
            let mut config = self.alone(password, timeout);
            config.port(port);
            if let Some(address) = addresses.get(at) {
                config.hostaddr(*address);
            }
            let name = match (hosts.get(at), addresses.get(at)) {
                (Some(Host::Tcp(host)), _) => {
                    config.host(host);
                    format!("{host}:{port}")
                }
                (Some(Host::Unix(path)), _) => {
                    config.host_path(path);
                    format!("{}:{port}", path.display())
                }
                (None, Some(address)) => format!("{address}:{port}"),
                (None, None) => port.to_string(),
            };
            (name, config)
        };
        (0..count).map(target).collect()
    }

    /// What the server's certificate must be.
    pub(crate) const fn trust(&self) -> Trust {
        self.trust
    }

    /// The certificates named in the URL.
    pub(crate) const fn ca(&self) -> Option<&PathBuf> {
        self.ca.as_ref()
    }

    /// The user to log in as.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    /// The database the store is in.
    pub(crate) fn database(&self) -> Option<&str> {
        self.config.get_dbname()
    }

    /// Everything but the host.
    fn alone(&self, password: Option<&Secret>, timeout: Duration) -> Config {
        let mut config = Config::new();
        config.ssl_mode(self.config.get_ssl_mode());
        config.ssl_negotiation(self.config.get_ssl_negotiation());
        config.channel_binding(self.config.get_channel_binding());
        config.application_name(self.config.get_application_name().unwrap_or("mainstay"));
        if let Some(user) = self.config.get_user() {
            config.user(user);
        }
        if let Some(database) = self.config.get_dbname() {
            config.dbname(database);
        }
        match (password, self.config.get_password()) {
            (Some(password), _) => drop(config.password(password.reveal())),
            (None, Some(password)) => drop(config.password(password)),
            (None, None) => {}
        }
        config.connect_timeout(timeout).tcp_user_timeout(TCP_USER_TIMEOUT);
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
        config
    }
}

impl FromStr for Url {
    type Err = LocationFault;

    fn from_str(text: &str) -> Result<Self, LocationFault> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut ca, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => ca = Some(PathBuf::from(value)),
                _ => rest.push(pair),
            }
        }
        let base = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config = base.parse().map_err(|error: tokio_postgres::Error| {
            // The driver's sentence is "invalid connection string"; its source says which part.
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            LocationFault(format!("the url does not parse{source}"))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(LocationFault("the url names no host: \"postgres://USER@HOST,HOST/DATABASE\"".to_owned()));
        }
        if config.get_hosts().len() > HOSTS_MAX {
            return Err(LocationFault(format!("the url names more than {HOSTS_MAX} hosts")));
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
            return Err(LocationFault(
                "it is written to: leave target_session_attrs=read-only out of its url".to_owned(),
            ));
        }
        let (ssl_mode, trust) = match mode {
            Some("disable") => (SslMode::Disable, Trust::Any),
            None | Some("prefer" | "allow") => (SslMode::Prefer, Trust::Any),
            Some("require") => (SslMode::Require, Trust::Any),
            Some("verify-ca") => (SslMode::Require, Trust::Signed),
            Some("verify-full") => (SslMode::Require, Trust::Host),
            Some(other) => {
                return Err(LocationFault(format!(
                    "`sslmode={other}` is none of disable, prefer, require, verify-ca, verify-full"
                )));
            }
        };
        config.ssl_mode(ssl_mode);
        Ok(Self { config: Box::new(config), trust, ca })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (at, (name, _)) in self.targets(None, KEEPALIVE).iter().enumerate() {
            write!(f, "{}{name}", if at > 0 { "," } else { "" })?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

/// Where a server listens if nothing else is said.
const PORT: u16 = 5432;
/// How many hosts a URL may name.
const HOSTS_MAX: usize = 8;
/// How long sent data may stay unacknowledged, and a silent connection unasked.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_their_secrets() {
        let check = |text: &str, expect: &str| {
            let shown = match text.parse::<Url>() {
                Ok(url) => format!("{url} {:?}", url.trust()),
                Err(fault) => fault.to_string(),
            };
            assert!(shown.contains(expect), "{text}: {shown}");
        };
        check("postgres://m:secret@db-a,db-b:5433/mainstay", "postgres://m@db-a:5432,db-b:5433/mainstay Any");
        check(
            "postgresql://db-a/x?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgresql://db-a".trim_start_matches("postgresql://"),
        );
        check("postgres://db-a/x?sslmode=verify-full", "Host");
        check("postgres://db-a/x?sslmode=verify-ca", "Signed");
        check("postgres://db-a/x?sslmode=sometimes", "none of disable");
        check("postgres:///x", "names no host");
        check("postgres://a/x?target_session_attrs=read-only", "written to");
        check("postgres://a/x?colour=blue", "unknown option");
        check("postgres://a,b,c,d,e,f,g,h,i/x", "more than 8 hosts");
        let url: Url = "postgres://m:secret@db-a/mainstay".parse().unwrap();
        assert!(!format!("{url:?}{url}").contains("secret"));
    }
}
