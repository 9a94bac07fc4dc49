//! Where the tables are: the location that somebody wrote, and what the driver needs to get there.
//!
//! A location may hold a password, so nothing here shows one whole: neither `Debug` nor an error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::ConnectOptions as _;
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::error::RegistryError;

/// Where the tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file, created (mode 0600) if it is not there; its directory must be.
    File(PathBuf),
    /// SQLite in memory: gone with the registry. For tests and simulations.
    Memory,
    /// A database of a PostgreSQL server; it must be there, its tables need not.
    Postgres(PostgresUrl),
}

/// A PostgreSQL database. Shows its server and its name, never its user, its password or its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Url);

/// What sqlx understands in the query of a PostgreSQL URL, besides `options[…]`. It passes over anything
/// else, so that a misspelt `sslmode` would be no TLS.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Parameters that name a file.
const FILES: [&str; 7] = [
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslrootcert",
];

impl Database {
    /// Reads a location that a person wrote: `sqlite:PATH` or a path alone, or
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`.
    ///
    /// # Errors
    /// [`RegistryError::LocationInvalid`], which does not repeat what was given.
    pub fn parse(location: &str) -> Result<Self, RegistryError> {
        let scheme = location.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "postgres" | "postgresql" => PostgresUrl::parse(location).map(Self::Postgres),
            "sqlite" => {
                let path = location.trim_start_matches("sqlite:");
                file(path.strip_prefix("//").unwrap_or(path))
            }
            _ if location.contains("://") => Err(invalid(
                "it is of no known kind; give sqlite:PATH, or postgres://USER:PASSWORD@HOST/DATABASE",
            )),
            _ => file(location),
        }
    }

    /// What the driver is opened with. Everything that it may say by itself is switched off: statements
    /// hold names of customers.
    pub(crate) fn options(
        &self,
        settings: &[(&str, &str)],
    ) -> Result<AnyConnectOptions, RegistryError> {
        opened_with(&self.url(settings)?)
    }

    /// The same for whoever only reads: a file is not changed, nor made.
    pub(crate) fn reading_options(
        &self,
        settings: &[(&str, &str)],
    ) -> Result<AnyConnectOptions, RegistryError> {
        let mut url = self.url(settings)?;
        if let Self::File(_) = self {
            url.query_pairs_mut().append_pair("mode", "ro");
        }
        opened_with(&url)
    }

    fn url(&self, settings: &[(&str, &str)]) -> Result<Url, RegistryError> {
        match self {
            Self::Memory => parsed("sqlite::memory:"),
            Self::File(path) => sqlite_url(path),
            Self::Postgres(url) => Ok(url.with(settings)),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Memory => f.write_str("sqlite::memory:"),
            Self::Postgres(url) => fmt::Display::fmt(url, f),
        }
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, RegistryError> {
        let url = Url::parse(text).map_err(|_| {
            invalid(
                "it is not a URL; in user and password, write other characters than letters and digits \
                 percent-encoded (%23 for #)",
            )
        })?;
        if url.cannot_be_a_base() {
            return Err(invalid(
                "after the scheme come two slashes: postgres://USER:PASSWORD@HOST/DATABASE",
            ));
        }
        if url.fragment().is_some() {
            return Err(invalid("a # must be percent-encoded: %23"));
        }
        let known = |name: &str| {
            PARAMETERS.contains(&name) || (name.starts_with("options[") && name.ends_with(']'))
        };
        // The name is not repeated: after an unencoded question mark it may be the rest of a password.
        if !url.query_pairs().all(|(name, _)| known(&name)) {
            return Err(invalid(
                "it has a parameter that is not known; known are sslmode, sslrootcert, sslcert, sslkey, \
                 host, port, dbname, user, password, application_name and options[…]",
            ));
        }
        // Values have rules too, that of `sslmode` above all.
        PgConnectOptions::from_url(&url)
            .map_err(|_| invalid("one of its parameters has a value that cannot be"))?;
        Ok(Self(url))
    }

    /// The same with settings of the session, which those that the URL has go before.
    fn with(&self, settings: &[(&str, &str)]) -> Url {
        let given: Vec<_> = self.0.query_pairs().into_owned().collect();
        let mut url = self.0.clone();
        {
            let mut query = url.query_pairs_mut();
            query.clear();
            query.append_pair("application_name", "patchbay");
            for (name, value) in settings {
                query.append_pair(&format!("options[{name}]"), value);
            }
            query.extend_pairs(given);
        }
        url
    }

    /// Refuses files that cannot be read, by name: the driver's own error has none, and looks like that of
    /// a server that is away.
    pub(crate) fn check_files(&self) -> Result<(), RegistryError> {
        for (name, path) in self.0.query_pairs() {
            if FILES.contains(&&*name) {
                std::fs::File::open(&*path).map_err(|error| {
                    invalid(&format!("its {name} {path} cannot be read: {error}"))
                })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameter = |wanted: &str| {
            let found = self.0.query_pairs().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.into_owned())
        };
        let host = parameter("host").or_else(|| self.0.host_str().map(str::to_owned));
        write!(f, "postgres://{}", host.unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        match parameter("dbname") {
            Some(name) => write!(f, "/{name}"),
            None => f.write_str(self.0.path()),
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

fn opened_with(url: &Url) -> Result<AnyConnectOptions, RegistryError> {
    AnyConnectOptions::from_url(url)
        .map(sqlx::ConnectOptions::disable_statement_logging)
        .map_err(RegistryError::database("reading its location"))
}

fn file(path: &str) -> Result<Database, RegistryError> {
    match path {
        "" => Err(invalid("it is empty; give the path of the SQLite file")),
        ":memory:" => Err(invalid(
            "a registry in memory would be gone with the process; give a path",
        )),
        path => Ok(Database::File(path.into())),
    }
}

/// The driver takes a file as a URL; encoded whole, no character of it means anything.
fn sqlite_url(path: &Path) -> Result<Url, RegistryError> {
    let path = path
        .to_str()
        .ok_or_else(|| invalid("the path is not in UTF-8; choose another"))?;
    let encoded = utf8_percent_encode(path, NON_ALPHANUMERIC);
    parsed(&format!("sqlite:{encoded}"))
}

fn parsed(url: &str) -> Result<Url, RegistryError> {
    Url::from_str(url).map_err(|_| invalid("the path cannot be a URL"))
}

fn invalid(reason: &str) -> RegistryError {
    RegistryError::LocationInvalid(reason.to_owned())
}
