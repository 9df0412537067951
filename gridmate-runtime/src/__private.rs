//! What generated code may name. Nothing here is for people: versions of the derive and of this crate are pinned to each
//! other, so any of it may change in a patch release.

pub use core::clone::Clone;
pub use core::cmp::PartialEq;
pub use core::convert::{From, Into};
pub use core::default::Default;
pub use core::option::Option::{self, None, Some};
pub use core::result::Result::{self, Err, Ok};
pub use std::string::String;
pub use std::vec::Vec;

pub use crate::chunk::field::{
    Field, Read, Repr, enum_shape, field_shape, initial_shape, shape_of, struct_shape, variant_shape,
};
pub use crate::chunk::fit::{Args, Datasets, args, datasets, sum_bits, tagged_bits};
pub use crate::chunk::{
    ArgDescriptor, CallRate, HasRpcs, IntoPropagate, LifeContext, LifeEvent, MayCall, Moment, NoRpcs, OwnershipRequest,
    Propagate, ReplicaChunk, RpcContext, RpcDescriptor, RpcError, RpcFlags, RpcPort, TargetPeer, ThrottleMark,
    TimeContext,
};
pub use crate::schema::{ChunkDescriptor, Coder, DatasetDescriptor, HostOnly, Priority};
pub use crate::wire::codec::{Bits, ByReplica, MaxLen, Native, Predict, Predictable, Quantize};
pub use crate::wire::{
    BitReader, BitWriter, Change, Codec, FieldShape, Marshal, Past, Shape, Sink, Source, VariantShape, WireError,
};

/// The past of a field, from the past of what has it. A function would be compiled for each field of each type and each stream,
/// or take a closure that is; this is a few instructions where it stands.
#[doc(hidden)]
#[macro_export]
macro_rules! __past_of {
    ($past:ident.$field:tt) => {
        $crate::__private::Past::known(
            match $past.repr() {
                $crate::__private::Some(past) => $crate::__private::Some(&past.$field),
                $crate::__private::None => $crate::__private::None,
            },
            $past.ahead(),
        )
        .with_base(match $past.base() {
            $crate::__private::Some(base) => $crate::__private::Some(&base.$field),
            $crate::__private::None => $crate::__private::None,
        })
    };
}
pub use crate::__past_of as past_of;

/// Writes a dataset of a change.
#[doc(hidden)]
#[macro_export]
macro_rules! __write_dataset {
    (initial $handle:expr, $change:ident.$dataset:tt, $w:ident) => {
        $handle.write_initial(&$change.now.$dataset, &$change.base.$dataset, $w);
    };
    ($handle:expr, $change:ident.$dataset:tt, $w:ident) => {
        let past = $change.past;
        $handle.write(&$change.now.$dataset, &$change.base.$dataset, $crate::__past_of!(past.$dataset), $w);
    };
}
pub use crate::__write_dataset as write;

/// Reads a dataset into a snapshot. Without `?`, which is two calls for each dataset of each type.
#[doc(hidden)]
#[macro_export]
macro_rules! __read_dataset {
    (initial $handle:expr, $snapshot:ident.$dataset:tt, $past:ident, $r:ident) => {
        if let $crate::__private::Err(error) = $handle.read_initial(&mut $snapshot.$dataset, $r) {
            return $crate::__private::Err(error);
        }
    };
    ($handle:expr, $snapshot:ident.$dataset:tt, $past:ident, $r:ident) => {
        if let $crate::__private::Err(error) =
            $handle.read(&mut $snapshot.$dataset, $crate::__past_of!($past.$dataset), $r)
        {
            return $crate::__private::Err(error);
        }
    };
}
pub use crate::__read_dataset as read;

/// What a snapshot has to have, and what a struct is in it, as the derives would write it but for a second way to clone: snapshots
/// are copied over older ones, whose memory serves again.
#[doc(hidden)]
#[macro_export]
macro_rules! __snapshot {
    ($snapshot:ident { $($dataset:ident)* }) => {
        #[automatically_derived]
        impl $crate::__private::Clone for $snapshot {
            fn clone(&self) -> Self {
                Self { $($dataset: $crate::__private::Clone::clone(&self.$dataset),)* }
            }

            fn clone_from(&mut self, from: &Self) {
                let _ = from;
                $($crate::__private::Clone::clone_from(&mut self.$dataset, &from.$dataset);)*
            }
        }

        #[automatically_derived]
        impl $crate::__private::PartialEq for $snapshot {
            fn eq(&self, other: &Self) -> ::core::primitive::bool {
                let _ = other;
                $(self.$dataset == other.$dataset &&)* true
            }
        }
    };
}
pub use crate::__snapshot as snapshot;

/// What a chunk type says of datasets that travel once.
#[doc(hidden)]
#[macro_export]
macro_rules! __initial_datasets {
    ($snapshot:ident { $($dataset:ident)* }) => {
        const INITIAL: ::core::primitive::bool = true;

        fn keep_initial(now: &mut $snapshot, from: &$snapshot) {
            $($crate::__private::Clone::clone_from(&mut now.$dataset, &from.$dataset);)*
        }

        fn same_initial(now: &$snapshot, before: &$snapshot) -> ::core::primitive::bool {
            $(now.$dataset == before.$dataset &&)* true
        }
    };
}
pub use crate::__initial_datasets as initial;
