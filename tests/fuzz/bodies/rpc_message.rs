//! Calls that no correct node makes, to a host and to a client.

use gridmate_runtime::ReplicaId;
use gridmate_runtime::chunk::ReplicaChunk as _;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::wire::{BitWriter, Past};

use super::kitchen_sink;
use super::pair::{Message, Pair, Side, damage};
use super::script::Script;
use super::sink::KitchenSink;

/// More would only take longer.
const STEPS: usize = 24;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let coder = if script.byte().is_multiple_of(2) { Coder::Packed } else { Coder::Entropy };
    let mut pair = Pair::new(coder);
    for _ in 0..STEPS {
        if script.is_empty() {
            break;
        }
        let (what, client) = (script.pick(8), script.byte().is_multiple_of(2));
        let ids = [pair.host.first, pair.client.first];
        match what {
            0 => drop(
                pair.side(client)
                    .take(&Message::Call { reliable: script.byte().is_multiple_of(2), bytes: script.bytes().to_vec() }),
            ),
            1 => {
                let id = ids[script.pick(2)];
                let message = forged(id, &mut script);
                let _ = pair.side(client).take(&message);
            }
            2 => call(pair.side(client), ids[script.pick(2)], &mut script),
            3 => pair.side(client).play(&mut script),
            4 => pair.exchange(client, |_| ()),
            7 => drop(pair.side(client).take(&report(&mut script))),
            _ => pair.exchange(client, |message| {
                if matches!(message, Message::Call { .. }) {
                    damage(message.bytes_mut(), &mut script);
                }
            }),
        }
    }
    pair.still_works();
}

/// A call with a head that makes sense and any arguments.
fn forged(id: ReplicaId, script: &mut Script<'_>) -> Message {
    let reliable = script.byte().is_multiple_of(2);
    let mut w = BitWriter::new();
    w.gamma(id.creator.0);
    w.gamma(id.serial + u32::from(script.pick(2) == 1));
    w.gamma(u32::from(script.byte() % 3) + 1);
    w.bits(u64::from(script.byte() % 8), 8);
    let echo = script.byte().is_multiple_of(2);
    w.bool(echo);
    if echo {
        let from = script.byte();
        w.gamma(u32::from(from % 4) + 1);
        w.gamma(u32::from(from / 4 % 4) + 1);
        let after = script.byte().is_multiple_of(2);
        w.bool(after);
        if after {
            w.bits(u64::from(script.byte()), 32);
        }
        let directed = script.byte().is_multiple_of(4);
        w.bool(directed);
        if directed {
            w.gamma(u32::from(script.byte() % 4) + 1);
            let answer = script.byte().is_multiple_of(2);
            w.bool(answer);
            if answer {
                w.gamma(u32::from(script.byte() % 4) + 1);
            }
        }
    } else {
        let source = script.byte().is_multiple_of(2);
        w.bool(source);
        if source {
            w.gamma(u32::from(script.byte() % 4) + 1);
        }
    }
    w.bytes(script.bytes());
    Message::Call { reliable, bytes: w.finish().to_vec() }
}

/// A report of how far a newcomer has come, most of them such as no host makes.
fn report(script: &mut Script<'_>) -> Message {
    let reliable = !script.byte().is_multiple_of(8);
    let mut w = BitWriter::new();
    w.bits(0, 32);
    for _ in 0..2 {
        w.gamma((1 + u32::from(script.byte())) << (script.byte() % 24));
    }
    let behind = script.bytes();
    w.bytes(&behind[..behind.len().min(2)]);
    Message::Call { reliable, bytes: w.finish().to_vec() }
}

/// A call as programs make it, with arguments from any snapshot.
fn call(side: &mut Side, id: ReplicaId, script: &mut Script<'_>) {
    let (start, which) = (KitchenSink::default().snapshot(), script.pick(5));
    let mut sink = KitchenSink::default();
    if let Ok(now) = kitchen_sink::read(&start, Past::UNKNOWN, script.bytes()) {
        sink.apply(&now, &start);
    }
    let calls = |mut rpcs: <KitchenSink as gridmate_runtime::HasRpcs>::Caller<'_>, sink: KitchenSink| match which {
        0 => rpcs.serve(sink.weapon, sink.stock, sink.byte, sink.name, sink.single, sink.aim, Some(sink.loadout)),
        1 => rpcs.hint(sink.list),
        2 => rpcs.steer(sink.velocity),
        3 => rpcs.declare(sink.text),
        _ => rpcs.perish(),
    };
    // What is refused is refused: too large, or not for this node.
    let _ = match side.replicas.primary_mut::<KitchenSink>(id) {
        Ok(mut primary) => calls(primary.rpcs(), sink),
        Err(_) => match side.replicas.proxy::<KitchenSink>(id) {
            Ok(mut proxy) => calls(proxy.rpcs(), sink),
            Err(_) => return,
        },
    };
}
