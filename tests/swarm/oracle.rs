//! What everybody should know: a plain copy of every replica as its owner left it, tick by tick.

use std::collections::{BTreeMap, BTreeSet};

use glam::{Quat, Vec3};
use gridmate_runtime::ReplicaId;
use gridmate_runtime::prelude::ReplicaManager;

use crate::chunks::{Anchor, Craft, Dial, KINDS, Log, Piece, Secret};
use crate::counts::{Counts, Law};

/// Of each chunk the stamp; 0 where there is no such chunk, or it is hidden.
pub type Row = [u32; KINDS];

/// Past values of one chunk, by stamp.
#[derive(Debug)]
pub struct Past<T>(BTreeMap<u32, T>);

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// A replica as it should be.
#[derive(Debug, Default)]
pub struct Truth {
    /// Who has the primary, and since which tick.
    pub home: usize,
    pub since: u64,
    /// It is there: not on its way to somebody else.
    pub here: bool,
    /// Who has had it, and since when last, and who may get it. (Who adds it has called nothing before.)
    pub homes: BTreeMap<usize, u64>,
    pub heirs: BTreeSet<usize>,
    /// Since when no owner was lost.
    pub steady_since: u64,
    /// Changes of owner, as the host counts them, and those of them in which it took what it was not given.
    pub changes: u32,
    pub takeovers: u32,
    /// From when on calls that the owner makes run at once, or with the tick: those that it made when it was not yet the owner, and that
    /// had not left, do so too.
    pub calls_since: u64,
    pub migratable: bool,
    /// When it ended, and how many calls had been made by then.
    pub ended: Option<u64>,
    pub last_call: u32,
    /// It ended because its owner was lost.
    pub lost: bool,
    /// By tick in which they were first so.
    pub rows: Vec<(u64, Row)>,
    crafts: Past<Craft>,
    dials: Past<Dial>,
    logs: Past<Log>,
    secrets: Past<Secret>,
    anchors: Past<Anchor>,
    /// What the program wrote, of chunks that no handler writes into, since the last tick.
    pub written: Option<Craft>,
    /// Who may see its secret now, a bit for each member; everybody, if it has none.
    pub audience: u32,
    /// Whom the host lets see it whatever its owner says: from when it was the owner itself.
    pub guests: u32,
    /// By stamp of its secret, who may have that: everybody who might at some time while it was the newest.
    pub audiences: BTreeMap<u32, u32>,
}

impl Truth {
    /// Of a replica that was just added.
    pub fn new(home: usize, tick: u64, migratable: bool) -> Self {
        let homes = [(home, 0)].into();
        let steady_since = tick;
        Self {
            home,
            here: true,
            homes,
            steady_since,
            since: tick,
            calls_since: tick,
            migratable,
            audience: u32::MAX,
            ..Self::default()
        }
    }

    /// It has a chunk that is not for everybody.
    pub fn is_secretive(&self) -> bool {
        !self.secrets.0.is_empty()
    }

    pub fn has_log(&self) -> bool {
        !self.logs.0.is_empty()
    }

    /// Takes down how it is on its owner's node at the end of a tick.
    ///
    /// Whoever owns it has its secret, and the host lets in the guests that it has, which are none of a client's business.
    pub fn capture(
        &mut self,
        tick: u64,
        id: ReplicaId,
        (member, guests, owner): (u32, u32, &ReplicaManager),
        counts: &mut Counts,
    ) {
        if let Some(written) = self.written.take() {
            let there = owner.get::<Craft>(id).expect("it was written into");
            counts.hold(Law::R3, *there == written, || format!("{id} on its own node: {there:?}, not {written:?}"));
        }
        let mut row = Row::default();
        take(&mut self.crafts, id, owner, &mut row);
        take(&mut self.dials, id, owner, &mut row);
        take(&mut self.logs, id, owner, &mut row);
        take(&mut self.secrets, id, owner, &mut row);
        take(&mut self.anchors, id, owner, &mut row);
        if let Ok(secret) = owner.get::<Secret>(id) {
            self.guests = guests;
            self.admit(secret);
            *self.audiences.entry(secret.stamp).or_default() |= 1 << member;
        }
        if self.rows.last().is_none_or(|(_, last)| *last != row) {
            self.rows.push((tick, row));
        }
    }

    /// These may see it from now on. (Who is told of a call is decided even if the replica ends before it is captured.)
    pub fn admit(&mut self, secret: &Secret) {
        self.audience = secret.viewers | self.guests;
        *self.audiences.entry(secret.stamp).or_default() |= self.audience;
    }

    /// Somebody else, who has `row`, goes on from there: what came later has never been.
    pub fn adopt(&mut self, (home, member): (usize, u32), mut row: Row, tick: u64, calls_since: u64) {
        let at = self.find(&row, 0).1.or_else(|| {
            // A handler has run there already.
            let logs: BTreeSet<_> = self.rows.iter().map(|(_, known)| known[Log::KIND]).collect();
            logs.into_iter().rev().find_map(|log| {
                row[Log::KIND] = log;
                self.find(&row, 0).1
            })
        });
        let at = at.unwrap_or_else(|| panic!("R5: never was {row:?}: {:?}", self.rows));
        self.rows.truncate(at + 1);
        // That its last owner had ended it, nobody heard.
        (self.home, self.here, self.since, self.calls_since) = (home, true, tick, calls_since);
        self.homes.insert(home, tick);
        // It has had what was handed to it, even if it loses that at once.
        *self.audiences.entry(self.rows[at].1[Secret::KIND]).or_default() |= 1 << member;
        (self.written, self.ended, self.lost) = (None, None, false);
    }

    /// The oldest row from `from` on that this may be, and the newest at all. They differ only where a secret is hidden.
    pub fn find(&self, row: &Row, from: usize) -> (Option<usize>, Option<usize>) {
        let fits = |(_, known): &(u64, Row)| {
            (0..KINDS).all(|kind| known[kind] == row[kind] || kind == Secret::KIND && row[kind] == 0)
        };
        let newest = self.rows.iter().rposition(fits);
        let oldest = newest.and_then(|newest| (from..=newest).find(|at| fits(&self.rows[*at])));
        (oldest, newest)
    }

    /// R5, R8, R12: what is on the node of `member`, and was found in a row, is what it should be.
    pub fn check(&self, id: ReplicaId, (player, member): (usize, u32), proxy: &ReplicaManager, counts: &mut Counts) {
        if let Ok(craft) = proxy.get::<Craft>(id) {
            // A former owner keeps what it wrote, for as long as what is sent of it is the same.
            let most = if self.homes.contains_key(&player) { 2.0 } else { 1.0 };
            compare_crafts(craft, &self.crafts.0[&craft.stamp], (id, most), counts);
        }
        if let Ok(dial) = proxy.get::<Dial>(id) {
            self.check_dial(dial, id, counts);
        }
        if let Ok(log) = proxy.get::<Log>(id) {
            let truth = &self.logs.0[&log.stamp];
            counts.hold(Law::R5, log == truth, || format!("{id}: {log:?}, not {truth:?}"));
        }
        let Ok(secret) = proxy.get::<Secret>(id) else { return };
        if secret.stamp == 0 {
            let nothing = *secret == Secret::default();
            counts.hold(Law::R8, nothing, || format!("{id} is hidden from member {member}: {secret:?}"));
            return;
        }
        let seen = self.audiences[&secret.stamp] >> member & 1 == 1;
        counts.hold(Law::R8, seen, || format!("{id} is not for member {member}: {secret:?}"));
        let truth = &self.secrets.0[&secret.stamp];
        let same = (secret.viewers, secret.code) == (truth.viewers, truth.code);
        counts.hold(Law::R5, same, || format!("{id}: {secret:?}, not {truth:?}"));
    }

    fn check_dial(&self, dial: &Dial, id: ReplicaId, counts: &mut Counts) {
        let truth = &self.dials.0[&dial.stamp];
        let off = f64::from((dial.level - truth.level).abs());
        counts.hold(Law::R5, off < Dial::SLACK, || format!("{id}: {dial:?}, {truth:?}"));
        // What is withheld is an earlier value, and later ones have not waited for longer than they may.
        let written = |after: u32| {
            let mut rows = self.rows.iter().filter(move |(_, row)| row[Dial::KIND] >= after);
            rows.next().map(|(tick, row)| (*tick, row[Dial::KIND]))
        };
        let was = written(dial.odometer).is_some_and(|(_, stamp)| stamp == dial.odometer);
        counts
            .hold(Law::R5, was && dial.odometer <= dial.stamp, || format!("{id} never was {dial:?}: {:?}", self.rows));
        let waits = match (written(dial.odometer + 1), written(dial.stamp)) {
            (Some((next, _)), Some((now, _))) if next <= now => now - next < Dial::DELAY.into(),
            _ => true,
        };
        counts.hold(Law::R5, waits, || format!("{id}: {dial:?} is too late, {:?}", self.rows));
    }
}

fn take<T: Piece>(past: &mut Past<T>, id: ReplicaId, owner: &ReplicaManager, row: &mut Row) {
    if let Ok(piece) = owner.get::<T>(id) {
        row[T::KIND] = piece.stamp();
        past.0.entry(piece.stamp()).or_insert_with(|| piece.clone());
    }
}

/// The stamps that a node has of a replica.
pub fn row_of(id: ReplicaId, replicas: &ReplicaManager) -> Row {
    fn put<T: Piece>(id: ReplicaId, replicas: &ReplicaManager, row: &mut Row) {
        if let Ok(piece) = replicas.get::<T>(id) {
            row[T::KIND] = piece.stamp();
        }
    }
    let mut row = Row::default();
    put::<Craft>(id, replicas, &mut row);
    put::<Dial>(id, replicas, &mut row);
    put::<Log>(id, replicas, &mut row);
    put::<Secret>(id, replicas, &mut row);
    put::<Anchor>(id, replicas, &mut row);
    row
}

/// What a codec may lose, by its documentation, with the rounding of floats: half a step of 0.01 and of a 255th, 11 significant bits,
/// 2√6 / 511 and 3 / (√2 × 511) radians.
const METRES: f64 = 0.005 + 2e-5;
const HEAT: f64 = 0.5 / 255.0 + 1e-6;
const SHIELD: f64 = 1.0 / 2_048.0;
const TURN: f64 = 4.899 / 511.0 + 1e-6;
const AIM: f64 = 3.0 / (core::f64::consts::SQRT_2 * 511.0) + 1e-6;

fn compare_crafts(found: &Craft, truth: &Craft, (id, most): (ReplicaId, f64), counts: &mut Counts) {
    let exact = |craft: &Craft| (craft.energy, craft.target);
    let same = exact(found) == exact(truth) && found.label == truth.label && found.crew == truth.crew;
    counts.hold(Law::R5, same, || format!("{id}: {found:?}, not {truth:?}"));
    let apart = |a: f32, b: f32| (f64::from(a) - f64::from(b)).abs();
    let off = [
        (0..3).map(|i| apart(found.position[i], truth.position[i])).fold(0.0, f64::max) / METRES,
        apart(found.heat, truth.heat) / HEAT,
        apart(found.shield, truth.shield) / (f64::from(truth.shield.abs()) * SHIELD + 1e-7),
        angle(found.rotation, truth.rotation) / TURN,
        between(found.aim, truth.aim) / AIM,
    ];
    let within = off.iter().all(|off| *off <= most);
    counts.hold(Law::R12, within, || format!("{id}: {off:?} times what may be lost, {found:?}, {truth:?}"));
}

/// Between two rotations, radians, by the length of the difference: exact for small angles.
fn angle(a: Quat, b: Quat) -> f64 {
    let [a, b] = [a, b].map(|q| q.as_dquat().normalize());
    let near = if a.dot(b) < 0.0 { a + b } else { a - b };
    4.0 * (near.length() / 2.0).asin()
}

/// Between two directions, radians.
fn between(a: Vec3, b: Vec3) -> f64 {
    let [a, b] = [a, b].map(|v| v.as_dvec3().normalize());
    a.cross(b).length().atan2(a.dot(b))
}
