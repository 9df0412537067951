//! Datagrams that no correct peer sends, under the right tag: past all that a stranger can be stopped by.
//!
//! The input says what is in them. They are sealed with the connection's key, so that whoever reads them has to get along with
//! all of it. Beside the connection is one of an honest peer, which must not notice.

use super::hostile::{CHANNELS, Scene, kind};
use super::packets::{Context, DATA, WIDE, put_low, put_name, put_varint};
use super::reader::{sequence_width, width};
use super::script::Script;

/// More would only take longer.
const STEPS: usize = 48;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let mut scene = Scene::new(&mut script);
    for _ in 0..STEPS {
        if script.is_empty() || scene.is_over() {
            break;
        }
        match script.pick(12) {
            0..=3 => {
                let (packet, context) = packet(&scene, &mut script);
                scene.offer(context, packet);
            }
            4 => {
                let packet = bytes(&scene, &mut script);
                let context = scene.completed(&packet);
                scene.offer(context, packet);
            }
            5 => flood(&mut scene, &mut script),
            6 => {
                let (mut packet, context) = packet(&scene, &mut script);
                let bit = usize::from(script.word()) % (packet.len() * 8);
                scene.seal(context, &mut packet);
                packet[bit / 8] ^= 1 << (bit % 8);
                scene.rejects(&packet);
            }
            7 => scene.say_goodbye(script.byte()),
            8 => scene.victim_sends(&mut script),
            9 => scene.turn(&mut script),
            _ => scene.tick([0, 1, 10, 30, 120, 700][script.pick(6)]),
        }
    }
    scene.still_works();
}

/// A packet with everything at its place.
fn packet(scene: &Scene, script: &mut Script<'_>) -> (Vec<u8>, Context) {
    let (shape, what) = (script.byte(), script.byte());
    let wide = shape & WIDE != 0;
    let expected = &scene.expected;
    let number = match shape >> 1 & 3 {
        0 | 1 => expected.next(),
        2 => expected.next() + u64::from(script.byte()),
        _ => expected.next().saturating_sub(1 + u64::from(script.word() % 2_048)),
    };
    let mut context = Context { number, acked: 0, sequence: 0 };
    let content = what >> 1 & 7;
    let mut out = vec![DATA | shape & WIDE | content << 3, 0, 0, 0, 0];
    put_name(&mut out, scene.victims_name);
    put_low(&mut out, number, width(wide));
    if shape & 0x08 != 0 {
        let (form, future) = (1 + (shape >> 4 & 1), shape & 0x60 == 0x60);
        let back = u64::from(script.byte());
        context.acked = if future { expected.sent + back } else { expected.sent.saturating_sub(1 + back) };
        out[0] |= form << 1;
        put_low(&mut out, context.acked, width(wide));
        out.push(script.byte());
        if form == 2 {
            put_varint(&mut out, number_of(script));
            let count = script.byte() % 34;
            out.push(count);
            for _ in 0..count {
                put_varint(&mut out, number_of(script));
                put_varint(&mut out, number_of(script));
            }
        }
    }
    match content {
        0 | 7 => (0..script.pick(4)).for_each(|_| frame(scene, &mut out, script)),
        1..=5 => {
            let channel = content - 1;
            if kind(channel).is_reliable() {
                context.sequence = sequence_of(scene, channel, script);
                put_low(&mut out, context.sequence, sequence_width(wide));
            }
            put_filler(&mut out, length_of(script), scene);
        }
        _ => out.extend_from_slice(script.bytes()),
    }
    if what & 1 != 0 && shape >> 1 & 3 == 1 {
        out.extend_from_slice(script.bytes());
    }
    (out, context)
}

/// One frame, mostly as frames are.
fn frame(scene: &Scene, out: &mut Vec<u8>, script: &mut Script<'_>) {
    let (shape, which) = (script.pick(8), script.pick(10));
    let channel = [0, 1, 2, 3, 4, 5, 31, 32, CHANNELS - 3, CHANNELS][which];
    let head = |out: &mut Vec<u8>, flags: u8| {
        out.push(channel.min(31) | flags);
        if channel >= 31 {
            out.push(channel);
        }
    };
    let reliable = kind(channel).is_reliable();
    match shape {
        0..=2 => {
            let flags = if shape == 2 && reliable { script.byte() & 0xC0 } else { 0 };
            let flags = if shape == 1 { flags | 0x20 } else { flags };
            head(out, flags);
            if reliable {
                put_low(out, sequence_of(scene, channel, script), 3);
            }
            let (count, uniform) = (script.byte(), shape == 1 && script.byte().is_multiple_of(2));
            let count = if shape == 1 { count % 9 } else { 1 };
            if shape == 1 {
                out.push(count | u8::from(uniform) << 7);
            }
            let len = length_of(script);
            if uniform {
                put_varint(out, len);
            }
            for n in 0..usize::from(count) {
                let len = if uniform { len } else { len + n };
                if !uniform {
                    put_varint(out, len);
                }
                put_filler(out, len, scene);
            }
        }
        3 => {
            head(out, 0x40);
            let group = sequence_of(scene, channel, script);
            put_low(out, group, if reliable { 3 } else { 2 });
            let (index, count) = (script.byte(), script.byte());
            let sound = index < 128;
            let count = if sound { 2 + count % 15 } else { count };
            let index = if sound { index % count } else { index - 128 };
            out.extend_from_slice(&[index, count]);
            let len = if index + 1 < count { 1_170 } else { 1 + length_of(script) % 1_171 };
            put_varint(out, len);
            put_filler(out, len, scene);
        }
        4 => {
            head(out, 0x60);
            put_low(out, sequence_of(scene, channel, script), 3);
            let (kind, len) = (script.byte() % 9, length_of(script));
            out.push(kind);
            put_varint(out, len);
            put_filler(out, if kind & 1 == 0 { len.div_ceil(2) } else { len / 2 }, scene);
        }
        5 | 6 => {
            let word = script.byte() % 7;
            out.push(0xA0 | word);
            match word {
                2 => put_low(out, scene.token, 8),
                0 => out.resize(out.len() + usize::from(script.byte() % 8), 0),
                1 => put_low(out, script.word().into(), 8),
                3 => put_low(out, script.word().into(), 4),
                4 => {
                    put_low(out, scene.asked, 4);
                    put_low(out, u64::from(script.word()) << script.pick(64), 8);
                    put_low(out, script.word().into(), 4);
                }
                _ => put_low(out, script.word().into(), 2),
            }
        }
        _ => out.extend_from_slice(script.bytes()),
    }
}

/// Any bytes behind the name.
fn bytes(scene: &Scene, script: &mut Script<'_>) -> Vec<u8> {
    let mut out = vec![DATA | script.byte() & 0x3F, 0, 0, 0, 0];
    put_name(&mut out, scene.victims_name);
    out.extend_from_slice(script.bytes());
    out
}

/// Many packets of one kind, in the hope that something grows.
fn flood(scene: &mut Scene, script: &mut Script<'_>) {
    let (kind, count, channel) = (script.pick(5), script.byte(), [0, 3, 4][script.pick(3)]);
    let (first, groups) = (scene.expected.next_of(channel), scene.expected.next_of(2));
    for n in 0..u64::from(count) {
        if scene.is_over() {
            return;
        }
        let number = scene.expected.next();
        let mut out = vec![DATA | WIDE, 0, 0, 0, 0];
        put_name(&mut out, scene.victims_name);
        put_low(&mut out, number, 2);
        let (head, at, len) = match kind {
            // The beginnings of many large messages.
            0 => (&[0x42][..], groups + n, 1_170),
            // What waits behind a gap, and a message without an end.
            1 => (&[channel][..], first + 1 + n, 1_180),
            2 => (if n == 0 { &[0x80][..] } else { &[0xC0][..] }, first + n, 1_180),
            // Halves of nothing.
            3 => (&[0x60][..], first + 1 + 4 * n, 1_400),
            _ => (&[0x01][..], 0, 1),
        };
        out.push(head[0] | if kind == 2 || kind == 3 { channel } else { 0 });
        match kind {
            0 => {
                put_low(&mut out, at, 2);
                out.extend_from_slice(&[0, 16]);
            }
            4 => {}
            _ => put_low(&mut out, at, 3),
        }
        if kind == 3 {
            out.push(0);
        }
        put_varint(&mut out, len);
        put_filler(&mut out, if kind == 3 { len / 2 } else { len }, scene);
        let context = Context { number, acked: 0, sequence: 0 };
        scene.offer(context, out.clone());
        if kind == 4 && !scene.is_over() {
            scene.offer(context, out);
        }
    }
}

/// Mostly small.
fn number_of(script: &mut Script<'_>) -> usize {
    let byte = script.byte();
    if byte < 0xF0 { usize::from(byte % 8) } else { usize::from(script.word() & 0x3FFF) }
}

fn length_of(script: &mut Script<'_>) -> usize {
    let byte = script.byte();
    match byte {
        0..0xF0 => usize::from(byte % 60),
        _ => [1_169, 1_170, 1_171, 1_179, 1_180, 1_181, 1_400, 2_000][usize::from(byte % 8)],
    }
}

/// Mostly close to the one that is expected.
fn sequence_of(scene: &Scene, channel: u8, script: &mut Script<'_>) -> u64 {
    let (byte, next) = (script.byte(), scene.expected.next_of(channel));
    match byte {
        0..0x80 => next,
        0x80..0xC0 => next + u64::from(byte % 8),
        0xC0..0xE0 => next.saturating_sub(1 + u64::from(byte % 8)),
        0xE0..0xF0 => next + 1_016 + u64::from(byte % 16),
        _ => next.wrapping_add(u64::from(script.word()) << (byte % 16)),
    }
}

/// Bytes that are unlike those of other messages.
fn put_filler(out: &mut Vec<u8>, len: usize, scene: &Scene) {
    scene.items.set(scene.items.get() + 1);
    let name = scene.items.get().to_le_bytes();
    out.extend((0..len).map(|at| name.get(at).copied().unwrap_or(name[0])));
}
