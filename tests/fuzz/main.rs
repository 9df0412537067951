//! What the fuzzer does, without a fuzzer: every input that is kept in `fuzz/corpus` through the target it was found with, and
//! a few thousand more that are made from them.

mod bodies;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use bodies::TARGETS;
use gridmate_runtime::Rng;

/// Inputs made for each target; `FUZZ_MADE` in the environment says another number, and `FUZZ_TARGET` for which one only.
const MADE: usize = 1_500;

/// Bytes of an input that is made from nothing, at most.
const MADE_BYTES: u64 = 200;

/// Files that are kept of each target, and their bytes, at most: found is found, and more only takes longer.
const FILES: usize = 64;
const FILE_BYTES: usize = 4 << 10;

/// Bytes of all that is kept.
const CORPUS_BYTES: usize = 300 << 10;

fn fuzz() -> PathBuf {
    let tests = env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    Path::new(&tests).join("../fuzz")
}

/// What a folder holds, by name.
fn entries(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| {
            let entry = entry.expect("an entry of a folder");
            (entry.file_name().into_string().expect("a plain name"), entry.path())
        })
        .collect()
}

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = fuzz().join("corpus").join(target);
    entries(&folder).into_iter().map(|(name, path)| (name, fs::read(path).expect("a file"))).collect()
}

#[track_caller]
fn check((name, run): bodies::Target, input: &[u8], what: &str) {
    let found = catch_unwind(AssertUnwindSafe(|| run(input)));
    assert!(found.is_ok(), "{name}: {what}: {input:?}");
}

#[test]
fn what_was_found_stays_fixed() {
    for &target in TARGETS {
        let corpus = corpus(target.0);
        assert!(!corpus.is_empty(), "{}: nothing is kept", target.0);
        for (name, input) in corpus {
            check(target, &input, &name);
        }
    }
}

#[test]
fn what_is_made_at_random_passes() {
    let made = env::var("FUZZ_MADE").map_or(MADE, |made| made.parse().expect("FUZZ_MADE is a number"));
    let only = env::var("FUZZ_TARGET").ok();
    for &target in TARGETS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        let corpus: Vec<_> = corpus(target.0).into_values().collect();
        let mut rng = Rng::new(1);
        for n in 0..made {
            let input = if n % 4 == 0 { random(&mut rng) } else { varied(&corpus, &mut rng) };
            check(target, &input, &format!("input {n}"));
        }
    }
}

#[test]
fn every_target_is_complete_and_the_corpus_is_small() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = entries(&fuzz().join("fuzz_targets")).into_keys();
    assert_eq!(programs.map(|file| file.replace(".rs", "")).collect::<Vec<_>>(), names);
    assert_eq!(entries(&fuzz().join("corpus")).into_keys().collect::<Vec<_>>(), names);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
    let mut bytes = 0;
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        let corpus = corpus(name);
        assert!(corpus.len() <= FILES, "{name}: {} files", corpus.len());
        for (file, input) in corpus {
            assert!(input.len() <= FILE_BYTES, "{name}/{file}: {} bytes", input.len());
            bytes += input.len();
        }
    }
    assert!(bytes <= CORPUS_BYTES, "{bytes} bytes");
}

fn random(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(MADE_BYTES)).map(|_| byte(rng)).collect()
}

/// The front of one input and the rest of another, a few bytes changed.
fn varied(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut part = |front: bool| {
        let input = &corpus[index(rng, corpus.len())];
        let at = index(rng, input.len() + 1);
        if front { input[..at].to_vec() } else { input[at..].to_vec() }
    };
    let mut input = [part(true), part(false)].concat();
    for _ in 0..rng.below(4) {
        if !input.is_empty() {
            let at = index(rng, input.len());
            input[at] = byte(rng);
        }
    }
    input
}

fn index(rng: &mut Rng, below: usize) -> usize {
    usize::try_from(rng.below(below as u64)).expect("below")
}

fn byte(rng: &mut Rng) -> u8 {
    rng.next_u64().to_le_bytes()[0]
}
