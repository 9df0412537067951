//! Replicas are told of their lives: attached, activated, given to others, deactivated, detached. [`LifeEvent`] says when.
//!
//! Only a replica with a chunk that asks for it is told of anything; others carry a flag that says that, and that is all they
//! cost. What happens while messages come in is noted down and told with the next update, because no handler runs there: that a
//! proxy has come, and that the owner is another. What the program does itself, adding and destroying, is told while it does it.
//!
//! A replica that comes and goes between two updates is told of nothing.

use super::{ReplicaEvent, ReplicaManager};
use crate::chunk::{ChunkStore, LifeContext, LifeEvent};
use crate::ids::MemberId;

/// How far a replica has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// Some chunk of it is told.
    pub(super) told: bool,
    stage: Stage,
    /// It is in the list of those that there is something to tell.
    noted: bool,
    /// Whose it was when it was told of that last, if the owner is another since.
    former: Option<MemberId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Born,
    Active,
    Inactive,
}

/// The classes of types that are told of every tick.
pub(super) fn told_of_updates(stores: &[Box<dyn ChunkStore>]) -> Vec<u16> {
    let all = (0..).zip(stores).filter(|(_, store)| LifeEvent::Update.is_in(store.life()));
    all.map(|(class, _)| class).collect()
}

impl ReplicaManager {
    /// The primary at `place` is whole.
    pub(super) fn begin_life(&mut self, place: u32) {
        let life = &mut self.entries[place as usize].life;
        if !life.told || life.stage != Stage::Born {
            return;
        }
        (life.stage, life.former) = (Stage::Active, None);
        let attached = self.tell(place, LifeEvent::Attach);
        let activated = self.tell(place, LifeEvent::Activate);
        self.end_if(attached | activated, place);
    }

    /// A proxy has come to `place`.
    pub(super) fn note_arrival(&mut self, place: u32) {
        self.note_life(place);
    }

    /// The replica at `place` has another owner than `former`, who it had until now. To be called wherever that comes about, once the
    /// entry says who it is and where the primary is; the chunks hear of it with the next update.
    pub(super) fn owner_changed(&mut self, place: u32, former: MemberId) {
        let life = &mut self.entries[place as usize].life;
        if life.told {
            life.former.get_or_insert(former);
            self.note_life(place);
        }
    }

    /// Tells what was noted down.
    pub(super) fn tell_lives(&mut self) {
        if self.lives.is_empty() {
            return;
        }
        let mut noted = core::mem::take(&mut self.lives);
        for place in noted.drain(..) {
            let entry = &mut self.entries[place as usize];
            // Another replica's by now, perhaps, with a note of its own.
            if !core::mem::take(&mut entry.life.noted) || !entry.live || entry.dying {
                continue;
            }
            if entry.life.stage == Stage::Born {
                self.begin_life(place);
            } else if let Some(former) = entry.life.former.filter(|former| *former != entry.owner) {
                let ends = self.tell_of(place, LifeEvent::OwnerChange, Some(former));
                self.end_if(ends, place);
            }
            self.entries[place as usize].life.former = None;
        }
        self.lives = noted;
    }

    /// Tells primaries of the tick, of the types that ask for it.
    pub(super) fn live_on(&mut self) {
        let mut ending = core::mem::take(&mut self.ending);
        for at in 0..self.living.len() {
            let Self { stores, entries, living, local, now, .. } = self;
            let context = |place: u32| {
                let entry = &entries[place as usize];
                let lives = entry.is_primary() && entry.life.stage == Stage::Active && !entry.dying;
                lives.then(|| LifeContext::new(*now, entry.id, entry.owner, *local).at_primary(true))
            };
            stores[usize::from(living[at])].live_all(&context, &mut ending);
        }
        self.end_all(ending);
    }

    /// Ends what handlers have asked the end of, while all of their kind were run.
    pub(super) fn end_all(&mut self, mut ending: Vec<u32>) {
        for place in ending.drain(..) {
            self.end_if(true, place);
        }
        self.ending = ending;
    }

    /// The replica at `place` ends.
    pub(super) fn deactivate(&mut self, place: u32) {
        let life = &mut self.entries[place as usize].life;
        if life.told && life.stage == Stage::Active {
            life.stage = Stage::Inactive;
            self.tell(place, LifeEvent::Deactivate);
        }
    }

    /// The replica at `place` leaves the table.
    pub(super) fn detach(&mut self, place: u32) {
        self.deactivate(place);
        if self.entries[place as usize].life.stage == Stage::Inactive {
            self.tell(place, LifeEvent::Detach);
        }
    }

    /// A primary ends: it is unknown from now on, and leaves the table in the next tick.
    pub(super) fn end(&mut self, place: u32) {
        if !core::mem::replace(&mut self.entries[place as usize].dying, true) {
            self.dying.push(place);
            self.deactivate(place);
        }
    }

    /// A handler that was told of something has asked for the end.
    fn end_if(&mut self, asked: bool, place: u32) {
        let entry = &self.entries[place as usize];
        if asked && entry.is_primary() && !entry.dying {
            let id = entry.id;
            self.end(place);
            self.push_event(ReplicaEvent::Removed { id });
        }
    }

    fn note_life(&mut self, place: u32) {
        let life = &mut self.entries[place as usize].life;
        if life.told && !core::mem::replace(&mut life.noted, true) {
            self.lives.push(place);
        }
    }

    fn tell(&mut self, place: u32, event: LifeEvent) -> bool {
        self.tell_of(place, event, None)
    }

    /// Tells the chunks of the replica at `place`, in their order. Whether one of them asks for its end.
    fn tell_of(&mut self, place: u32, event: LifeEvent, former: Option<MemberId>) -> bool {
        let Self { entries, stores, local, now, .. } = self;
        let entry = &entries[place as usize];
        let context = LifeContext::new(*now, entry.id, entry.owner, *local)
            .at_primary(entry.is_primary())
            .after(former.unwrap_or(entry.owner));
        for chunk in entry.chunks.iter().filter(|chunk| !chunk.refused) {
            let store = &mut stores[usize::from(chunk.class)];
            if event.is_in(store.life()) {
                store.live(chunk.slot, event, &context);
            }
        }
        context.wants_destroy()
    }
}
