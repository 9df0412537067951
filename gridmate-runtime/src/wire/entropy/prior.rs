//! What is likely before a message has said anything.

use super::contexts::{COUNT, EXPECTATIONS, FLAG_PLACES, FLAGS, NODES, RECORDS, SIZE_PLACES, SIZES, STEPS};
use super::model::Model;
use super::{LARGE, class_start};

/// How sure a flag is in the beginning, in decisions seen.
const FLAGS_SEEN: u8 = 4;
/// How sure a size is in the beginning.
const SIZES_SEEN: u8 = 12;
/// How sure anything about records is in the beginning.
const RECORDS_SEEN: u8 = 3;

/// The models that every message starts from.
pub(super) static TABLE: [Model; COUNT] = {
    let mut table = [Model::new(1 << 15, RECORDS_SEEN); COUNT];
    let mut place = 0;
    while place < FLAG_PLACES {
        let at = (FLAGS + 3 * place) as usize;
        table[at] = Model::new(1 << 15, FLAGS_SEEN);
        // What stood still seldom starts to move, what moved seldom stops.
        table[at + 1] = Model::new(9_000, FLAGS_SEEN);
        table[at + 2] = Model::new(60_000, FLAGS_SEEN);
        place += 1;
    }
    let mut expected = 0;
    while expected < EXPECTATIONS {
        let (size, bits) = class_start(expected);
        let mut place = 0;
        while place < SIZE_PLACES {
            let base = SIZES + (place * EXPECTATIONS + expected) * NODES;
            sizes(&mut table, base, size as f64 + ((1_u64 << bits) - 1) as f64 / 2.0, SIZES_SEEN);
            place += 1;
        }
        expected += 1;
    }
    sizes(&mut table, STEPS, 4.0, RECORDS_SEEN);
    table[RECORDS as usize] = Model::new(57_000, RECORDS_SEEN);
    table
};

/// Sizes are around the scale `SPREAD` × expected + `FLOOR`; the chance of being above a size *x* falls with its square, as
/// 1 / (1 + (*x* / scale)²).
const SPREAD: f64 = 0.6;
const FLOOR: f64 = 0.9;

/// Fills in a tree of sizes.
const fn sizes(table: &mut [Model; COUNT], base: u16, expected: f64, seen: u8) {
    let mut weights = [0.0; 64];
    let mut class = 0;
    while class <= LARGE {
        weights[32 + class as usize] = weight(class, expected * SPREAD + FLOOR);
        class += 1;
    }
    let mut node = 31;
    while node > 0 {
        let (zero, one) = (weights[2 * node], weights[2 * node + 1]);
        weights[node] = zero + one;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 512 and 65,024")]
        let chance = (one / (zero + one) * 64_512.0 + 512.0) as u16;
        table[base as usize + node] = Model::new(chance, seen);
        node -= 1;
    }
}

const fn weight(class: u16, scale: f64) -> f64 {
    let (start, bits) = class_start(class);
    let from = start as f64 - if class == 0 { 0.0 } else { 0.5 };
    let to = if class == LARGE { 1e12 } else { start as f64 + (1_u64 << bits) as f64 - 0.5 };
    let (from, to) = (from / scale, to / scale);
    1.0 / (1.0 + from * from) - 1.0 / (1.0 + to * to) + 1e-7
}
