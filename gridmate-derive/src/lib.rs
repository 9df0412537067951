//! The macros of `gridmate-runtime` and `netbinding`. They are one line each; the work is done by `gridmate-codegen`.
//!
//! Programs do not name this crate: the runtime re-exports [`ReplicaChunk`](macro@ReplicaChunk), [`Marshal`](macro@Marshal)
//! and [`rpcs`](macro@rpcs), netbinding re-exports [`NetBindable`](macro@NetBindable) and its own editions of the others.
//!
//! A mistake in an attribute is reported at the token, together with every other mistake in the same input.

use gridmate_codegen::Root;
use proc_macro::TokenStream;

/// Makes a struct a replica chunk: its fields become datasets, captured, compared and delta-coded by straight-line code.
///
/// The struct has named fields (or none), no type parameters, and is `Default`: both ends start from the default value.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "ship", migratable, priority = Priority::HIGH)]
/// pub struct Ship {
///     #[dataset(quantize(-256.0..=256.0, step = 0.002), throttle = Epsilon(0.05), interpolate = Linear)]
///     pub altitude: f32,
///     #[dataset(max_len = 24)]
///     pub name: String,
///     #[dataset(on_change = Self::on_health)]
///     pub health: u8,
///     #[dataset(on_change(Self::on_cargo, everywhere), throttle = AtMost(30))]
///     pub cargo: u32,
///     #[dataset(skip)]
///     pub exhaust: Vec<f32>,
/// }
///
/// impl Ship {
///     fn on_health(&mut self, _ctx: &TimeContext) {}
///
///     fn on_cargo(&mut self, ctx: &TimeContext) {
///         if ctx.primary { /* this node changed it */ }
///     }
/// }
/// ```
///
/// | `#[chunk(…)]` on the struct | default | meaning |
/// |---|---|---|
/// | `name = "…"` | the struct's name | the type's name on the wire; not empty, and no other type's in the registry |
/// | `migratable` | off | another node may own it: when its owner is lost, when it asks, when the host says so |
/// | `accept_ownership = path` | everyone | `fn(&Self, &OwnershipRequest) -> Result<(), u16>`: who may own it; see [below](#who-owns-a-chunk) |
/// | `priority = EXPR` | `Priority::NORMAL` | how much it matters when bytes are short; a constant `Priority` |
/// | `coder = Packed`, `coder = Entropy` | `Packed` | how values become bits: fixed codes, or codes by what is likely; see `Coder` |
/// | `rate = n` | every tick | changes go out `n` times a second at most, 1 to 1,000; what they came to goes out in the end |
/// | `send_to = path` | every peer | `fn(&Self, &TargetPeer) -> bool`: which peers may have the chunk; see [below](#who-gets-a-chunk) |
/// | `host_only`, `host_only = Replica` | everyone may | only a host creates it; from a client, the chunk or the whole replica is refused; see `HostOnly` |
/// | `on_attach = path`, `on_activate = path` | none | `fn(&mut Self, &LifeContext)`: it has come; see [below](#a-chunks-life) |
/// | `on_update = path` | none | the same: in every tick on the primary, after values have come on a proxy |
/// | `on_owner_change = path` | none | the same: the replica has another owner |
/// | `on_deactivate = path`, `on_detach = path` | none | the same: it goes |
/// | `crate = path` | `::gridmate_runtime` | where the runtime is |
///
/// | `#[dataset(…)]` on a field | default | meaning |
/// |---|---|---|
/// | `skip` | every field travels | never on the wire; excludes all other keys |
/// | `with = CODEC` | the type's own `Marshal` | a `Codec` for the field's type; see [below](#how-a-codec-is-written) |
/// | `quantize(lo..=hi, step = s)` | – | a number in a range, in steps of `s` |
/// | `quantize(lo..=hi, bits = n)` | – | the same, in as many steps as `n` bits can tell apart |
/// | `max_len = n` | – | a `String` of at most `n` bytes, a collection of at most `n` elements: `with = MaxLen::<n>` |
/// | `entity` | – | a reference to an entity, as the id of its replica: an `EntityRef` or an `Option` of one, which must say so |
/// | `initial` | off | travels with the first state and never again; see [below](#what-is-said-once) |
/// | `predict = Linear` | none | changes are written against where the value was heading; see [below](#motion) |
/// | `on_change = path` | none | `fn(&mut Self, &TimeContext)`, run on proxies after a new value is stored |
/// | `on_change(path, everywhere)` | none | the same, and run on the primary too; see [below](#change-handlers) |
/// | `interpolate = EXPR` | none | what proxies show between two values; see [below](#interpolators) |
/// | `breaks` | off | where this dataset changes, the others leap; see [below](#leaps) |
/// | `throttle = EXPR` | `Exact` | when a change is worth sending; see [below](#throttles) |
///
/// A field takes one of `with`, `quantize`, `max_len` and `entity`, and may have the other keys besides. An attribute may be repeated; a
/// key may not.
///
/// # What is too large
///
/// A chunk with a dataset that could not be sent even if it were the only thing to say does not compile, and neither does one
/// whose datasets together come to more than a record of state has (`limits::RECORD_BYTES`): the error is at the field that brings
/// it there. Only what is certain counts: the width of numbers, `n` elements under `max_len = n`, the largest variant of an enum.
/// Text and lists without `max_len`, maps and sets count nothing; when they grow too large, `ReplicaEvent::TooLarge` says so. There is
/// no limit to the number of datasets.
///
/// # Who gets a chunk
///
/// With `send_to` a chunk goes to those peers for which the function says so. Others have the replica, its other chunks and of this
/// one the default values; nothing else of it is ever sent to them, and no echoes of calls on it. They may call its RPCs as the
/// RPCs say. When the answer changes, what becomes visible arrives whole, and what becomes hidden falls back to the default
/// values; the peer keeps nothing that it may not see.
///
/// The answer is asked for where there is something of the replica to send, so after every change of its datasets, its owner or
/// its assignment. When it depends on anything else, say so: `ReplicaManager::refresh_targets`. `TargetPeer` says which member the peer
/// is, what its role is, and whether it owns the replica or has it assigned.
///
/// It is the sender that asks, for the peers it sends to. The owner of a replica on a client decides about the host, and the host,
/// by what it got and what fields with `skip` have by default, or since it owned the replica itself, about the others: what the host may
/// not have, nobody gets. Who is in the session sees that the replica is there, which chunks it has, and when something of it changes.
///
/// Whoever is made the owner is given every chunk, whatever the functions say of it, and so is the host, by way of which it goes. Once it
/// is not the owner any more it has what any other peer has. A member that must not see a chunk must not be given the replica:
/// `accept_ownership` can see to that.
///
/// # Who owns a chunk
///
/// A replica whose chunks are all `migratable` changes hands when another member asks for it (`ReplicaManager::request_ownership`). Before
/// it does, each of its chunks with `accept_ownership` is asked, in order and where the primary is, until one says no: an
/// `Err(code)` refuses the request, and the code is told to who asked. The owner and the host give it away without asking
/// (`set_owner`), and so it is when its owner is lost (`set_adoption`).
///
/// A former owner has what it wrote, not rounded, until what is sent of that is something else: under a codec that loses it
/// may be off by a step, where others are off by half of one.
///
/// # How a codec is written
///
/// The codec's type is read off the expression: a unit struct `Half` or `SmallestThree::<10>`, a constructor
/// `Fixed::new(8)`, a tuple struct `Fixed(8)`, a struct `Fixed { bits: 8 }`. Anything else names it: `MY_CODEC as Fixed`.
///
/// # Motion
///
/// With `predict = Linear` a change is written by how far the value is from where it would be had it gone on in a line: the
/// base that both ends know, plus the way it had come to that base. Bodies and cameras become much cheaper, what jumps about
/// a little dearer; what stands still costs nothing either way, and values are as exact as without. It goes with `f32`,
/// integers of up to 32 bits, arrays and glam vectors of them, as they are or under `quantize`, and with rotations under
/// `SmallestThree`. In a struct that travels as a dataset, the struct's fields say `#[marshal(predict = Linear)]`.
///
/// # Change handlers
///
/// A handler is named by a path to a `fn(&mut Self, &TimeContext)`. On a proxy it runs once an update, however many values
/// arrived in between, when the dataset's wire representation is another than before; `self` holds the new values of all
/// datasets. What it writes into datasets there is taken back: a proxy is what its owner says. The first values that a proxy
/// gets are changes from the default value.
///
/// With `everywhere` it also runs where the primary is: once in a tick in which the value that is sent differs from the one
/// before, however often the program wrote to it since, at first compared with the default value. `ctx.primary` tells the two
/// apart. What it writes there is sent in the next tick. RPC handlers and guards change a primary alike; a change that a
/// throttle withholds is heard of when it is sent.
///
/// With `ctx.destroy_replica()` a handler on the primary ends the replica.
///
/// # A chunk's life
///
/// The handlers of `#[chunk(on_attach = path)]` and the like are told what becomes of the chunk, on each node that has it:
///
/// | key | on the primary | on a proxy |
/// |---|---|---|
/// | (attach) | within `add`, before any is activated | in the update after it has come, before any is activated |
/// | (activate) | within `add`, when all chunks are attached | in the same update, before calls and change handlers |
/// | (update) | in every tick, before it is looked for changes | once an update in which values have come, after change handlers |
/// | (owner change) | in the update after the primary has come here | in the update after the owner has become another, or its primary has gone from here |
/// | (deactivate) | within `destroy`, or when the handler that asked for it has returned | when it ends, after the calls made before |
/// | (detach) | in the tick after, when calls made before are on their way | at once after that |
///
/// The first two and the last two come once each, all chunks one after the other in the order in which they were added. `LifeContext` says
/// where and when; `destroy_replica` ends the replica from any of them. Datasets written on the primary are sent; on a proxy they are
/// taken back. A type that asks for nothing costs nothing: a tick goes through chunks for nothing but `on_update`, and only through
/// those of types that have it. What is restored from a save is attached and activated like what is added; a program that drops its
/// node drops its chunks, and nothing is told.
///
/// # What is said once
///
/// A dataset with `initial` goes out with the whole of its chunk: when the replica is new to a peer. It is there when the chunk is
/// activated, for those who come late as for all others, and costs nothing in changes. What counts is its value in the first tick
/// after the replica was added, whether anyone is there to be sent it or not: what a program writes there later stays on its node. It may have a codec, and none of the keys that are about
/// changes.
///
/// # Throttles
///
/// A throttle delays; what a value comes to rest at always arrives exactly. The expression is a constant.
///
/// | throttle | a change is sent |
/// |---|---|
/// | `Exact` | in the tick it is found in, as without a throttle |
/// | `Epsilon(x)` | when it is at least `x` away from the value sent last, or has not moved for 8 ticks |
/// | `Epsilon(x).settle(n)` | the same with `n` ticks |
/// | `AtMost(n)` | when the last one was sent at least `n` ticks ago |
/// | any other | when its `Throttle<FieldType>` says so |
///
/// A chunk with something withheld is looked at in every tick until it is sent. Chunks without throttles keep and check nothing.
///
/// # Interpolators
///
/// A proxy holds the newest values. `ReplicaManager::display(now, delay)` shows them as they were a moment before, and datasets with
/// an interpolator between the value before that moment and the one after it; the others as they are. The expression is a constant.
///
/// | interpolator | for | shows |
/// |---|---|---|
/// | `Linear` | floats, arrays of them, glam's vectors, `Transform`, `Color`, what is `Lerp` | a straight line |
/// | `Slerp` | glam's quaternions (feature `glam`) | the shorter turn |
/// | `Angle::DEGREES`, `Angle::RADIANS`, `Angle::per_turn(x)` | floats | the shorter way round |
/// | `Point` | what is `Clone` | the value before |
/// | `Hermite` | what `Linear` is for, glam's quaternions | a smooth curve |
/// | `Extrapolate(x, 6)` | what `x` is for | as `x`, and goes on past the newest value for so many ticks, holds that, and goes over to the next |
/// | `Snap(x, 5.0)` | what `x` is for and is `Apart` | as `x`, but no way between values further apart than so much |
/// | any other | | what its `Interpolator<FieldType>` says |
///
/// These are values in scope, from the prelude or the program. At rest the exact value is shown. Chunks without interpolators keep
/// nothing for it.
///
/// # Leaps
///
/// What is put somewhere else is not to be shown on its way there. `Snap` knows a leap by how far it goes; the owner knows it better. A
/// dataset with `breaks` is a mark: where it changes, every dataset of the chunk with an interpolator stays at its last value until
/// that moment, and then is at its next. Nothing is drawn over it, curved by what lies beyond it, or guessed from it.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Clone, Default, ReplicaChunk)]
/// struct Wizard {
///     #[dataset(interpolate = Linear)]
///     at: [f32; 2],
///     #[dataset(breaks)]
///     leaps: u8,
/// }
///
/// impl Wizard {
///     fn leap(&mut self, to: [f32; 2]) {
///         self.at = to;
///         self.leaps = self.leaps.wrapping_add(1);
///     }
/// }
/// ```
///
/// Any dataset will do: the number of the map that one is on, or of the life one lives. It travels like any other, so that it is
/// true under loss, behind a host that passes it on and for who joins late, and breaks in the very value that the leap came
/// with; if that was lost, in the first after it. It costs what a dataset costs that does not change: a bit where something of the
/// chunk is sent, and nothing for other types. Changes that throttles withhold are sent with it. A
/// `rate` holds the leap back with all else.
#[proc_macro_derive(ReplicaChunk, attributes(chunk, dataset))]
pub fn replica_chunk(input: TokenStream) -> TokenStream {
    gridmate_codegen::expand_replica_chunk(input.into(), &Root::Runtime).into()
}

/// Gives a struct or an enum a wire representation: its fields, one after the other.
///
/// ```
/// use gridmate_runtime::Marshal;
///
/// #[derive(Marshal)]
/// #[marshal(tag_bits = 3)]
/// pub enum Weapon {
///     Idle,
///     Charging {
///         #[marshal(bits = 4)]
///         level: u8,
///     },
///     Firing(#[marshal(quantize(0.0..=1.0, bits = 8))] f32),
/// }
/// ```
///
/// | `#[marshal(…)]` | where | meaning |
/// |---|---|---|
/// | `tag_bits = n` | enum | width of the tag; default: the fewest bits that hold all tags |
/// | `bound = "…"` | type | replaces the bounds that the impl would ask of type parameters |
/// | `crate = path` | type | where the runtime is; default `::gridmate_runtime` |
/// | `tag = n` | variant | pins the tag; others count up from the variant before, from 0 (`= n` in Rust plays no part) |
/// | `skip` | field | never on the wire; rebuilt with `Default` |
/// | `bits = n` | field | an integer in `n` bits, 1 to 64 |
/// | `entity` | field | a reference to an entity: an `EntityRef` or an `Option` of one |
/// | `predict = Linear` | field of a struct | changes are written against where the value was heading, if the struct is a dataset or part of one |
/// | `max_len = n` | field | a `String` of at most `n` bytes, a collection of at most `n` elements |
/// | `with = CODEC`, `quantize(…)` | field | as for [`ReplicaChunk`](macro@ReplicaChunk#how-a-codec-is-written) |
///
/// The impl asks `FieldType: Marshal` of a field whose type mentions a type parameter, and nothing else. A type that
/// contains itself has no finite representation and cannot be derived.
#[proc_macro_derive(Marshal, attributes(marshal))]
pub fn marshal(input: TokenStream) -> TokenStream {
    gridmate_codegen::expand_marshal(input.into(), &Root::Runtime).into()
}

/// Makes methods of a replica chunk callable from every node that has a replica of it.
///
/// A handler takes `&mut self`, `ctx: &RpcContext` and its arguments as `name: Type`, and returns `Propagate` or nothing. It
/// runs where the primary lives, and on every proxy if it says `Propagate::ToProxies`, or on one with `Propagate::To(member)`. A handler
/// that returns `Reply<T>` answers its caller, who gets a ticket for `ReplicaManager::poll_reply`. Callers get a method of the same name,
/// visibility and documentation, without the context. Other items of the block are left as they are.
///
/// ```
/// use gridmate_runtime::{Propagate, ReplicaChunk, RpcContext, rpcs};
///
/// #[derive(Default, ReplicaChunk)]
/// pub struct Ship {
///     ammo: u8,
/// }
///
/// #[rpcs]
/// impl Ship {
///     /// Asks the primary to fire.
///     #[rpc(unreliable, owner_only)]
///     pub fn fire(&mut self, _ctx: &RpcContext, #[marshal(bits = 3)] burst: u8) -> Propagate {
///         self.ammo = self.ammo.saturating_sub(burst);
///         Propagate::ToProxies
///     }
/// }
/// ```
///
/// | `#[rpc(…)]` on a method | default | meaning |
/// |---|---|---|
/// | `reliable` / `unreliable` | reliable | delivered once and in order, or perhaps lost |
/// | `post_attached = bool` | `true` | runs on a proxy only after the values it was sent with are there |
/// | `owner_only` | anyone may call | only the primary's member and the member the replica is assigned to |
/// | `authority_only` | anyone may call | only the member that holds the primary |
/// | `no_relay` | passed on | a host drops a request that it would pass on to the client that owns the replica |
/// | `rate = n`, `burst = n` | any number | calls a second of each member, and calls at once (as many as `rate` unless given) |
///
/// | `#[marshal(…)]` on an argument | meaning |
/// |---|---|
/// | `bits = n`, `entity`, `max_len = n` | as for [`Marshal`](macro@Marshal) |
/// | `with = CODEC`, `quantize(…)` | as for [`ReplicaChunk`](macro@ReplicaChunk#how-a-codec-is-written) |
///
/// Arguments that cannot all fit a call do not compile: 8 KiB (`limits::RPC_BYTES`), unreliable ones 1 KiB
/// (`limits::UNRELIABLE_RPC_BYTES`). What counts is [what counts for datasets](macro@ReplicaChunk#what-is-too-large).
///
/// The block takes `#[rpcs(crate = path)]`, where the runtime is if not at `::gridmate_runtime`. A type has one such block and at most 256 RPCs.
#[proc_macro_attribute]
pub fn rpcs(attr: TokenStream, item: TokenStream) -> TokenStream {
    gridmate_codegen::expand_rpcs(attr.into(), item.into(), &Root::Runtime).into()
}

/// [`ReplicaChunk`](macro@ReplicaChunk) and the binding of the chunk to entities of a world.
///
/// Takes the same `#[chunk(…)]` and `#[dataset(…)]`, only that `#[chunk(crate = path)]` says where netbinding is and is
/// `::netbinding` by default. Derive one of the two, not both.
///
/// | `#[bind(…)]` on the struct | default | meaning |
/// |---|---|---|
/// | `requires = TYPE` | nothing | a component that an entity with this one also has: its `Default`, if it has none when this one is bound |
/// | `requires(TYPE, …)` | nothing | the same, several of them |
/// | `on_bound = path` | none | `fn(&mut Self, &BoundContext)`, called once on each node when the component has been bound to an entity there |
///
/// What is required is `Default` and may be any component that the world holds, whether it replicates or not. `BoundContext`
/// has the order in which things happen; handlers named by `on_bound` run before any that is named by `on_change`. On fields the name
/// `bind` is reserved.
///
/// ```
/// use netbinding::prelude::*;
///
/// #[derive(Default)]
/// pub struct Exhaust {
///     particles: Vec<f32>,
/// }
///
/// #[derive(Default, NetBindable)]
/// #[bind(requires = Exhaust, on_bound = Self::on_bound)]
/// pub struct Ship {
///     health: u8,
/// }
///
/// impl Ship {
///     fn on_bound(&mut self, ctx: &BoundContext) {
///         if ctx.primary { /* this node owns it */ }
///     }
/// }
/// ```
#[proc_macro_derive(NetBindable, attributes(chunk, dataset, bind))]
pub fn net_bindable(input: TokenStream) -> TokenStream {
    gridmate_codegen::expand_net_bindable(input.into(), &Root::Netbinding).into()
}

/// [`ReplicaChunk`](macro@ReplicaChunk) for programs that depend on netbinding alone.
#[doc(hidden)]
#[proc_macro_derive(NetbindingReplicaChunk, attributes(chunk, dataset))]
pub fn netbinding_replica_chunk(input: TokenStream) -> TokenStream {
    gridmate_codegen::expand_replica_chunk(input.into(), &Root::Netbinding).into()
}

/// [`Marshal`](macro@Marshal) for programs that depend on netbinding alone.
#[doc(hidden)]
#[proc_macro_derive(NetbindingMarshal, attributes(marshal))]
pub fn netbinding_marshal(input: TokenStream) -> TokenStream {
    gridmate_codegen::expand_marshal(input.into(), &Root::Netbinding).into()
}

/// [`rpcs`](macro@rpcs) for programs that depend on netbinding alone.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn netbinding_rpcs(attr: TokenStream, item: TokenStream) -> TokenStream {
    gridmate_codegen::expand_rpcs(attr.into(), item.into(), &Root::Netbinding).into()
}
