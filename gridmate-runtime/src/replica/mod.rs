//! Everyone's objects: the replica manager.
//!
//! A **replica** is one or more chunks with an id and an owner. Exactly one node holds its **primary**; every other node has
//! a **proxy** that follows. The [`ReplicaManager`] holds them all, primaries and proxies alike, and turns their changes into
//! messages for the peers it was told of. It knows nothing of sockets or connections: messages and receipts come in and go
//! out as bytes.
//!
//! A tick runs through the phases in this order, each a file here:
//!
//! 1. **unmarshal** takes state messages in: values are written in place, calls and destructions are noted down.
//! 2. **update** runs what was noted down: RPC handlers, change handlers, destructions.
//! 3. *(the program changes its primaries, between ticks)*
//! 4. **prepare** captures what was touched, finds what differs, and addresses calls.
//! 5. **marshal** fills messages for each peer, each with all it still lacks.
//!
//! Between ticks, **display** answers what there is to see: proxies as they were a moment ago, on the way from one value to the
//! next. `timeline` knows which tick of a peer that moment was.
//!
//! When bytes are short, `ranking` says what goes first (`relevance` asks the program), and `rate` how many there are at most; `sync` tells a
//! newcomer how much of what there was has come.
//!
//! A replica changes hands by the words of `handoff`, which go in the row of reliable calls; `transfers` holds what is on its way, and `late` knows
//! what to make of those who had it before. `ownership` is what a program sees of it.
//!
//! State is repeated from its newest values until a message that carried it is acknowledged; the acknowledged version is the
//! **baseline** the next one is encoded against. Peers with the same baseline get copies of one encoding; `lanes` has the usual ones at hand. `record` has the
//! bits, `target` the bookkeeping per peer; `audience` and `profile` say what a peer may have of a replica, and what its program
//! knows of it.
//!
//! In a mesh owners tell each other (`mesh`); when its host is lost, `succession` makes another of its members the host, and `claims` says
//! what becomes of everyone's replicas then.

mod alike;
mod audience;
mod blocks;
mod claims;
mod digest;
mod display;
#[cfg_attr(not(feature = "parallel"), path = "no_encode_pool.rs")]
mod encode_pool;
mod encoder;
mod entry;
mod error;
mod event;
mod expected;
mod flush;
mod graves;
mod guard;
mod handoff;
mod hold;
mod in_flight;
mod index;
mod lag;
mod lanes;
mod late;
mod life;
mod marshal;
mod mesh;
mod message;
mod names;
mod neighbours;
mod oldest;
mod owed;
mod ownership;
mod pair;
mod peers;
mod playout;
mod prepare;
mod pressure;
mod primaries;
mod profile;
mod ranking;
mod rate;
mod reach;
mod record;
mod recording;
mod records;
mod refuse;
mod relevance;
mod requests;
mod run;
mod save;
mod shared;
mod spawn;
mod succession;
mod suspend;
mod sync;
mod target;
mod targets;
mod timeline;
mod transfers;
mod unmarshal;
mod update;

use std::collections::{BTreeMap, VecDeque};

pub use display::Display;
#[cfg(feature = "parallel")]
pub use encode_pool::EncodeAheadStats;
pub use entry::ReplicaInfo;
pub use error::{AddError, PeerFault, ReplicaError};
pub use event::ReplicaEvent;
pub use guard::{PrimaryMut, Proxy};
pub use marshal::StateMessage;
pub use ownership::{Adopt, Orphan, OwnershipOutcome, RefusedOwnership};
pub use playout::Delay;
pub use primaries::ChunkMut;
pub use rate::StateRate;
pub use recording::{PlaybackError, Player, Recorder};
pub use relevance::{Relevance, ReplicaView};
pub use save::{RestoreError, Restored};
pub use spawn::ReplicaBuilder;
pub use succession::SuccessionError;
pub use sync::SyncProgress;
pub use target::PeerId;
pub use unmarshal::Verdict;

pub use crate::chunk::PeerRole;

use self::encoder::Encoder;
use self::entry::{ChunkRef, Entry};
use self::index::Index;
use self::mesh::Mesh;
use self::names::Names;
use self::neighbours::Neighbours;
use self::oldest::Oldest;
use self::ownership::{Adoption, Wanted};
use self::ranking::Ranking;
use self::reach::Reach;
use self::records::Reading;
use self::succession::Succession;
use self::target::Peer;
use self::transfers::{Leaving, Recall};
use crate::chunk::{Accounts, ChunkStore, Registry, ReplicaChunk, RpcOutbox, TypedStore};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::schema::Priority;
use crate::time::Instant;

/// Holds every replica of a node. See the [module](self) for how it works; a [`Node`](crate::Node) drives it.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Score {
///     points: u32,
/// }
///
/// let registry = Registry::builder().chunk::<Score>().build()?;
/// let mut replicas = ReplicaManager::new(registry, 1);
/// let id = replicas.add(Score { points: 3 })?;
/// assert_eq!(replicas.iter::<Score>().map(|(_, score)| score.points).sum::<u32>(), 3);
/// assert!(replicas.info(id).is_some_and(|info| info.is_primary));
/// replicas.destroy(id)?;
/// assert!(replicas.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReplicaManager {
    registry: Registry,
    /// By class: the place of the type in the registry.
    stores: Vec<Box<dyn ChunkStore>>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    index: Index,
    peers: Vec<Option<Peer>>,
    local: MemberId,
    next_serial: u32,
    /// Replicas whose primary is here.
    primaries: usize,
    /// Priorities in use, with how many replicas have each.
    levels: BTreeMap<Priority, usize>,
    /// Number of the last prepared tick; versions are ticks.
    tick: u32,
    now: Instant,
    outbox: RpcOutbox,
    /// A primary came here since the last tick: calls in the outbox may be for it.
    came_home: bool,
    accounts: Accounts,
    /// Numbers that replicas with a `send_to` had, to be given out again, and the highest ever given.
    audiences: (Vec<u32>, u32),
    encoder: Encoder,
    /// What is pending of the peer that is written to, when it cannot all go; and what the program says of it.
    ranking: Ranking,
    relevance: Option<Box<dyn Relevance>>,
    /// Of peers to come.
    state_rate: StateRate,
    /// Profiles that peers have ever had, but for the one of those who have everything.
    profiles: u32,
    /// How far back guesses look.
    reach: Reach,
    /// For messages under models, but while one is being read.
    reading: Option<Reading>,
    /// Places whose version is the current tick: so many that are this node's, and then what is passed on.
    changed: Vec<u32>,
    changed_here: usize,
    /// The same, a bit for each place.
    marks: Vec<usize>,
    /// What may be forgotten.
    oldest: Oldest,
    /// The same table by blocks.
    neighbours: Neighbours,
    /// Places that changed by what a peer sent, to be passed on in this tick.
    relayed: Vec<u32>,
    /// Counts passes over the calls of a peer.
    pass: u64,
    /// Peers that acknowledge nothing, to be reported with the next update.
    hopeless: Vec<PeerId>,
    /// Places destroyed by the program, in order.
    dying: Vec<u32>,
    /// Places that there is something to tell of their lives; types with updates; what `live_on` has to end.
    lives: Vec<u32>,
    living: Vec<u16>,
    ending: Vec<u32>,
    /// Calls made here on replicas that change hands: they wait for the next owner.
    postponed: RpcOutbox,
    /// What clients were asked to let go of.
    recalls: BTreeMap<ReplicaId, Recall>,
    /// What is to go to another owner at the end of `prepare`.
    leaving: Vec<Leaving>,
    /// Replicas that this node has asked to own.
    wanted: BTreeMap<ReplicaId, Wanted>,
    adoption: Option<Adoption>,
    mesh: Mesh,
    succession: Succession,
    /// Places of proxies whose handlers do not run for now.
    suspended: Vec<u32>,
    names: Names,
    events: VecDeque<ReplicaEvent>,
    stats: ReplicaStats,
}

/// Counts since the manager was made.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::PeerRole;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Door>().build()?, 1);
/// let peers = [2, 3].map(|member| replicas.add_peer(MemberId(member), PeerRole::Client));
/// replicas.add(Door { open: true })?;
/// replicas.prepare();
/// for peer in peers {
///     let _message = replicas.marshal(peer, 1_200, &mut Vec::new());
/// }
/// let stats = replicas.stats();
/// assert_eq!((stats.records_sent, stats.encodings), (2, 1)); // made once, sent to both
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaStats {
    /// Records written into state messages.
    pub records_sent: u64,
    /// Encodings made for them; the rest were copies.
    pub encodings: u64,
    /// Records applied.
    pub records_received: u64,
    /// State messages that came too late to be read, and were left unacknowledged.
    pub late_messages: u64,
    /// Handlers run, on primaries and proxies.
    pub rpcs_run: u64,
    /// Calls passed on between other nodes.
    pub rpcs_forwarded: u64,
    /// Calls dropped: not permitted or not to be passed on, on a replica that is gone, to a member or by way of a peer that is gone.
    pub rpcs_dropped: u64,
    /// Calls that found no room in a connection's queue: unreliable ones are lost, a reliable one ends the connection, with
    /// [`LeaveReason::Overflow`](crate::LeaveReason::Overflow).
    pub rpcs_crowded_out: u64,
    /// Calls dropped because their caller made more of them than the RPC's rate allows.
    pub rpcs_limited: u64,
    /// Calls that were an error where they were made: see [`RpcError`](crate::RpcError).
    pub rpcs_refused: u64,
    /// Answers that no question was open for: late, twice, or to what was never asked.
    pub replies_ignored: u64,
    /// Chunks of clients' replicas that were not taken in, because only a host creates them.
    pub chunks_refused: u64,
    /// Events dropped because the program does not poll for them.
    pub events_dropped: u64,
}

impl ReplicaManager {
    /// A manager on its own: its replicas are primaries and its member is [`MemberId::HOST`], until a session says otherwise.
    /// `seed` keys hash tables; it changes nothing that can be observed.
    pub fn new(registry: Registry, seed: u64) -> Self {
        let modelled = registry.is_modelled();
        let stores: Vec<_> = (0..).zip(registry.types()).map(|(class, t)| t.make_store(class)).collect();
        let living = life::told_of_updates(&stores);
        Self {
            registry,
            stores,
            entries: Vec::new(),
            free: Vec::new(),
            index: Index::new(seed),
            peers: Vec::new(),
            local: MemberId::HOST,
            next_serial: 1,
            primaries: 0,
            levels: BTreeMap::new(),
            tick: 0,
            now: Instant::ZERO,
            outbox: RpcOutbox::default(),
            came_home: false,
            accounts: Accounts::default(),
            audiences: (Vec::new(), 0),
            encoder: Encoder::new(modelled),
            ranking: Ranking::default(),
            relevance: None,
            state_rate: StateRate::UNLIMITED,
            profiles: 0,
            reach: Reach::default(),
            reading: modelled.then(Reading::default),
            changed: Vec::new(),
            changed_here: 0,
            marks: Vec::new(),
            oldest: Oldest::default(),
            neighbours: Neighbours::default(),
            relayed: Vec::new(),
            pass: 0,
            hopeless: Vec::new(),
            dying: Vec::new(),
            lives: Vec::new(),
            living,
            ending: Vec::new(),
            postponed: RpcOutbox::default(),
            recalls: BTreeMap::new(),
            leaving: Vec::new(),
            wanted: BTreeMap::new(),
            adoption: None,
            mesh: Mesh::default(),
            succession: Succession::default(),
            suspended: Vec::new(),
            names: Names::default(),
            events: VecDeque::new(),
            stats: ReplicaStats::default(),
        }
    }

    /// The chunk types it replicates.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The member this node is; [`MemberId::NONE`] while it has not joined a session.
    pub const fn local_member(&self) -> MemberId {
        self.local
    }

    /// Says which member this node is. Replicas added before keep their ids.
    pub const fn set_local_member(&mut self, member: MemberId) {
        self.local = member;
    }

    /// Number of the last tick.
    pub const fn tick(&self) -> u32 {
        self.tick
    }

    /// Counts since the manager was made.
    pub const fn stats(&self) -> ReplicaStats {
        ReplicaStats {
            rpcs_refused: self.accounts.refused,
            replies_ignored: self.accounts.requests.ignored(),
            ..self.stats
        }
    }

    /// How many replicas there are, primaries and proxies.
    pub fn len(&self) -> usize {
        self.index.len() - self.dying.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All replicas, oldest place first.
    pub fn ids(&self) -> impl Iterator<Item = ReplicaId> {
        self.entries.iter().filter(|e| e.live && !e.dying).map(|e| e.id)
    }

    /// Who a replica belongs to; `None` when there is no such replica.
    pub fn info(&self, id: ReplicaId) -> Option<ReplicaInfo> {
        self.view().info(id)
    }

    /// A replica's chunk of type `T`, primary or proxy.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NoSuchChunk`].
    pub fn get<T: ReplicaChunk>(&self, id: ReplicaId) -> Result<&T, ReplicaError> {
        self.view().get(id)
    }

    /// Every chunk of type `T` with the replica it belongs to, primaries and proxies.
    pub fn iter<T: ReplicaChunk>(&self) -> impl Iterator<Item = (ReplicaId, &T)> {
        self.view().iter()
    }

    fn view(&self) -> ReplicaView<'_> {
        let Self { registry, stores, entries, index, .. } = self;
        ReplicaView { registry, stores, entries, index }
    }

    /// Says that the program has made what a replica stands for, so that its change handlers may run, from the next tick on:
    /// those of [`bound_chunk`](crate::RegistryBuilder::bound_chunk) types wait for it. Unknown ids are ignored.
    pub fn mark_bound(&mut self, id: ReplicaId) {
        if let Some(&place) = self.index.get(&id) {
            for chunk in &self.entries[place as usize].chunks {
                self.stores[usize::from(chunk.class)].mark_bound(chunk.slot);
            }
        }
    }

    /// Starts noting down what [`drain_updated`](Self::drain_updated) visits.
    pub fn watch<T: ReplicaChunk>(&mut self) {
        if let Some(class) = self.class_of::<T>() {
            self.store_mut::<T>(class).watch();
        }
    }

    /// Visits every chunk of type `T` that a peer or an RPC handler has changed since the last call: proxies that followed
    /// their owner, primaries that a call ran on. Changes are noted from the first call on, or from [`watch`](Self::watch); new
    /// proxies are told as [`ReplicaEvent::Added`] in any case.
    pub fn drain_updated<T: ReplicaChunk>(&mut self, mut each: impl FnMut(ReplicaId, &T)) {
        let Some(class) = self.class_of::<T>() else { return };
        let Self { stores, entries, .. } = self;
        typed_mut::<T>(stores, class).drain_updated(|place, value| {
            let entry = &entries[place as usize];
            if !entry.dying {
                each(entry.id, value);
            }
        });
    }

    /// The next thing that happened to replicas because of others.
    pub fn poll_event(&mut self) -> Option<ReplicaEvent> {
        self.events.pop_front()
    }

    fn push_event(&mut self, event: ReplicaEvent) {
        if self.events.len() >= limits::EVENTS {
            self.events.pop_front();
            self.stats.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    fn entry(&self, id: ReplicaId) -> Result<&Entry, ReplicaError> {
        let place = *self.index.get(&id).ok_or(ReplicaError::Unknown(id))?;
        let entry = &self.entries[place as usize];
        if entry.dying { Err(ReplicaError::Unknown(id)) } else { Ok(entry) }
    }

    /// The entry of `id` and the position of its chunk of type `T`, with where that lives.
    fn locate<T: ReplicaChunk>(&self, id: ReplicaId) -> Result<(&Entry, u8, ChunkRef), ReplicaError> {
        let entry = self.entry(id)?;
        let (types, id_of_type) = (self.registry.types(), core::any::TypeId::of::<T>());
        let of_type = |chunk: &ChunkRef| types[usize::from(chunk.class)].type_id == id_of_type && !chunk.refused;
        let position = entry.chunks.iter().position(of_type).ok_or(ReplicaError::NoSuchChunk(id))?;
        Ok((entry, u8::try_from(position).expect("at most 64 chunks"), entry.chunks[position]))
    }

    fn class_of<T: ReplicaChunk>(&self) -> Option<u16> {
        let id = core::any::TypeId::of::<T>();
        let class = self.registry.types().iter().position(|t| t.type_id == id)?;
        u16::try_from(class).ok()
    }

    fn store<T: ReplicaChunk>(&self, class: u16) -> &TypedStore<T> {
        self.stores[usize::from(class)].as_any().downcast_ref().expect("a class is one type")
    }

    fn store_mut<T: ReplicaChunk>(&mut self, class: u16) -> &mut TypedStore<T> {
        typed_mut(&mut self.stores, class)
    }
}

fn typed_mut<T: ReplicaChunk>(stores: &mut [Box<dyn ChunkStore>], class: u16) -> &mut TypedStore<T> {
    stores[usize::from(class)].as_any_mut().downcast_mut().expect("a class is one type")
}

impl core::fmt::Debug for ReplicaManager {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ReplicaManager")
            .field("registry", &self.registry)
            .field("local", &self.local)
            .field("tick", &self.tick)
            .field("replicas", &self.len())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
