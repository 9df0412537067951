//! The host's role: moves the asteroids, and the match from phase to phase.

use core::cmp::Reverse;
use std::net::SocketAddr;

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;

use crate::chunks::{Asteroid, Match, Phase, Ship};
use crate::cli::Options;
use crate::report::{Line, Voice};
use crate::seat::{Failure, Seat};

/// Hosts one match; true if everyone held the same in the end.
pub(crate) fn run(options: &Options, address: SocketAddr) -> Result<bool, Failure> {
    let mut seat = Seat::host(options, address)?;
    let mut host = Host::new(options, &mut seat.node)?;
    let bound = seat.node.local_addr();
    seat.voice.report(&Line::Listening(bound));
    if matches!(seat.voice, Voice::Human) {
        seat.voice.note(format_args!("hosting at {bound}, waiting for {} clients", options.clients));
    }
    loop {
        let now = seat.wait();
        let phase = host.direct(now, &mut seat)?;
        for event in seat.tick(now)? {
            host.handle_event(&event, &mut seat)?;
        }
        host.report_progress(now, seat.voice);
        if phase == Phase::Over && (seat.node.members().count() == 1 || now >= host.phase_ends) {
            let agreed = host.judge(&seat);
            seat.leave(now)?;
            return Ok(agreed);
        }
    }
}

struct Host<'a> {
    options: &'a Options,
    game: ReplicaId,
    asteroids: Vec<ReplicaId>,
    rng: Rng,
    phase: Phase,
    phase_began: Instant,
    phase_ends: Instant,
    /// What this node holds, once it has reported.
    own: Option<(u64, usize)>,
    /// Names of those who reported, and whether they hold the same.
    verdicts: Vec<(String, bool)>,
}

impl<'a> Host<'a> {
    fn new(options: &'a Options, node: &mut Node) -> Result<Self, Failure> {
        let mut rng = Rng::new(options.seed);
        let game = node.replicas().add(Match { remaining: deciseconds(options.seconds.into()), ..Match::default() })?;
        let asteroids = (0..options.asteroids)
            .map(|_| node.replicas().add(Asteroid::random(&mut rng)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            options,
            game,
            asteroids,
            rng,
            phase: Phase::Gathering,
            phase_began: Instant::ZERO,
            phase_ends: Instant::ZERO,
            own: None,
            verdicts: Vec::new(),
        })
    }

    /// What the host does between ticks. Returns the phase it leaves the match in.
    fn direct(&mut self, now: Instant, seat: &mut Seat) -> Result<Phase, Failure> {
        let heard = seat.node.replicas_ref().get::<Match>(self.game)?.heard.clone();
        let clients: Vec<_> = seat.node.members().filter(|m| !m.is_host).map(|m| m.id).collect();
        let all = |what: &dyn Fn(crate::chunks::Heard) -> bool| {
            clients.iter().all(|client| heard.get(client).is_some_and(|heard| what(*heard)))
        };
        let late = now >= self.phase_ends;
        match self.phase {
            Phase::Gathering => {
                if clients.len() >= self.options.clients && all(&|client| client.ready) {
                    seat.voice.note(format_args!("playing for {} s", self.options.seconds));
                    self.enter(Phase::Playing, now, self.options.seconds.into(), seat)?;
                }
            }
            Phase::Playing => {
                let left = (self.phase_ends - now).as_secs_f64();
                let mut game = seat.node.replicas().primary_mut::<Match>(self.game)?;
                if game.remaining != deciseconds(left) {
                    game.remaining = deciseconds(left);
                }
                if late {
                    self.enter(Phase::Frozen, now, self.options.settle_limit().as_secs_f64(), seat)?;
                }
                self.step_asteroids(seat)?;
            }
            Phase::Frozen => {
                // The match is as it will stay but for its phase, so what agrees now agrees in the reports too. When time
                // is up the reports will show who disagrees.
                let digest = seat.node.replicas_ref().digest();
                if late || all(&|client| client.settled == Some(digest)) {
                    self.enter(Phase::Reporting, now, self.options.settle_limit().as_secs_f64(), seat)?;
                }
            }
            Phase::Reporting => {
                // One tick later: what a tick has not captured is not in the digests.
                if self.own.is_none() {
                    let replicas = seat.node.replicas_ref();
                    self.own = Some((replicas.digest(), replicas.digests().len()));
                    seat.report_digests();
                }
                if late || all(&|client| client.reported.is_some()) {
                    let own = self.own.map(|(digest, _)| digest);
                    self.verdicts = seat
                        .node
                        .members()
                        .filter(|member| !member.is_host)
                        .map(|member| {
                            (member.name.clone(), heard.get(&member.id).and_then(|heard| heard.reported) == own)
                        })
                        .collect();
                    seat.voice.note(standings(seat.node.replicas_ref()));
                    let goodbyes = 1.0 + self.options.round_trip().as_secs_f64() * 20.0;
                    self.enter(Phase::Over, now, goodbyes, seat)?;
                }
            }
            Phase::Over => {}
        }
        Ok(self.phase)
    }

    fn enter(&mut self, phase: Phase, now: Instant, seconds: f64, seat: &mut Seat) -> Result<(), ReplicaError> {
        self.phase = phase;
        self.phase_began = now;
        self.phase_ends = now + core::time::Duration::from_secs_f64(seconds);
        seat.node.replicas().primary_mut::<Match>(self.game)?.phase = phase;
        Ok(())
    }

    fn step_asteroids(&mut self, seat: &mut Seat) -> Result<(), ReplicaError> {
        let seconds = self.options.tick().as_secs_f32();
        for id in &self.asteroids {
            let mut asteroid = seat.node.replicas().primary_mut::<Asteroid>(*id)?;
            asteroid.step(seconds, &mut self.rng);
            asteroid.frozen = self.phase != Phase::Playing;
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &NodeEvent, seat: &mut Seat) -> Result<(), Failure> {
        match event {
            NodeEvent::Session(SessionEvent::MemberJoined { member, name }) => {
                if matches!(seat.voice, Voice::Human) {
                    seat.voice.note(format_args!("{member} {name} joined"));
                }
            }
            NodeEvent::Session(SessionEvent::MemberLeft { member, name, reason }) => {
                if self.phase != Phase::Over {
                    seat.voice.note(format_args!("{member} {name} left: {reason}"));
                }
                seat.node.replicas().primary_mut::<Match>(self.game)?.heard.remove(member);
            }
            _ => {}
        }
        Ok(())
    }

    fn report_progress(&self, now: Instant, voice: Voice) {
        let span = (self.phase_ends - self.phase_began).as_millis().max(1);
        let done = ((now - self.phase_began).as_millis() * 1_000 / span).min(1_000);
        let permille = match self.phase {
            Phase::Gathering => 0,
            Phase::Playing => u32::try_from(done).unwrap_or(1_000),
            _ => 1_000,
        };
        let phase = format!("{:?}", self.phase).to_lowercase();
        voice.report(&Line::Progress { phase, permille });
    }

    /// Says how it ended, to a person; a launcher compares for itself.
    fn judge(&self, seat: &Seat) -> bool {
        if matches!(seat.voice, Voice::Machine) {
            return true;
        }
        for (name, _) in self.verdicts.iter().filter(|(_, same)| !same) {
            seat.voice.note(format_args!("{name} holds something else"));
        }
        let same = 1 + self.verdicts.iter().filter(|(_, same)| *same).count();
        let all = 1 + self.verdicts.len();
        let word = if same == all { "converged" } else { "diverged" };
        let replicas = self.own.map_or(0, |(_, replicas)| replicas);
        seat.voice.note(format_args!("{word}: {same}/{all} nodes, {replicas} replicas"));
        same == all
    }
}

/// Who has wrecked how many, and was wrecked how often.
fn standings(replicas: &ReplicaManager) -> String {
    let mut ships: Vec<_> = replicas.iter::<Ship>().map(|(_, ship)| ship).collect();
    ships.sort_by_key(|ship| (Reverse(ship.kills), ship.deaths, &ship.pilot));
    let scores: Vec<_> = ships.iter().map(|ship| format!("{} {}:{}", ship.pilot, ship.kills, ship.deaths)).collect();
    let flashes: u32 = ships.iter().map(|ship| ship.flashes).sum();
    format!("won : lost — {} ({flashes} shots seen)", scores.join(", "))
}

fn deciseconds(seconds: f64) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturation is right at both ends")]
    let tenths = (seconds * 10.0).ceil() as u16;
    tenths
}
