//! The crates that are built, and how.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

/// Structs in a crate, and fields in a struct.
pub const CHUNKS: usize = 100;
pub const FIELDS: usize = 8;
/// Types of the fields: what replicated state is mostly made of.
const TYPES: [&str; FIELDS] = ["u32", "f32", "bool", "[f32; 3]", "String", "Option<u16>", "i64", "u8"];
/// The struct of which a field gets another name.
const CHANGED: usize = CHUNKS / 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lib {
    /// No derive but that of `Default`, which all have.
    None,
    Serde,
    Gridmate,
}

impl Lib {
    pub const ALL: [Self; 3] = [Self::None, Self::Serde, Self::Gridmate];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Serde => "serde",
            Self::Gridmate => "gridmate",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Derived,
    Used,
}

impl Case {
    pub const ALL: [Self; 2] = [Self::Derived, Self::Used];

    pub fn name(self) -> &'static str {
        match self {
            Self::Derived => "derived",
            Self::Used => "used",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crate {
    pub lib: Lib,
    pub case: Case,
}

impl Crate {
    /// Without derives there is nothing to use.
    pub fn all() -> Vec<Self> {
        let all = Case::ALL.into_iter().flat_map(|case| Lib::ALL.map(|lib| Self { lib, case }));
        all.filter(|of| of.lib != Lib::None || of.case == Case::Derived).collect()
    }

    fn name(self) -> String {
        format!("{}_{}", self.lib.name(), self.case.name())
    }

    fn manifest(self, runtime: &Path) -> String {
        let dependencies = match self.lib {
            Lib::None => String::new(),
            Lib::Serde => "postcard.workspace = true\nserde.workspace = true\n".to_owned(),
            Lib::Gridmate => format!("gridmate-runtime = {{ path = {runtime:?} }}\n"),
        };
        let name = self.name();
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}"
        )
    }

    /// What is in its `lib.rs`; one field may have another name.
    fn source(self, changed: bool) -> String {
        let mut source = match self.lib {
            Lib::None => String::new(),
            Lib::Serde => "use serde::{Deserialize, Serialize};\n".to_owned(),
            Lib::Gridmate => "use gridmate_runtime::prelude::*;\n".to_owned(),
        };
        let derives = match self.lib {
            Lib::None => "Default",
            Lib::Serde => "Default, Serialize, Deserialize",
            Lib::Gridmate => "Default, ReplicaChunk",
        };
        for i in 0..CHUNKS {
            let renamed = if i == CHANGED && changed { "renamed_" } else { "" };
            let _ = writeln!(source, "\n#[derive({derives})]\npub struct Struct{i} {{");
            for (j, kind) in TYPES.iter().enumerate() {
                let renamed = if j == 0 { renamed } else { "" };
                let _ = writeln!(source, "    pub {renamed}field{j}: {kind},");
            }
            source.push_str("}\n");
        }
        if self.case == Case::Used {
            source.push_str(&self.uses());
        }
        source
    }

    fn uses(self) -> String {
        let all = |each: &dyn Fn(usize) -> String| (0..CHUNKS).map(each).collect::<String>();
        match self.lib {
            Lib::None => String::new(),
            Lib::Serde => {
                let each = all(&|i| {
                    format!(
                        "    let bytes = postcard::to_allocvec(&Struct{i}::default())?;\n    postcard::from_bytes::<Struct{i}>(&bytes)?;\n"
                    )
                });
                format!("\npub fn used() -> Result<(), postcard::Error> {{\n{each}    Ok(())\n}}\n")
            }
            Lib::Gridmate => {
                let each = all(&|i| format!(".chunk::<Struct{i}>()"));
                format!(
                    "\npub fn used() -> Result<Registry, gridmate_runtime::RegistryError> {{\n    Registry::builder(){each}.build()\n}}\n"
                )
            }
        }
    }
}

/// Where the crates are, one workspace with one target folder.
pub struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    pub fn write() -> Result<Self, Box<dyn Error>> {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime = benches.join("../gridmate-runtime").canonicalize()?;
        let this = Self { folder: benches.join("target/compile") };
        let crates = Crate::all();
        let members: Vec<_> = crates.iter().map(|of| of.name()).collect();
        // The same versions as are measured against elsewhere here.
        let manifest = fs::read_to_string(benches.join("Cargo.toml"))?;
        let line = |name: &str| manifest.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let (postcard, serde) = (line("postcard =").ok_or("no postcard")?, line("serde =").ok_or("no serde")?);
        for of in crates {
            let folder = this.folder.join(of.name());
            fs::create_dir_all(folder.join("src"))?;
            fs::write(folder.join("Cargo.toml"), of.manifest(&runtime))?;
            fs::write(folder.join("src/lib.rs"), of.source(false))?;
        }
        let workspace = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[workspace.dependencies]\n{postcard}\n{serde}\n"
        );
        fs::write(this.folder.join("Cargo.toml"), workspace)?;
        fs::copy(benches.join("Cargo.lock"), this.folder.join("Cargo.lock"))?;
        Ok(this)
    }

    /// Builds what the crates depend on, and them.
    pub fn prepare(&self, crates: &[Crate]) -> Result<(), Box<dyn Error>> {
        for of in crates {
            for command in super::COMMANDS {
                self.cargo(*of, command)?;
            }
        }
        Ok(())
    }

    /// Forgets all that was built of a crate, and what was changed in it.
    pub fn clean(&self, of: Crate) -> Result<(), Box<dyn Error>> {
        self.set(of, false)?;
        self.run(&["clean", "--quiet", "--package", &of.name()]).map(drop)
    }

    /// Gives a field another name.
    pub fn change(&self, of: Crate) -> Result<(), Box<dyn Error>> {
        self.set(of, true)
    }

    fn set(&self, of: Crate, changed: bool) -> Result<(), Box<dyn Error>> {
        Ok(fs::write(self.folder.join(of.name()).join("src/lib.rs"), of.source(changed))?)
    }

    /// The time that `cargo build` takes, or `cargo check`.
    pub fn cargo(&self, of: Crate, command: &str) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        self.run(&[command, "--quiet", "--package", &of.name()])?;
        Ok(start.elapsed())
    }

    /// Lines and bytes when all macros are expanded.
    pub fn expanded(&self, of: Crate) -> Result<(usize, usize), Box<dyn Error>> {
        let text = self.run(&["rustc", "--quiet", "--package", &of.name(), "--", "-Zunpretty=expanded"])?;
        Ok((text.lines().count(), text.len()))
    }

    fn run(&self, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let command = cargo.args(arguments).current_dir(&self.folder).env("RUSTC_BOOTSTRAP", "1");
        let out = command.env_remove("CARGO_TARGET_DIR").stderr(Stdio::piped()).output()?;
        if out.status.success() {
            return Ok(String::from_utf8(out.stdout)?);
        }
        Err(format!("cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr)).into())
    }
}
