//! The laws by name, and how often each was looked at: a law that was never tested held by accident.

use core::time::Duration;
use std::fmt;

use crate::swarm_support::Tally;

/// What has to hold in every session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Once the network is well and nobody says anything, all who may see something see the same.
    R1,
    /// Of the members of a session, one at most holds the primary of a replica, and it is the one who should.
    R2,
    /// Nobody but the owner, or whom it lets, changes anything: what a proxy holds was written by its owner, and what is not allowed
    /// is an error.
    R3,
    /// Nothing is heard of a replica before it appeared or after it vanished, and it does not go back in time.
    R4,
    /// A proxy holds what its owner held at the end of some tick, all of it.
    R5,
    /// A call runs once at most where it should, in order; a reliable one exactly once.
    R6,
    /// What has vanished does not come back.
    R7,
    /// Who may not see something does not.
    R8,
    /// No proxy is behind its owner for longer than the bound, where the network is not too bad.
    R9,
    /// No more state goes to a client within a second than its rate and burst.
    R10,
    /// Who comes late has everything within the bound.
    R11,
    /// What is quantised is no further off than its codec says.
    R12,
}

pub const LAWS: [Law; 12] =
    [Law::R1, Law::R2, Law::R3, Law::R4, Law::R5, Law::R6, Law::R7, Law::R8, Law::R9, Law::R10, Law::R11, Law::R12];

/// What happened, besides laws being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    Ticks,
    Added,
    Destroyed,
    Written,
    Assigned,
    /// Somebody may see less, or more, than before.
    Hidden,
    Shown,
    Calls,
    /// Runs of calls: on primaries, and of echoes on proxies.
    Runs,
    Echoes,
    Answers,
    Suspended,
    Joins,
    Leaves,
    Crashes,
    Kicks,
    Cuts,
    /// In one direction only.
    OneWayCuts,
    Adoptions,
    /// Primaries that went elsewhere while their owner was there; what was asked for, given away and refused.
    Transfers,
    Requests,
    Gifts,
    Refusals,
    /// Replicas that ended with their owner's membership.
    Lost,
    Trespasses,
    /// A client's rate was changed.
    Rates,
    /// Sessions with so little loss that nothing may be old.
    Mild,
}

pub const HAPPENED: [Happened; 27] = [
    Happened::Ticks,
    Happened::Added,
    Happened::Destroyed,
    Happened::Written,
    Happened::Assigned,
    Happened::Hidden,
    Happened::Shown,
    Happened::Calls,
    Happened::Runs,
    Happened::Echoes,
    Happened::Answers,
    Happened::Suspended,
    Happened::Joins,
    Happened::Leaves,
    Happened::Crashes,
    Happened::Kicks,
    Happened::Cuts,
    Happened::OneWayCuts,
    Happened::Adoptions,
    Happened::Transfers,
    Happened::Requests,
    Happened::Gifts,
    Happened::Refusals,
    Happened::Lost,
    Happened::Trespasses,
    Happened::Rates,
    Happened::Mild,
];

impl Law {
    /// How often it is looked at in a session at least, on average over many: a third of what it was when this was written.
    pub const fn least(self) -> u64 {
        match self {
            Self::R1 => 24,
            Self::R2 => 1_000,
            Self::R3 => 39,
            Self::R4 => 1_400,
            Self::R5 => 2_400,
            Self::R6 => 490,
            Self::R7 => 16,
            Self::R8 => 265,
            Self::R9 => 350,
            Self::R10 => 44,
            Self::R11 => 5,
            Self::R12 => 400,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    laws: [u64; LAWS.len()],
    happened: [u64; HAPPENED.len()],
    /// Of every datagram, by the session's own hash.
    pub trace: u64,
    /// The longest that anything took: until all agreed once the network was well, until a latecomer had everything, and that a
    /// proxy was behind its owner in a mild session.
    pub agreement: Duration,
    pub arrival: Duration,
    pub age: Duration,
}

impl Counts {
    /// Looks at a law.
    #[track_caller]
    pub fn hold(&mut self, law: Law, holds: bool, otherwise: impl FnOnce() -> String) {
        self.laws[law as usize] += 1;
        assert!(holds, "{law:?} does not hold: {}", otherwise());
    }

    pub fn note(&mut self, what: Happened) {
        self.happened[what as usize] += 1;
    }

    pub fn law(&self, law: Law) -> u64 {
        self.laws[law as usize]
    }

    pub fn happened(&self, what: Happened) -> u64 {
        self.happened[what as usize]
    }
}

impl Tally for Counts {
    fn add(&mut self, other: &Self) {
        self.laws.iter_mut().zip(other.laws).for_each(|(sum, more)| *sum += more);
        self.happened.iter_mut().zip(other.happened).for_each(|(sum, more)| *sum += more);
        self.trace ^= other.trace;
        self.agreement = self.agreement.max(other.agreement);
        self.arrival = self.arrival.max(other.arrival);
        self.age = self.age.max(other.age);
    }

    fn check(&self, sessions: u64) {
        for law in LAWS {
            let (least, looks) = (sessions * law.least(), self.law(law));
            assert!(looks >= least, "{law:?}: looked at {looks} times in {sessions} sessions, not {least}");
        }
        for what in HAPPENED {
            let times = self.happened(what);
            assert!(times > sessions / 20, "{what:?}: {times} times in {sessions} sessions");
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in HAPPENED {
            write!(f, "{what:?} {}, ", self.happened(what))?;
        }
        write!(f, "\n  laws:")?;
        for law in LAWS {
            write!(f, " {law:?} {}", self.law(law))?;
        }
        let Self { agreement, arrival, age, .. } = self;
        write!(f, "\n  all agreed after {agreement:?}, latecomers had all after {arrival:?}, oldest proxy {age:?}")
    }
}
