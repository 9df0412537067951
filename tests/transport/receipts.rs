//! Scenario 8, in part: receipts of reliable messages fire exactly once, never early.
//!
//! Those of unreliable messages, where a receipt may also say that the message was lost, are in `carrier_delivery`.

use std::collections::BTreeSet;

use gridmate_runtime::Rng;

use crate::carrier_support::*;

/// Messages of all sizes on an ordered and an unordered reliable channel over an awful link: one receipt each, which says
/// "delivered", and by then the peer has all of the message. Of the unordered channel its program does, too; of the ordered one it may
/// still wait for an earlier message, and for nothing else.
#[test]
fn scenario_08c_receipts_of_reliable_messages_come_once_and_never_early() {
    const MESSAGES: u64 = 120;
    let (mut waiting, mut total) = (0, 0);
    for seed in 0..100 {
        let mut pair = Pair::connected(seed, Link::AWFUL);
        let mut rng = Rng::new(seed);
        // By channel: what the program at 0 has, and what there were receipts for.
        let channels = [RELIABLE, UNORDERED];
        let mut delivered = [BTreeSet::new(), BTreeSet::new()];
        let mut receipts = BTreeSet::new();
        let mut sent = 0;
        pair.until(20_000, |pair| {
            for _ in 0..rng.below(4) {
                if sent < MESSAGES {
                    let most = if rng.chance(0.2) { 8_000 } else { 200 };
                    let len = 8 + usize::try_from(rng.below(most)).unwrap();
                    assert!(pair.send(1, channels[usize::from(sent % 2 == 1)], &message(sent, len), Some(sent)));
                    sent += 1;
                }
            }
            for (delivered, channel) in delivered.iter_mut().zip(channels) {
                let new = pair.messages(0, channel);
                delivered.extend(new.iter().map(|(_, bytes)| number(bytes)));
            }
            for (token, arrived) in pair.receipts(1) {
                assert!(arrived, "seed {seed}: {token} was not given up");
                assert!(receipts.insert(token), "seed {seed}: a second receipt for {token}");
                let mine = &delivered[usize::from(token % 2 == 1)];
                if !mine.contains(&token) {
                    assert!(token % 2 == 0, "seed {seed}: {token} was not delivered");
                    let earlier = (0..token).step_by(2).all(|n| mine.contains(&n));
                    assert!(!earlier, "seed {seed}: {token} had nothing to wait for");
                    waiting += 1;
                }
                total += 1;
            }
            receipts.len() as u64 == MESSAGES
        });
        pair.steps(100);
        assert_eq!(pair.receipts(1), [], "seed {seed}");
    }
    assert!(waiting * 20 > total, "{waiting} of {total} came while an earlier message was missing");
}
