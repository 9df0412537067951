//! Session time: whose clock counts, and the questions that find out what it shows.
//!
//! An endpoint's session time is its own clock's, until the program names a connection whose peer's it is to
//! [follow](super::Endpoint::follow_clock). Then that peer, and nobody else, is asked for its session time now and again, and a
//! [`ClockFilter`] makes of the answers a clock that never goes back. Anybody is answered.

use core::time::Duration;

use super::clock::ClockFilter;
use super::config::ConnectionId;
use super::frame::Control;
use crate::time::Instant;

/// How long an answer is waited for before the question is asked again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where an endpoint's session time comes from.
#[derive(Debug, Default)]
pub(super) struct SessionClock(Option<Box<(ConnectionId, ClockFilter)>>);

impl SessionClock {
    pub(super) fn follow(&mut self, leader: ConnectionId) {
        if self.leader() != Some(leader) {
            self.0 = Some(Box::new((leader, ClockFilter::new())));
        }
    }

    pub(super) fn leader(&self) -> Option<ConnectionId> {
        self.0.as_ref().map(|following| following.0)
    }

    /// Session time at the local time `now`.
    pub(super) fn at(&self, now: Instant) -> Instant {
        self.0.as_ref().map_or(now, |following| following.1.now(now))
    }

    pub(super) fn is_synchronised(&self) -> bool {
        self.0.as_ref().is_none_or(|following| following.1.synchronised())
    }

    pub(super) fn error_bound(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |following| following.1.error_bound())
    }

    /// The leader has answered. Returns when to ask again.
    pub(super) fn answered(&mut self, now: Instant, asked: Instant, received: u64, held: u32) -> Option<Duration> {
        let (_, filter) = self.0.as_deref_mut()?;
        let received = Instant::from_micros(received);
        filter.sample(now, asked, received, received + Duration::from_micros(u64::from(held)), now);
        Some(filter.next_sample_in())
    }
}

/// What one connection has to ask and to answer; nothing, mostly.
#[derive(Debug, Default)]
pub(super) struct Questions(Option<Box<Asking>>);

#[derive(Debug, Default)]
struct Asking {
    /// When to ask, if the peer's clock is followed, and when it was asked last.
    next: Option<Instant>,
    asked: Option<Instant>,
    /// The peer asked: what it said, session time then, and local time then.
    owed: Option<(u32, Instant, Instant)>,
}

impl Questions {
    /// The peer is to be asked, first at `at`.
    pub(super) fn ask_at(&mut self, at: Instant) {
        self.0.get_or_insert_default().next = Some(at);
    }

    /// The peer is not to be asked any more. The memory goes back with that, unless the peer has asked too: whoever does asks again.
    pub(super) fn stop(&mut self) {
        match &mut self.0 {
            Some(asking) if asking.owed.is_some() => (asking.next, asking.asked) = (None, None),
            _ => self.0 = None,
        }
    }

    /// The peer asked.
    pub(super) fn owe(&mut self, asked: u32, session: Instant, now: Instant) {
        self.0.get_or_insert_default().owed = Some((asked, session, now));
    }

    /// When we asked, if this is the answer to it.
    pub(super) fn answered(&mut self, asked: u32) -> Option<Instant> {
        self.0.as_mut()?.asked.take_if(|at| stamp(*at) == asked)
    }

    /// When a question is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.as_ref()?.next
    }

    /// Whether there is something to say.
    pub(super) fn any(&self, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|asking| asking.owed.is_some() || asking.next.is_some_and(|next| next <= now))
    }

    /// What to say now: an answer, and a question.
    pub(super) fn take(&mut self, now: Instant) -> [Option<Control>; 2] {
        let Some(asking) = &mut self.0 else { return [None; 2] };
        let answer = asking.owed.take().map(|(asked, session, at)| Control::ClockResponse {
            asked,
            received: session.as_micros(),
            held: u32::try_from(now.saturating_since(at).as_micros()).unwrap_or(u32::MAX),
        });
        let question = asking.next.is_some_and(|next| next <= now).then(|| {
            (asking.asked, asking.next) = (Some(now), Some(now + PATIENCE));
            Control::ClockRequest(stamp(now))
        });
        [answer, question]
    }
}

/// Microseconds, low 32 bits: they come back within an hour.
#[expect(clippy::cast_possible_truncation, reason = "compared for equality within a second or so")]
const fn stamp(at: Instant) -> u32 {
    at.as_micros() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_until_it_is_answered() {
        let (mut questions, now) = (Questions::default(), Instant::from_millis(5_000_000));
        assert!(!questions.any(now));
        questions.ask_at(now);
        assert!(questions.any(now));
        let [None, Some(Control::ClockRequest(first))] = questions.take(now) else { panic!() };
        assert!(!questions.any(now));
        assert_eq!(questions.next(), Some(now + PATIENCE));
        let later = now + PATIENCE;
        let [None, Some(Control::ClockRequest(second))] = questions.take(later) else { panic!() };
        assert_eq!(questions.answered(first), None, "too late to tell which one it answers");
        assert_eq!(questions.answered(second), Some(later));
        assert_eq!(questions.answered(second), None, "once");
        questions.stop();
        assert!(!questions.any(later + PATIENCE));
    }

    #[test]
    fn who_is_not_asked_any_more_takes_no_memory_and_is_answered() {
        let (mut questions, now) = (Questions::default(), Instant::from_millis(5));
        for owed in [false, true] {
            questions.ask_at(now);
            assert!(matches!(questions.take(now), [None, Some(_)]));
            if owed {
                questions.owe(7, now, now);
            }
            questions.stop();
            assert_eq!(questions.0.is_some(), owed);
            assert_eq!(questions.next(), None);
            let answer = questions.take(now + PATIENCE);
            assert!(matches!(answer, [Some(Control::ClockResponse { asked: 7, .. }), None]) == owed, "{answer:?}");
        }
    }
}
