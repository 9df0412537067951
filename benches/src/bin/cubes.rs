//! Bytes on real motion: 901 cubes of a recorded physics scene, every frame against what was acknowledged six frames ago.
//!
//! The whole path is used: a host's replica manager writes the messages, a client's reads them, receipts come back after
//! six frames, and after every frame all cubes are compared. `benches/data/README.md` has the rule.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin cubes [-- --file FILE]`

use std::error::Error;
use std::path::PathBuf;

use glam::{IVec3, Vec3};
use gridmate_benches::Pair;
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::wire::PackedRotation;

/// Numbers of a cube in the recording: eight 32-bit integers.
const NUMBERS: usize = 8;
/// Cubes in a frame.
const CUBES: usize = 901;
/// Frames until the receipt of a message is there.
const ROUND_TRIP: usize = 6;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Cube {
    /// Metres; the recording has steps of 1/512.
    #[dataset(quantize(-256.0..=256.0, step = 0.001_953_125), predict = Linear)]
    position: Vec3,
    #[dataset(predict = Linear)]
    rotation: PackedRotation<9>,
    interacting: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let frames = read(&file_argument()?)?;
    let mut table = Vec::new();
    for (lib, coder) in [("gridmate_packed", Coder::Packed), ("gridmate_entropy", Coder::Entropy)] {
        let figures = run(&frames, coder)?;
        for (metric, value) in figures {
            println!("bench=cubes case=cubes901 lib={lib} metric={metric} value={value:.1}");
        }
        table.push((lib, figures));
    }
    println!();
    println!("{:<18} {:>12} {:>10} {:>12} {:>12}", "coder", "bytes/frame", "kbit/s", "encode us", "decode us");
    for (lib, [(_, bytes), _, (_, encode), (_, decode)]) in table {
        let (kilobits, encode, decode) = (bytes * 8.0 * 60.0 / 1e3, encode / 1e3, decode / 1e3);
        println!("{lib:<18} {bytes:>12.1} {kilobits:>10.1} {encode:>12.1} {decode:>12.1}");
    }
    Ok(())
}

/// What one coder makes of all frames.
fn run(frames: &[Vec<Cube>], coder: Coder) -> Result<[(&'static str, f64); 4], Box<dyn Error>> {
    let registry = Registry::builder().coder(coder).chunk::<Cube>().build()?;
    let mut pair = Pair::new(registry, ROUND_TRIP);
    // Receipts are never late here, so nothing is to be repeated for want of one.
    pair.host.set_patience(pair.to_client, 1);

    let ids = frames[0].iter().map(|cube| pair.host.add(cube.clone())).collect::<Result<Vec<_>, _>>()?;
    let (mut bytes, mut records) = (0, 0);
    for (number, frame) in frames.iter().enumerate() {
        for (id, cube) in ids.iter().zip(frame) {
            if pair.host.get::<Cube>(*id)? != cube {
                pair.host.primary_mut::<Cube>(*id)?.clone_from(cube);
            }
        }
        let before = pair.host.stats().records_sent;
        let sent = pair.tick()?;
        if number >= ROUND_TRIP {
            bytes += sent;
            records += pair.host.stats().records_sent - before;
        }
        for (id, cube) in ids.iter().zip(frame) {
            assert_eq!(pair.client.get::<Cube>(*id)?, cube, "frame {number}, cube {id}");
        }
    }

    let counted = (frames.len() - ROUND_TRIP) as f64;
    let figures = [
        ("bytes_per_frame", bytes as f64 / counted),
        ("records_per_frame", records as f64 / counted),
        ("encode_ns_per_frame", pair.encoding.as_nanos() as f64 / frames.len() as f64),
        ("decode_ns_per_frame", pair.decoding.as_nanos() as f64 / frames.len() as f64),
    ];
    Ok(figures)
}

fn file_argument() -> Result<PathBuf, String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cubes901.bin.zst")),
        (Some("--file"), Some(file)) => Ok(file.into()),
        (Some(other), _) => Err(format!("`{other}` is not understood; the only flag is --file FILE")),
    }
}

fn read(path: &std::path::Path) -> Result<Vec<Vec<Cube>>, Box<dyn Error>> {
    let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let numbers: Vec<i32> =
        zstd::decode_all(file)?.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
    if numbers.len() < CUBES * NUMBERS * (ROUND_TRIP + 1) || !numbers.len().is_multiple_of(CUBES * NUMBERS) {
        return Err(format!("{}: not a recording of {CUBES} cubes", path.display()).into());
    }
    let cube = |n: &[i32]| -> Result<Cube, std::num::TryFromIntError> {
        let rotation = PackedRotation::new(n[0].try_into()?, [n[1].try_into()?, n[2].try_into()?, n[3].try_into()?]);
        Ok(Cube { position: IVec3::new(n[4], n[5], n[6]).as_vec3() / 512.0, rotation, interacting: n[7] != 0 })
    };
    let frames = numbers.chunks_exact(CUBES * NUMBERS);
    Ok(frames.map(|frame| frame.chunks_exact(NUMBERS).map(cube).collect()).collect::<Result<_, _>>()?)
}
