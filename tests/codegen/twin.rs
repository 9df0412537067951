//! Each case once more, as an item that the real macro is on: it compiles, and what it declares goes over the wire and back.
//!
//! Values come from the wire as well, so that nothing here has to know the types: of many random messages those that are
//! accepted.

use std::collections::BTreeSet;
use std::path::Path;

use gridmate_runtime::wire::{Ahead, BitReader, BitWriter, Change, Marshal, Past, WireError};
use gridmate_runtime::{Instant, MemberId, ReplicaChunk, ReplicaId, Rng, RpcContext};

/// A case of a list that [`cases!`](crate::cases) made.
pub(crate) struct Case {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) twin: Twin,
}

pub(crate) enum Twin {
    /// Its test.
    Compiled,
    /// Why it has none.
    Never(&'static str),
}

/// The item with the macro on it, what it needs besides, and the test of its kind. Another arm for each function that a list
/// of cases may begin with.
macro_rules! twin {
    (replica_chunk $type:ty, { $($input:tt)* } { $($given:item)* }) => {
        #[derive(Default, ::gridmate_runtime::ReplicaChunk)]
        $($input)*
        $($given)*
        #[test]
        fn round_trips() {
            $crate::twin::chunk::<$type>();
        }
    };
    (net_bindable $type:ty, { $($input:tt)* } { $($given:item)* }) => {
        #[derive(Default, ::netbinding::NetBindable)]
        $($input)*
        $($given)*
        #[test]
        fn round_trips() {
            $crate::twin::chunk::<$type>();
        }
    };
    (marshal $type:ty, { $($input:tt)* } { $($given:item)* }) => {
        #[derive(::gridmate_runtime::Marshal)]
        $($input)*
        $($given)*
        #[test]
        fn round_trips() {
            $crate::twin::marshal::<$type>();
        }
    };
    (rpcs $type:ty, { $($input:tt)* } { $($given:item)* }) => {
        #[::gridmate_runtime::rpcs]
        $($input)*
        $($given)*
        #[test]
        fn every_rpc_runs() {
            $crate::twin::rpcs::<$type>();
        }
    };
    (rpcs_renamed $type:ty, { $($input:tt)* } { $($given:item)* }) => {
        #[::gridmate_runtime::rpcs(crate = renamed)]
        $($input)*
        $($given)*
        #[test]
        fn every_rpc_runs() {
            $crate::twin::rpcs::<$type>();
        }
    };
}
pub(crate) use twin;

/// How many random messages are read, and how long they may be.
const MESSAGES: usize = 600;
const MESSAGE_BYTES: u64 = 24;

/// More values than this say nothing new.
const VALUES: usize = 12;

pub(crate) fn chunk<T: ReplicaChunk>() {
    let start = T::default().snapshot();
    let read = |bytes: &[u8]| {
        let mut snapshot = start.clone();
        T::decode(&mut snapshot, Past::UNKNOWN, &mut BitReader::new(bytes)).ok().map(|()| snapshot)
    };
    let mut values = vec![start.clone()];
    values.extend(accepted(read, |values, value| values.len() < VALUES && !values.contains(value) && *value != start));
    assert_eq!(values.len() > 2, !T::DESCRIPTOR.datasets.is_empty(), "{} values", values.len());
    for now in &values {
        for base in &values {
            for past in [Past::UNKNOWN, Past::new(&start, Ahead::new(3, 2))] {
                let mut w = BitWriter::new();
                T::encode(Change::new(now, base).with_past(past), &mut w);
                let (bits, mut back) = (w.len(), base.clone());
                let mut r = BitReader::new(w.finish());
                T::decode(&mut back, past, &mut r).expect("what was written is read");
                assert!(back == *now && r.position() == bits && w.error().is_none());
                no_prefix_will_do(
                    |w| T::encode(Change::new(now, base).with_past(past), w),
                    |r| T::decode(&mut base.clone(), past, r),
                );
            }
            let mut value = T::default();
            value.apply(base, &start);
            value.apply(now, base);
            assert!(value.snapshot() == *now, "what was applied is what is captured");
            let mut captured = base.clone();
            value.capture(&mut captured);
            assert!(captured == *now);
        }
    }
    let names: Vec<_> = T::DESCRIPTOR.datasets.iter().map(|dataset| dataset.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

pub(crate) fn marshal<T: Marshal>() {
    let values: Vec<T::Repr> = accepted(
        |bytes| T::decode(&mut BitReader::new(bytes)).ok(),
        |values, value| values.len() < VALUES && !values.contains(value),
    );
    assert!(!values.is_empty());
    for now in &values {
        let value = T::from_repr(now);
        assert!(value.to_repr() == *now, "a repr stands for itself");
        no_prefix_will_do(|w| T::encode(now, w), |r| T::decode(r));
        no_prefix_will_do(|w| value.marshal(w), |r| T::unmarshal(r));
        for base in &values {
            let mut w = BitWriter::new();
            T::encode(now, &mut w);
            T::encode_delta(now, base, &mut w);
            let past = Past::new(&values[0], Ahead::new(2, 1));
            T::encode_ahead(now, base, past, &mut w);
            value.marshal(&mut w);
            let (bits, mut changed, mut ahead) = (w.len(), base.clone(), base.clone());
            let mut r = BitReader::new(w.finish());
            assert!(T::decode(&mut r).is_ok_and(|back| back == *now));
            assert!(T::decode_delta(&mut changed, &mut r).is_ok() && changed == *now);
            assert!(T::decode_ahead(&mut ahead, past, &mut r).is_ok() && ahead == *now);
            assert!(T::unmarshal(&mut r).is_ok_and(|back| back.to_repr() == *now));
            assert_eq!(r.position(), bits, "reads as much as was written");
            no_prefix_will_do(|w| T::encode_delta(now, base, w), |r| T::decode_delta(&mut base.clone(), r));
            no_prefix_will_do(|w| T::encode_ahead(now, base, past, w), |r| T::decode_ahead(&mut base.clone(), past, r));
            let mut captured = base.clone();
            value.capture(&mut captured);
            assert!(captured == *now);
            let mut assigned = T::from_repr(base);
            assigned.assign(now);
            assert!(assigned.to_repr() == *now);
        }
    }
    assert_ne!(T::shape().to_string(), "");
}

/// Runs each handler on arguments that some message holds.
pub(crate) fn rpcs<T: ReplicaChunk>() {
    let replica = ReplicaId { creator: MemberId::HOST, serial: 1 };
    let ctx = RpcContext::new(MemberId(2), MemberId::HOST, replica, true, Instant::ZERO);
    for rpc in T::RPCS {
        let run = |bytes: &[u8]| (rpc.invoke)(&mut T::default(), &ctx, &mut BitReader::new(bytes)).ok();
        assert!(!accepted(run, |_, _| true).is_empty(), "{} runs", rpc.name);
        assert_eq!(run(&[]).is_some(), rpc.args.is_empty(), "{} reads its arguments", rpc.name);
        for message in accepted(|bytes| run(bytes).map(|_| bytes.to_vec()), |_, _| true) {
            // How much of it was read is not known, but to the byte: what it takes to run.
            let enough = (0..message.len()).find(|len| run(&message[..*len]).is_some());
            let enough = enough.unwrap_or(message.len());
            assert!((enough..message.len()).all(|len| run(&message[..len]).is_some()), "{} reads on", rpc.name);
        }
        let args: BTreeSet<_> = rpc.args.iter().map(|arg| arg.name).collect();
        assert_eq!(args.len(), rpc.args.len());
    }
}

/// What was written, cut off behind any of its bits, is an error.
#[track_caller]
fn no_prefix_will_do<V>(write: impl Fn(&mut BitWriter), read: impl Fn(&mut BitReader<'_>) -> Result<V, WireError>) {
    // Messages end at bytes; what stands before makes each bit the last of one.
    for lead in 0..8 {
        let mut w = BitWriter::new();
        w.bits(0, lead);
        write(&mut w);
        let (bits, bytes) = (w.len(), w.finish());
        for len in (0..bytes.len()).filter(|len| (lead as usize..bits).contains(&(len * 8))) {
            let mut r = BitReader::new(&bytes[..len]);
            assert_eq!(r.bits(lead), Ok(0));
            assert!(read(&mut r).is_err(), "accepted {len} of {} bytes", bytes.len());
        }
    }
}

fn accepted<V>(read: impl Fn(&[u8]) -> Option<V>, wanted: impl Fn(&[V], &V) -> bool) -> Vec<V> {
    let (mut rng, mut values) = (Rng::new(7), Vec::new());
    for _ in 0..MESSAGES {
        // Zeros at the end: what asks for more than there is finds short lists and small numbers.
        let mut bytes: Vec<u8> = (0..rng.below(MESSAGE_BYTES)).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        bytes.resize(64, 0);
        if let Some(value) = read(&bytes)
            && wanted(&values, &value)
        {
            values.push(value);
        }
    }
    values
}

/// Every snapshot is that of a case, and every case has a twin or is recorded as what says why it has none.
#[test]
fn every_case_has_a_twin_or_says_why_not() {
    let lists = [
        crate::chunk::CASES,
        crate::chunk::bind::CASES,
        crate::marshal::CASES,
        crate::rpcs::CASES,
        crate::rpcs::renamed::CASES,
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("codegen/snapshots");
    let (mut recorded, mut compiled) = (BTreeSet::new(), 0);
    for case in lists.into_iter().flatten() {
        let file = format!("{}__{}.snap", case.module.replace("::", "__"), case.name);
        let text = std::fs::read_to_string(folder.join(&file)).expect("a snapshot");
        let (_, output) = text.split_once("// ---------- becomes ----------").expect("two halves");
        let stub = output.contains("compile_error!") || output.contains("does not parse");
        match case.twin {
            Twin::Compiled => assert!(!stub, "{file} is a mistake, and compiles"),
            Twin::Never(why) => assert!(stub && why.len() > 10, "{file} could be compiled"),
        }
        compiled += usize::from(matches!(case.twin, Twin::Compiled));
        assert!(recorded.insert(file));
    }
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").file_name());
    let files: BTreeSet<_> =
        files.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".snap")).collect();
    let own = files.difference(&recorded).collect::<Vec<_>>();
    assert_eq!(own, ["codegen__your_own__a_struct_in_a_file_of_the_program.snap"], "compiled in `tests/src`");
    assert!(compiled >= 40, "{compiled} of {} cases", recorded.len());
}
