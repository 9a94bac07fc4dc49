//! A PostgreSQL server on a free port of the loopback interface, with its data in a temporary folder.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use crate::process::{Keeper, User, folder_with, path_folders};

/// The URL of a server that is there already, as a user who may create databases.
const EXISTING: &str = "PATCHBAY_TEST_POSTGRES";
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "createdb"];
/// Another program may take the port that was free a moment ago.
const PORTS_TRIED: usize = 5;

/// Reads `init`, `start PORT`, `stop` and `create NAME URL`; answers `ok`, or `failed`. At the end it stops the
/// server and removes its folder, or drops what it created on a server that is not its own.
const SCRIPT: &str = r#"
created=
answer() { if "$@" </dev/null >>keeper.log 2>&1; then echo ok; else echo failed; fi; }
while read -r request name url; do
    case $request in
    init)
        answer "$BIN/initdb" --pgdata=data --username=patchbay --pwfile=password \
            --auth=scram-sha-256 --encoding=UTF8 --no-locale --no-sync ;;
    start)
        answer "$BIN/pg_ctl" start --pgdata=data --log=server.log --wait --timeout=60 --silent \
            --options="-p $name -h 127.0.0.1 -k '' -F -c max_connections=200 -c shared_buffers=32MB" ;;
    stop) answer "$BIN/pg_ctl" stop --pgdata=data --mode=immediate --wait --silent ;;
    create)
        created="$created $name" server=$url
        answer "$BIN/createdb" --maintenance-db="$url" --template=template0 "$name" ;;
    esac
done
exec >/dev/null
if [ -d data ]; then
    "$BIN/pg_ctl" stop --pgdata=data --mode=immediate --wait --silent
else
    for name in $created; do "$BIN/dropdb" --maintenance-db="$server" --if-exists --force "$name"; done
fi
cd / && rm -rf "$FOLDER"
"#;

/// A server for tests. The one that was started here is stopped and removed when this is dropped, or when
/// the process ends.
#[derive(Debug)]
pub struct Postgres {
    keeper: Mutex<Keeper>,
    /// Where to connect to create a database.
    url: String,
    /// Of the server that was started here.
    port: Option<u16>,
    next: AtomicU32,
}

impl Postgres {
    /// The server of this process: that of `PATCHBAY_TEST_POSTGRES`, or one that is started for the first
    /// who asks. None where the machine has neither; one line on stderr says so.
    ///
    /// # Panics
    /// Where the programs are there, but no server comes up.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let server = SHARED.get_or_init(|| match std::env::var(EXISTING) {
            Ok(url) if !url.is_empty() => Some(Self::existing(url)),
            _ => Self::start(),
        });
        server.as_ref()
    }

    /// A server of one's own, to be stopped and started. None where the machine has no PostgreSQL.
    ///
    /// # Panics
    /// Where the programs are there, but no server comes up.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            say_that_there_is_none();
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("patchbay-postgres-")
            .rand_bytes(16)
            .tempdir()
            .expect("a temporary folder");
        // Its name cannot be guessed; nobody else on the machine is to connect.
        let name = folder.path().file_name().and_then(OsStr::to_str);
        let password = name
            .unwrap_or_default()
            .rsplit('-')
            .next()
            .unwrap_or_default();
        std::fs::write(folder.path().join("password"), password).expect("its password is written");
        let made_by_root = std::fs::metadata(folder.path()).is_ok_and(|it| it.uid() == 0);
        let user = made_by_root.then(|| {
            // initdb refuses root.
            User::first_of(&["postgres", "nobody"]).expect("a user who is not root")
        });
        if let Some(user) = user {
            for path in [folder.path().to_owned(), folder.path().join("password")] {
                chown(path, Some(user.uid), Some(user.gid)).expect("the folder is given away");
            }
        }
        // The keeper removes the folder, also where this process is killed.
        let password = password.to_owned();
        let folder = folder.keep();
        let mut keeper = Keeper::start(SCRIPT, &folder, user, &programs);
        let log = |name| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(keeper.ask("init"), "ok", "initdb: {}", log("keeper.log"));
        for _ in 0..PORTS_TRIED {
            let port = free_port();
            if keeper.ask(&format!("start {port}")) == "ok" {
                let url = format!("postgres://patchbay:{password}@127.0.0.1:{port}/postgres");
                return Some(Self::new(keeper, url, Some(port)));
            }
        }
        panic!("PostgreSQL does not start: {}", log("server.log"));
    }

    fn existing(url: String) -> Self {
        let candidates = path_folders().into_iter().chain(installed());
        let programs = folder_with(&["createdb", "dropdb"], candidates)
            .unwrap_or_else(|| panic!("{EXISTING} needs createdb and dropdb of PostgreSQL"));
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let keeper = Keeper::start(SCRIPT, &folder, None, &programs);
        Self::new(keeper, url, None)
    }

    fn new(keeper: Keeper, url: String, port: Option<u16>) -> Self {
        Self {
            keeper: Mutex::new(keeper),
            url,
            port,
            next: AtomicU32::new(0),
        }
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    /// Where it cannot be created.
    pub fn database(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchbay_test_{}_{number}", std::process::id());
        self.ask(&format!("create {name} {}", self.url));
        let (before, rest) = self.url.split_once("://").unwrap_or(("postgres", ""));
        let server = rest.split(['/', '?']).next().unwrap_or_default();
        let parameters = rest.split_once('?').map(|(_, it)| format!("?{it}"));
        format!(
            "{before}://{server}/{name}{}",
            parameters.unwrap_or_default()
        )
    }

    /// Stops the server at once, as if its machine had failed; its data stay.
    ///
    /// # Panics
    /// Where it does not stop, or was not started here.
    pub fn stop(&self) {
        assert!(self.port.is_some(), "this server is somebody else's");
        self.ask("stop");
    }

    /// Starts the server again, on the same port, with the same data.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&self) {
        let port = self.port.expect("this server is somebody else's");
        self.ask(&format!("start {port}"));
    }

    fn ask(&self, request: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(keeper.ask(request), "ok", "PostgreSQL: {request}");
    }
}

fn programs() -> Option<PathBuf> {
    folder_with(&PROGRAMS, path_folders().into_iter().chain(installed()))
}

/// Where packages put the programs that are not for everybody's path, the newest version first.
fn installed() -> Vec<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output();
    let told = told.ok().and_then(|it| String::from_utf8(it.stdout).ok());
    let mut folders: Vec<_> = told
        .into_iter()
        .map(|it| PathBuf::from(it.trim()))
        .collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<_> = versions
        .flatten()
        .filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    folders.extend(
        versions
            .iter()
            .map(|version| format!("/usr/lib/postgresql/{version}/bin").into()),
    );
    folders
}

fn say_that_there_is_none() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Not by a macro: what those print is shown of failed tests only.
        let _ = writeln!(
            std::io::stderr(),
            "PostgreSQL is not here: tests on it are skipped (install it, or set {EXISTING})"
        );
    });
}

fn free_port() -> u16 {
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    socket.local_addr().expect("its address").port()
}
