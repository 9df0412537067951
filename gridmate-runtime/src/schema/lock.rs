//! A schema in a file that is checked in, so that a change of the wire is a change somebody reviews.
//!
//! This is for tests. It is the one place outside of drivers that touches files, and nothing in a running node calls it.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use super::{Compatibility, Snapshot};

/// Set to `1` to have [`assert_schema!`](crate::assert_schema) write files instead of comparing with them.
pub const BLESS: &str = "GRIDMATE_BLESS";

/// Asserts that a registry's schema is the one in a file that is checked in.
///
/// The path is relative to the `Cargo.toml` of the crate that asserts. The file has a comment that says what it is, and the
/// schema [as JSON](crate::schema::Snapshot::to_json): one line for each dataset and RPC, so that whoever reviews a change sees what it
/// does to the wire. Registries are values, and there is no global one to find: pass it.
///
/// ```no_run
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// // In a test:
/// let registry = Registry::builder().chunk::<Door>().build()?;
/// gridmate_runtime::assert_schema!("wire.lock", registry);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
///
/// With `GRIDMATE_BLESS=1` in the environment the file is written anew, and the assertion holds.
///
/// # Panics
/// When the file has another schema: with what differs, and whether that is
/// [compatible or breaking](crate::schema::Compatibility), that is, whether [tolerant](crate::NodeConfig::tolerant) nodes of the two
/// can be in one session. When there is no file, or it is no schema.
#[macro_export]
macro_rules! assert_schema {
    ($path:expr, $registry:expr $(,)?) => {
        $crate::schema::assert_schema_at(
            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path),
            &$registry.snapshot(),
        )
    };
    ($path:expr $(,)?) => {
        ::core::compile_error!("which registry? assert_schema!(\"wire.lock\", registry)")
    };
}

/// What [`assert_schema!`](crate::assert_schema) does, for a path that is known at run time.
///
/// # Panics
/// As the macro.
///
/// ```no_run
/// use gridmate_runtime::Registry;
/// use gridmate_runtime::schema::assert_schema_at;
///
/// // In a test, for one of several programs:
/// let registry = Registry::builder().build()?;
/// for program in ["arena", "lobby"] {
///     assert_schema_at(format!("schemas/{program}.lock"), &registry.snapshot());
/// }
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[track_caller]
pub fn assert_schema_at(path: impl AsRef<Path>, schema: &Snapshot) {
    let bless = env::var_os(BLESS).is_some_and(|value| value == "1");
    if let Err(complaint) = check(path.as_ref(), schema, bless) {
        panic!("{complaint}");
    }
}

fn check(path: &Path, schema: &Snapshot, bless: bool) -> Result<(), String> {
    let shown = path.display();
    if bless {
        return fs::write(path, lock_file(schema)).map_err(|error| format!("{shown} cannot be written: {error}"));
    }
    let how = format!("To make the file say what the program says, run this test again with {BLESS}=1.");
    let text = fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}\n{how}"))?;
    // Comments become empty lines, so that errors have the right numbers.
    let json: String = text.lines().flat_map(|line| [if line.starts_with('#') { "" } else { line }, "\n"]).collect();
    let locked = Snapshot::from_json(&json).map_err(|error| format!("{shown} is no schema: {error}\n{how}"))?;
    let diff = schema.diff(&locked);
    let verdict = match diff.compatibility() {
        Compatibility::Equal => return Ok(()),
        Compatibility::Compatible => {
            "This is a compatible change: datasets at the end of a chunk. Nodes from before and after join each other where both \
             are tolerant (`NodeConfig::tolerant`), and nowhere else."
        }
        Compatibility::Breaking => {
            "This is a breaking change. Nodes from before and after do not join each other, tolerant or not."
        }
    };
    let mut complaint = format!("The schema here is not the one there, in {shown}:\n");
    for difference in diff.differences {
        let _ = writeln!(complaint, "  {difference}");
    }
    let _ = write!(complaint, "{verdict}\n{how}");
    Err(complaint)
}

fn lock_file(schema: &Snapshot) -> String {
    format!(
        "# What this program says on the wire, fingerprint {:016x}. Checked by a test; written by it when {BLESS}=1.\n{}",
        schema.fingerprint(),
        schema.to_json()
    )
}

#[cfg(test)]
mod tests {
    use super::super::{ChunkSnapshot, FieldSnapshot};
    use super::*;

    fn schema(shape: &str) -> Snapshot {
        let energy = FieldSnapshot { name: "energy".to_owned(), shape: shape.to_owned() };
        let ship = ChunkSnapshot { name: "ship".to_owned(), datasets: vec![energy], ..ChunkSnapshot::default() };
        Snapshot { chunks: vec![ship] }
    }

    #[test]
    fn a_file_is_blessed_compared_and_complained_about() {
        let path = env::temp_dir().join(format!("gridmate-{}.lock", std::process::id()));
        let missing = check(&path, &schema("u8"), false).unwrap_err();
        assert!(missing.contains("cannot be read") && missing.contains(BLESS), "{missing}");
        check(&path, &schema("u8"), true).unwrap();
        check(&path, &schema("u8"), false).unwrap();
        let other = check(&path, &schema("u16"), false).unwrap_err();
        assert!(
            other.contains("\n  chunk `ship`: dataset `energy`: u16 here, u8 there\nThis is a breaking"),
            "{other}"
        );
        let more = Snapshot { chunks: [schema("u8").chunks, vec![ChunkSnapshot::default()]].concat() };
        assert!(check(&path, &more, false).unwrap_err().contains("a breaking change"));
        let mut longer = schema("u8");
        longer.chunks[0].datasets.push(FieldSnapshot { name: "shield".to_owned(), shape: "u8".to_owned() });
        let said = check(&path, &longer, false).unwrap_err();
        assert!(said.contains("a compatible change") && said.contains("NodeConfig::tolerant"), "{said}");
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("u8", "u9").replace('\n', "\r\n")).unwrap();
        let edited = check(&path, &schema("u8"), false).unwrap_err();
        assert!(edited.contains("line 3, column 18: the fingerprint should be"), "{edited}");
        fs::remove_file(&path).unwrap();
    }
}
