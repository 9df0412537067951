//! How much is written: every generated line is compiled by every program, for every chunk.

use gridmate_codegen::{Root, expand_replica_chunk};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::pretty;

/// What a chunk costs before its first field, lines.
const CHUNK_LINES: usize = 20;

/// What a field may cost, lines.
const FIELD_LINES: usize = 14;

/// What a throttle may cost besides, lines.
const THROTTLE_LINES: usize = 4;

/// What an interpolator may cost besides, lines.
const INTERPOLATE_LINES: usize = 2;

/// What it may cost besides to break others' ways, lines.
const BREAKS_LINES: usize = 1;

/// Up to how many lines any chunk has before its first field; small ones have nothing to spread them over.
const EMPTY_LINES: usize = 34;

/// What it costs when a line that names all datasets gets too long, lines; and how many names then fit on one.
const LONG_LINE: usize = 2;
const LONG_LINE_DATASETS: usize = 6;

/// How a field is written, and how many lines it may cost.
type Kind<'a> = (&'a dyn Fn(&Ident) -> TokenStream, usize);

fn lines(chunk: TokenStream) -> usize {
    pretty(expand_replica_chunk(chunk, &Root::Runtime)).lines().count()
}

fn chunk_of(field: &dyn Fn(&Ident) -> TokenStream, count: usize) -> usize {
    let fields = (0..count).map(|i| field(&format_ident!("dataset_{i}")));
    lines(quote!(struct Ship { #(#fields,)* }))
}

#[test]
fn a_typical_chunk_keeps_the_budget() {
    let lines = lines(quote! {
        #[chunk(name = "ship", migratable, priority = Priority::HIGH)]
        pub struct Ship {
            #[dataset(quantize(-256.0..=256.0, step = 0.002))]
            pub position: Vec3,
            #[dataset(with = SmallestThree::<10>)]
            pub rotation: Quat,
            #[dataset(on_change = Self::on_health)]
            pub health: u8,
            pub weapon: Weapon,
            pub target: Option<EntityRef>,
            #[dataset(skip)]
            pub exhaust: ParticleHandle,
        }
    });
    assert!(lines <= CHUNK_LINES + 5 * FIELD_LINES, "{lines} lines for 5 datasets");
}

#[test]
fn every_kind_of_field_keeps_the_budget() {
    let plain = |name: &Ident| quote!(#name: u8);
    let quantized = |name: &Ident| quote!(#[dataset(quantize(-256.0..=256.0, step = 0.002))] #name: f32);
    let watched =
        |name: &Ident| quote!(#[dataset(with = SmallestThree::<10>, on_change = Self::on_change)] #name: Quat);
    let watched_here = |name: &Ident| quote!(#[dataset(on_change(Self::on_change, everywhere))] #name: u8);
    let throttled = |name: &Ident| quote!(#[dataset(throttle = Epsilon(0.02))] #name: f32);
    let interpolated = |name: &Ident| quote!(#[dataset(interpolate = Linear)] #name: f32);
    let initial = |name: &Ident| quote!(#[dataset(initial)] #name: u8);
    let breaking = |name: &Ident| quote!(#[dataset(interpolate = Point, breaks)] #name: u8);
    let kinds: [Kind<'_>; 8] = [
        (&plain, FIELD_LINES),
        (&quantized, FIELD_LINES),
        (&watched, FIELD_LINES),
        (&watched_here, FIELD_LINES),
        (&throttled, FIELD_LINES + THROTTLE_LINES),
        (&interpolated, FIELD_LINES + INTERPOLATE_LINES),
        (&initial, FIELD_LINES),
        (&breaking, FIELD_LINES + INTERPOLATE_LINES + BREAKS_LINES),
    ];

    let empty = chunk_of(&plain, 0);
    assert!(empty <= EMPTY_LINES, "{empty} lines without any dataset");
    for (kind, limit) in kinds {
        // The first field opens the bodies of the methods, the second breaks lists that had one element.
        let two = chunk_of(kind, 2);
        for count in 3..=40 {
            let grown = chunk_of(kind, count) - two;
            let named = LONG_LINE + count / LONG_LINE_DATASETS;
            assert!(grown <= (count - 2) * limit + named, "{grown} lines more for {count} datasets than for two");
        }
    }
    for count in 5..=40 {
        for lines in [chunk_of(&plain, count), chunk_of(&quantized, count)] {
            assert!(lines <= CHUNK_LINES + count * FIELD_LINES, "{lines} lines for {count} datasets");
        }
    }
}
