//! Satisfies `-lfdb_c`, which `foundationdb-sys` asks the linker for, with an archive that is empty: the
//! functions themselves are defined by this crate.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // The magic of `ar`, and no member.
    std::fs::write(out.join("libfdb_c.a"), b"!<arch>\n")?;
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
