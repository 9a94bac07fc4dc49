//! A parser that others wrote reads the messages back: the `hl7` package of PyPI, in a virtual
//! environment below cargo's directory for tests. Without Python or PyPI the test says so and passes.

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{event, format};
use patchbay_plugin::EventKind;
use serde_json::{Value, json};

const PACKAGE: &str = "hl7==0.4.5";

/// Ids to be found again, character for character. The package turns each byte of `\X…\` into one
/// character, so that what is escaped here stays within ASCII.
const NASTY: [&str; 8] = [
    "plain",
    r"|^~\&",
    r"\F\ \E\ \X0D\ \.br\",
    "line\rends\nhere\r\nand\u{b}there\u{1c}\r",
    "PID|9||other^^^AUTH\rZZZ|1",
    "Zoë 猫 🐈 ’",
    "\"\"",
    "#truncation# \u{7f}\t\u{0}",
];

#[test]
fn an_independent_parser_finds_the_same_fields() {
    let Some(python) = python() else {
        println!("skipped: no python3, or no {PACKAGE} from PyPI");
        return;
    };
    let authority =
        json!({"namespace": "M&M", "universal-id": "2.999.1", "universal-id-type": "ISO"});
    let config = json!({"internal-authority": authority, "receiving-facility": "N|S"});
    let messages: Vec<String> = NASTY
        .iter()
        .map(|id| {
            let internal = format!("{id} ");
            format(event(EventKind::Linked, id, &internal), config.clone()).unwrap()
        })
        .collect();

    let found = read_back(&python, &messages);
    for (id, message) in NASTY.iter().zip(found.as_array().unwrap()) {
        let names: Vec<&Value> = (0..5).map(|segment| &message[segment][0][0]).collect();
        assert_eq!(names, ["MSH", "EVN", "PID", "PID", "ZLK"], "{id:?}");
        assert_eq!(message.as_array().unwrap().len(), 5, "{id:?}");

        // The package counts MSH's field separator as a field of its own, as the standard does.
        let header = &message[0];
        assert_eq!(header[6], json!(["N|S"]));
        assert_eq!(header[9], json!(["ADT", "A24", "ADT_A24"]));
        assert_eq!(header[10][0].as_str().unwrap().len(), 20);
        assert_eq!(header[18], json!(["UNICODE UTF-8"]));
        assert_eq!(message[2][3], json!([id, "", "", "CUSTOMER", "PI"]));
        assert_eq!(
            message[3][3],
            json!([format!("{id} "), "", "", "M&M&2.999.1&ISO", "PI"])
        );
        assert_eq!(message[4][3], json!(["link.linked"]));
        assert_eq!(message[4][5], json!([format!("{id} ")]));
    }
}

fn read_back(python: &Path, messages: &[String]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_back.py");
    let mut child = Command::new(python)
        .arg(script)
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(messages).unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The interpreter of a virtual environment that has the package; none where it cannot be made.
fn python() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hl7-venv");
    let python = home.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let succeeds = |command: &mut Command| {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let install = [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--retries=1",
        PACKAGE,
    ];
    // An environment of an earlier run answers without the network.
    let ready = succeeds(Command::new(&python).args(install))
        || (succeeds(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&home),
        ) && succeeds(Command::new(&python).args(install)));
    ready.then_some(python)
}
