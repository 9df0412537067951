//! A peer that moved: another address speaks with its voice, and has to prove that it hears too.
//!
//! A packet whose tag matches and which is newer than all before may come from a new address, because a NAT forgot or a player
//! changed networks. That address is a *candidate*: it is sent a challenge, and data goes there once the challenge came back from
//! it (RFC 9000 §8.2, §9). Until then it gets no more than three times what came from it.

use core::time::Duration;
use std::net::SocketAddr;

use crate::time::Instant;

/// Challenges to one candidate, those included for which it has not sent enough, count, and the pause between two: the old address
/// may be gone, and every one of them may be lost.
const CHALLENGES: u8 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What may be sent to an address for each byte that came from it.
const AMPLIFICATION: usize = 3;

/// Bytes of a datagram with a challenge or the answer to one, at most.
const CHALLENGE_BYTES: usize = 24;

/// An address that may be the peer's.
#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    token: u64,
    received: usize,
    sent: usize,
    left: u8,
    next: Instant,
    /// When something last came from it.
    heard: Instant,
}

/// Addresses of one connection's peer.
#[derive(Debug, Default)]
pub(super) struct Path {
    candidate: Option<Box<Candidate>>,
    /// A challenge that we were sent and have to send back, and where to if it did not come from the peer's address.
    respond: Option<Box<(u64, Option<SocketAddr>)>>,
}

impl Path {
    /// `len` bytes that only the peer could have sent came from an address that is not its own. `newest`: nothing newer has come
    /// from elsewhere. `token` is a number nobody can guess.
    pub(super) fn heard(&mut self, now: Instant, from: SocketAddr, len: usize, newest: bool, token: u64) {
        match &mut self.candidate {
            Some(candidate) if candidate.address == from => {
                candidate.received += len;
                candidate.heard = now;
            }
            // Two addresses that speak at once must not take turns. One that is silent has been left again.
            Some(candidate) if !newest || now < candidate.heard + PAUSE => {}
            _ if newest => {
                self.candidate = Some(Box::new(Candidate {
                    address: from,
                    token,
                    received: len,
                    sent: 0,
                    left: CHALLENGES,
                    next: now,
                    heard: now,
                }));
            }
            _ => {}
        }
    }

    /// The peer wants to know whether we hear it at our address. It asked `from` another one than its own, to which the answer has
    /// to go: when both ends have moved, neither knows where the other is before it has heard an answer.
    pub(super) fn challenged(&mut self, token: u64, from: Option<SocketAddr>) {
        **self.respond.get_or_insert_default() = (token, from);
    }

    /// What has to be sent back to the peer's address.
    pub(super) fn take_response(&mut self) -> Option<u64> {
        self.respond.take_if(|respond| respond.1.is_none()).map(|respond| respond.0)
    }

    /// What has to be sent back elsewhere, and where to.
    pub(super) fn take_response_elsewhere(&mut self) -> Option<(SocketAddr, u64)> {
        let (token, Some(address)) = *self.respond.take_if(|respond| respond.1.is_some())? else { return None };
        if let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.address == address) {
            candidate.sent += CHALLENGE_BYTES;
        }
        Some((address, token))
    }

    pub(super) const fn has_response(&self) -> bool {
        self.respond.is_some()
    }

    /// A response came from an address. True: that address has proven to be the peer's.
    pub(super) fn answered(&mut self, from: SocketAddr, token: u64) -> bool {
        let proven = self.candidate.as_ref().is_some_and(|c| c.address == from && c.token == token && c.sent > 0);
        if proven {
            self.candidate = None;
        }
        proven
    }

    /// The next challenge to send, and where to.
    pub(super) fn challenge(&mut self, now: Instant) -> Option<(SocketAddr, u64)> {
        let candidate = self.candidate.as_mut()?;
        if candidate.next > now {
            return None;
        }
        if candidate.left == 0 {
            self.candidate = None;
            return None;
        }
        candidate.left -= 1;
        candidate.next = now + PAUSE;
        if candidate.sent + CHALLENGE_BYTES > AMPLIFICATION * candidate.received {
            return None;
        }
        candidate.sent += CHALLENGE_BYTES;
        Some((candidate.address, candidate.token))
    }

    /// When [`challenge`](Self::challenge) has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.candidate.as_ref().map(|candidate| candidate.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn only_the_address_that_was_challenged_can_answer() {
        let (mut path, mut now) = (Path::default(), Instant::ZERO);
        assert_eq!(path.challenge(now), None);
        path.heard(now, address(2), 40, true, 7);
        assert!(!path.answered(address(2), 7), "nobody was asked yet");
        assert_eq!(path.challenge(now), Some((address(2), 7)));
        assert_eq!(path.challenge(now), None);
        assert!(!path.answered(address(3), 7) && !path.answered(address(2), 8));
        now += PAUSE;
        assert_eq!(path.challenge(now), Some((address(2), 7)));
        assert!(path.answered(address(2), 7));
        assert!(!path.answered(address(2), 7), "once");
        assert_eq!(path.next(), None);
    }

    #[test]
    fn a_candidate_gets_little_and_not_for_ever() {
        let (mut path, mut now) = (Path::default(), Instant::ZERO);
        path.heard(now, address(2), 9, true, 7);
        let mut sent = 0;
        while let Some(next) = path.next() {
            now = now.max(next);
            sent += usize::from(path.challenge(now).is_some());
            now += Duration::from_millis(1);
            if sent == 1 && now > Instant::from_millis(60_000) {
                break;
            }
        }
        assert_eq!(sent, 1, "three times nine bytes is one challenge");
        let mut path = Path::default();
        path.heard(now, address(2), 1_000, true, 7);
        let mut sent = 0;
        while let Some(next) = path.next() {
            now = now.max(next);
            sent += u8::from(path.challenge(now).is_some());
        }
        assert_eq!(sent, CHALLENGES);
    }

    #[test]
    fn a_candidate_that_fell_silent_yields_to_the_next() {
        // The first has sent too little for a second challenge, the other enough for all of them.
        for len in [9, 1_000] {
            let (mut path, mut now) = (Path::default(), Instant::ZERO);
            path.heard(now, address(2), len, true, 7);
            assert_eq!(path.challenge(now), Some((address(2), 7)));
            let mut challenged = None;
            // Whatever is due is done at once, so that no packet ever comes between a deadline and its challenge.
            for millis in 1..=150 {
                now = Instant::from_millis(millis);
                while path.next().is_some_and(|next| next <= now) {
                    challenged = path.challenge(now).or(challenged);
                }
                if millis % 10 == 5 {
                    path.heard(now, address(3), 9, true, 8);
                    challenged = path.challenge(now).or(challenged);
                }
            }
            assert_eq!(challenged, Some((address(3), 8)), "{len}");
        }
    }

    #[test]
    fn a_candidate_that_fell_silent_is_given_up() {
        let (mut path, mut now) = (Path::default(), Instant::ZERO);
        path.heard(now, address(2), 9, true, 7);
        while let Some(next) = path.next() {
            now = now.max(next);
            path.challenge(now);
            assert!(now <= Instant::ZERO + PAUSE * u32::from(CHALLENGES), "for ever");
        }
    }

    #[test]
    fn an_answer_counts_as_what_a_candidate_gets() {
        let (mut path, now) = (Path::default(), Instant::ZERO);
        path.challenged(5, None);
        assert_eq!((path.take_response_elsewhere(), path.take_response()), (None, Some(5)));
        // The newest of several that have not been answered.
        path.challenged(8, None);
        path.challenged(9, Some(address(3)));
        assert_eq!((path.take_response(), path.take_response_elsewhere()), (None, Some((address(3), 9))));
        path.heard(now, address(2), 16, true, 7);
        path.challenged(6, Some(address(2)));
        assert_eq!((path.take_response(), path.take_response_elsewhere()), (None, Some((address(2), 6))));
        assert!(!path.has_response());
        assert_eq!(path.challenge(now), Some((address(2), 7)));
        assert_eq!(path.challenge(now + PAUSE), None, "three times sixteen bytes are two datagrams");
    }

    #[test]
    fn old_packets_make_no_candidates() {
        let mut path = Path::default();
        path.heard(Instant::ZERO, address(2), 1_000, false, 7);
        assert_eq!(path.next(), None);
    }
}
