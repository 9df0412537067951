//! State messages that no correct node sends, to a host and to a client.

use gridmate_runtime::schema::Coder;

use super::pair::{Message, Pair, damage};
use super::script::Script;

/// More would only take longer.
const STEPS: usize = 24;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let coder = if script.byte().is_multiple_of(2) { Coder::Packed } else { Coder::Entropy };
    let mut pair = Pair::new(coder);
    let (mut bits, before) = (0, pair.host.replicas.len() + pair.client.replicas.len());
    for _ in 0..STEPS {
        if script.is_empty() {
            break;
        }
        let (what, client) = (script.pick(4), script.byte().is_multiple_of(2));
        match what {
            0 => {
                let bytes = script.bytes().to_vec();
                bits += bytes.len() * 8;
                let _ = pair.side(client).take(&Message::State { token: 0, bytes });
            }
            1 => pair.side(client).play(&mut script),
            2 => pair.exchange(client, |_| ()),
            _ => pair.exchange(client, |message| damage(message.bytes_mut(), &mut script)),
        }
    }
    let after = pair.host.replicas.len() + pair.client.replicas.len();
    assert!(after <= before + bits / 8 + 4 * STEPS, "what creates a replica takes a byte at least");
    pair.still_works();
}
