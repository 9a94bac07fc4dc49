//! What an envelope promises, for any content; and what the key file does.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use patchbay_ambient::SeededEntropy;
use patchbay_vault::{Context, DataKey, HashDomain, KeyRing, RecordKind, Sealed, VaultError};
use patchbay_workflow::CustomerId;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const KINDS: [RecordKind; 13] = [
    RecordKind::Request,
    RecordKind::Mapping,
    RecordKind::Decision,
    RecordKind::Candidates,
    RecordKind::Callback,
    RecordKind::Event,
    RecordKind::Attempt,
    RecordKind::GuestOutput,
    RecordKind::SearchId,
    RecordKind::WebhookSecret,
    RecordKind::BackendCredential,
    RecordKind::TokenKey,
    RecordKind::DataKey,
];

fn customer(id: &str) -> CustomerId {
    id.parse().unwrap()
}

fn key(seed: u64) -> DataKey {
    let entropy = SeededEntropy::new(seed);
    KeyRing::ephemeral(&entropy)
        .new_data_key(&customer("north"), &entropy)
        .0
}

proptest! {
    #[test]
    fn a_record_comes_back_and_nobody_elses_does(
        seed: u64,
        plaintext: Vec<u8>,
        owner in ".{0,12}",
        other_owner in ".{0,12}",
        id: Vec<u8>,
        other_id: Vec<u8>,
        kind in select(&KINDS),
        other_kind in select(&KINDS),
    ) {
        let key = key(seed);
        let context = Context { owner: &owner, kind, id: &id };
        let sealed = key.seal(&context, &plaintext, &SeededEntropy::new(!seed));

        prop_assert_eq!(sealed.as_bytes().len(), plaintext.len() + Sealed::OVERHEAD);
        prop_assert_eq!(key.open(&context, &sealed).unwrap().into_inner(), plaintext);
        for stranger in [
            Context { owner: &other_owner, ..context },
            Context { kind: other_kind, ..context },
            Context { id: &other_id, ..context },
        ] {
            if stranger != context {
                prop_assert!(matches!(key.open(&stranger, &sealed), Err(VaultError::Refused)));
            }
        }
    }

    /// What leaves one part of the identity must not be able to enter the next.
    #[test]
    fn the_border_between_owner_and_id_counts(owner in "[a-z]{1,12}", id in "[a-z]{1,12}", cut: Index) {
        let joined = format!("{owner}{id}");
        let (other_owner, other_id) = joined.split_at(cut.index(joined.len() + 1));
        prop_assume!(other_owner != owner);
        let key = key(1);
        let kind = RecordKind::Request;
        let context = Context { owner: &owner, kind, id: id.as_bytes() };
        let stranger = Context { owner: other_owner, kind, id: other_id.as_bytes() };
        let sealed = key.seal(&context, b"x", &SeededEntropy::new(2));
        prop_assert!(key.open(&stranger, &sealed).is_err());
    }

    #[test]
    fn a_flipped_bit_is_refused(plaintext: Vec<u8>, at: Index, bit in 0..8_u8) {
        let key = key(1);
        let context = Context { owner: "north", kind: RecordKind::Event, id: b"1" };
        let mut bytes = key.seal(&context, &plaintext, &SeededEntropy::new(2)).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let error = key.open(&context, &Sealed::from_stored(bytes)).unwrap_err();
        let expected = match at {
            0 => "envelope-version-unknown",
            1..=4 => "envelope-key-unknown",
            _ => "envelope-refused",
        };
        prop_assert_eq!(error.code(), expected);
    }

    #[test]
    fn neither_a_cut_nor_any_other_bytes_open_or_panic(
        plaintext: Vec<u8>,
        cut: Index,
        noise: Vec<u8>,
    ) {
        let key = key(1);
        let context = Context { owner: "north", kind: RecordKind::Event, id: b"1" };
        let mut bytes = key.seal(&context, &plaintext, &SeededEntropy::new(2)).into_bytes();
        bytes.truncate(cut.index(bytes.len()));
        for stored in [bytes, noise.clone(), [&[1][..], &noise].concat()] {
            prop_assert!(key.open(&context, &Sealed::from_stored(stored)).is_err());
        }
    }

    #[test]
    fn envelopes_travel_in_any_format(bytes: Vec<u8>) {
        let sealed = Sealed::from_stored(bytes.clone());
        let compact = postcard::to_stdvec(&(7_u8, &sealed)).unwrap();
        prop_assert!(compact.len() <= bytes.len() + 4);
        prop_assert_eq!(postcard::from_bytes::<(u8, Sealed)>(&compact).unwrap(), (7, sealed.clone()));
        let json = serde_json::to_string(&sealed).unwrap();
        prop_assert_eq!(serde_json::from_str::<Sealed>(&json).unwrap(), sealed);
    }
}

#[test]
fn another_key_is_named_not_tried() {
    let context = Context {
        owner: "north",
        kind: RecordKind::Mapping,
        id: b"1",
    };
    let sealed = key(1).seal(&context, b"x", &SeededEntropy::new(2));
    assert!(matches!(
        key(2).open(&context, &sealed),
        Err(VaultError::UnknownKey(_))
    ));
}

#[test]
fn a_data_key_unwraps_for_its_customer_alone() {
    let entropy = SeededEntropy::new(1);
    let ring = KeyRing::ephemeral(&entropy);
    let (key, wrapped) = ring.new_data_key(&customer("north"), &entropy);
    let context = Context {
        owner: "north",
        kind: RecordKind::Request,
        id: b"1",
    };
    let sealed = key.seal(&context, b"patient", &entropy);

    let again = ring.unwrap_data_key(&customer("north"), &wrapped).unwrap();
    assert_eq!(again.open(&context, &sealed).unwrap().expose(), b"patient");
    assert!(matches!(
        ring.unwrap_data_key(&customer("south"), &wrapped),
        Err(VaultError::Refused)
    ));
    assert!(ring.installation_key().open(&context, &sealed).is_err());
    let stranger = KeyRing::ephemeral(&SeededEntropy::new(9));
    assert!(
        stranger
            .unwrap_data_key(&customer("north"), &wrapped)
            .is_err()
    );
}

#[test]
fn hashes_tell_domains_parts_and_keys_apart() {
    let hasher = KeyRing::ephemeral(&SeededEntropy::new(1)).hasher();
    let hash = |domain, parts: &[&[u8]]| hasher.hash(domain, parts);
    let one = hash(HashDomain::Patient, &[b"ab", b"c"]);
    assert_eq!(one, hash(HashDomain::Patient, &[b"ab", b"c"]));
    assert_ne!(one, hash(HashDomain::Patient, &[b"a", b"bc"]));
    assert_ne!(one, hash(HashDomain::Patient, &[b"abc"]));
    assert_ne!(one, hash(HashDomain::Internal, &[b"ab", b"c"]));
    let other = KeyRing::ephemeral(&SeededEntropy::new(2)).hasher();
    assert_ne!(one, other.hash(HashDomain::Patient, &[b"ab", b"c"]));
}

/// The key file's hashes are HMAC-SHA-256 as RFC 2104 has it, so that another program can make them.
#[test]
fn a_hash_is_what_the_standard_says() {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};

    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys.json");
    let ring = KeyRing::open_or_create(&path, &SeededEntropy::new(1)).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let key = base64::engine::general_purpose::STANDARD
        .decode(file["hash-key"].as_str().unwrap())
        .unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(b"\x01\0\0\0\0\0\0\0\x03MRN");
    assert_eq!(
        ring.hasher()
            .hash(HashDomain::Patient, &[b"MRN"])
            .as_bytes()[..],
        mac.finalize().into_bytes()[..16]
    );
}

#[test]
fn a_key_file_is_private_readable_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys.json");
    let entropy = SeededEntropy::new(1);
    let context = Context {
        owner: "",
        kind: RecordKind::TokenKey,
        id: b"1",
    };

    let first = KeyRing::open_or_create(&path, &entropy).unwrap();
    let sealed = first.installation_key().seal(&context, b"secret", &entropy);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read_dir(home.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("Back this file up"), "{text}");

    let second = KeyRing::open_or_create(&path, &entropy).unwrap();
    assert_eq!(second.cache_mac_key(), first.cache_mac_key());
    assert_eq!(
        second
            .installation_key()
            .open(&context, &sealed)
            .unwrap()
            .expose(),
        b"secret"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_former_master_key_still_opens() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys.json");
    let entropy = SeededEntropy::new(1);
    let ring = KeyRing::open_or_create(&path, &entropy).unwrap();
    let (_, wrapped) = ring.new_data_key(&customer("north"), &entropy);

    let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut rotated = file["master-keys"][0].clone();
    rotated["id"] = "00000001".into();
    rotated["key"] = file["cache-mac-key"].clone();
    file["current"] = rotated["id"].clone();
    file["master-keys"].as_array_mut().unwrap().push(rotated);
    write(&path, &file.to_string());

    let ring = KeyRing::open_or_create(&path, &entropy).unwrap();
    assert!(ring.unwrap_data_key(&customer("north"), &wrapped).is_ok());
    let (_, newer) = ring.new_data_key(&customer("north"), &entropy);
    assert_eq!(
        newer.as_bytes()[1..5],
        [0, 0, 0, 1],
        "new keys are wrapped by the current one"
    );
}

#[test]
fn a_key_file_that_is_exposed_or_broken_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys.json");
    let entropy = SeededEntropy::new(1);
    KeyRing::open_or_create(&path, &entropy).unwrap();
    let good = fs::read_to_string(&path).unwrap();

    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyRing::open_or_create(&path, &entropy).unwrap_err();
        assert_eq!(error.code(), "key-file-exposed");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let hash_key = good
        .split("\"hash-key\": \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let broken = [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace("hash-key", "hash-kay"),
        good.replace(hash_key, &hash_key[4..]),
        good.replacen("\"current\": \"", "\"current\": \"0", 1),
        good.replace("\"master-keys\": [", "\"master-keys\": [], \"x\": ["),
        " ".repeat(70_000),
    ];
    for text in broken {
        write(&path, &text);
        let error = KeyRing::open_or_create(&path, &entropy).unwrap_err();
        assert_eq!(error.code(), "key-file-broken", "{error}");
        assert!(!error.to_string().contains(&hash_key[4..12]), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(KeyRing::open_or_create(&path, &entropy).is_err());
}

/// Processes that start together must end up with the same keys.
#[test]
fn many_at_once_agree_on_one_key_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keys.json");
    let rings: Vec<_> = std::thread::scope(|scope| {
        let open = |seed| {
            let path = &path;
            scope.spawn(move || {
                KeyRing::open_or_create(path, &SeededEntropy::new(seed))
                    .unwrap()
                    .cache_mac_key()
            })
        };
        let threads: Vec<_> = (0..8).map(open).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(rings.iter().all(|key| *key == rings[0]));
}

#[test]
fn nothing_secret_shows_in_debug() {
    let entropy = SeededEntropy::new(1);
    let ring = KeyRing::ephemeral(&entropy);
    let (key, wrapped) = ring.new_data_key(&customer("north"), &entropy);
    let text = format!("{ring:?} {key:?} {wrapped:?} {:?}", ring.hasher());
    assert!(text.contains("Sealed(81 bytes)"), "{text}");
    assert!(text.len() < 120, "{text}");
}

fn write(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
