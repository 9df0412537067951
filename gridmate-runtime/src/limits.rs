//! Every bound in the crate, with its unit and whom it stops.
//!
//! Nothing a peer sends can make a queue, map or buffer grow past one of these. A peer that runs into one loses its
//! connection; nobody else loses anything.

/// Largest UDP payload sent, bytes: fits the IPv6 minimum MTU of 1280 with room for IP, UDP and tunnel headers.
pub const DATAGRAM_BYTES: usize = 1_200;

/// Largest datagram looked at, bytes. Longer ones are dropped: nobody sends them.
pub const DATAGRAM_BYTES_MAX: usize = 1_500;

/// What a compressor may write for one datagram, bytes. What gets longer is not sent that way; but some compressors want to be sure of
/// room for the worst case.
pub const COMPRESSED_BYTES: usize = 2_048;

/// Largest dictionary of a compressor, bytes. It is looked at for each datagram.
pub const DICTIONARY_BYTES: usize = 32 << 10;

/// Largest number of elements in a collection or bytes in a string, unless the field says `max_len`.
pub const ELEMENTS: usize = 65_535;

/// Largest marshaled argument list of one reliable RPC, bytes.
pub const RPC_BYTES: usize = 8 * 1_024;

/// Largest marshaled argument list of one unreliable RPC, bytes: with its head it has to fit one datagram.
pub const UNRELIABLE_RPC_BYTES: usize = 1_024;

/// Head of an RPC message, bytes: seven gamma codes of 63 bits, an index, a version, flags.
pub const RPC_HEAD_BYTES: usize = 64;

/// Calls waiting for the next tick, count. A program that reaches it calls without ever ticking.
pub const OUTBOX_CALLS: usize = 65_536;

/// Questions that a node has asked and that are not answered, count; and as many answers that its program has not taken.
pub const OPEN_REQUESTS: usize = 4_096;

/// How long a question waits for its answer, unless the caller says otherwise, milliseconds.
pub const REQUEST_MILLIS: u64 = 5_000;

/// Callers and RPCs with a rate that a node counts for at one time, count: those that called within a burst's time. More calls than
/// that are beyond the rate.
pub const CALL_RATES: usize = 65_536;

/// What the network may bunch together of calls that were made within their rate, milliseconds of that rate.
pub const CALL_RATE_SLACK_MILLIS: u64 = 1_000;

/// RPC messages that arrived since the last update, per peer, bytes. More than a tick can bring over one connection.
pub const ARRIVED_RPC_BYTES: usize = 64 << 20;

/// RPCs that wait for the state they belong to, per peer, count.
pub const HELD_RPCS: usize = 65_536;

/// How long a client that the host recalls a replica from may take to send its last state, milliseconds. Well below
/// [`HELD_RPC_MILLIS`], for calls on it wait meanwhile.
pub const RECALL_MILLIS: u64 = 5_000;

/// Requests to own replicas of a client's that a host has passed on to it and that it has not answered, count. Up to so many answers cost
/// it nothing of [`FORWARDED_RPC_BYTES`], for others decide how often it is asked; one tick's requests of one other client are fewer.
pub const OPEN_ASKS: usize = 65_536;

/// How long a mesh member that is to let go of a replica waits for the last calls that others send it directly, milliseconds. Well
/// below [`RECALL_MILLIS`].
pub const FLUSH_MILLIS: u64 = 2_000;

/// How long calls that a former owner has passed on in a mesh are expected after the news that it is that no more, milliseconds.
pub const LAST_ECHO_MILLIS: u64 = HELD_RPC_MILLIS;

/// How long the replicas of a lost mesh member wait for what the host says of them, milliseconds.
pub const ORPHAN_MILLIS: u64 = 10_000;

/// How long the members of a mesh may take to follow a new host, milliseconds. Well below [`ORPHAN_MILLIS`].
pub const SUCCESSION_MILLIS: u64 = 5_000;

/// Members that a node remembers as hosts before the present one, count: as many as there can have been.
pub const FORMER_HOSTS: usize = TERMS as usize;

/// Epochs by which those that a host begins by adopting what the one before it had are apart from those of the host before, count. A replica may
/// change hands as often under one host, and by no more can a member say that it has when a host is lost.
pub const EPOCHS_PER_TERM: u32 = 1 << 16;

/// Hosts that a session may have after the first, count. The epochs of the last one are still far from the end of theirs.
pub const TERMS: u32 = 1 << 10;

/// How long whoever asks to own a replica waits for an answer, milliseconds.
pub const OWNERSHIP_MILLIS: u64 = 10_000;

/// RPCs that wait for the state they belong to, per peer, bytes.
pub const HELD_RPC_BYTES: usize = 16 << 20;

/// How long an RPC waits for the state it belongs to, milliseconds. State that has not come by then is state that cannot be
/// sent (see [`RECORD_BYTES`]): the call runs without it, or is dropped when there is no replica to run it on.
pub const HELD_RPC_MILLIS: u64 = 10_000;

/// RPCs that wait for suspended replicas, per peer, count. When there are more the replicas resume by themselves.
pub const SUSPENDED_RPCS: usize = 4_096;

/// RPCs that wait for suspended replicas, per peer, bytes. When there are more the replicas resume by themselves.
pub const SUSPENDED_RPC_BYTES: usize = 1 << 20;

/// RPCs per chunk type: an index is eight bits on the wire.
pub const RPCS_PER_CHUNK: usize = 256;

/// Chunks per replica, count.
pub const CHUNKS_PER_REPLICA: usize = 64;

/// Replicas that one member may own, count.
pub const REPLICAS_PER_MEMBER: usize = 262_144;

/// Replicas that a node takes from a host, which speaks for all members, count.
pub const REPLICAS: usize = 4 << 20;

/// Past snapshots kept per chunk to encode against, count, at most: a sender keeps what its peers may still be told against. At 60 ticks a second half a second of round trip is covered;
/// a peer that acknowledges later than that gets whole values, and a program that shows interpolated proxies can show them as
/// they were that long ago.
pub const HISTORY: usize = 32;

/// How much earlier a sample was made than the tick that a host passes it on in, as far as that is said, steps of
/// [`LAG_STEP_MILLIS`]. What was held up for longer is shown as if it had been no longer than this.
pub const LAG_STEPS: u8 = 64;

/// How exactly it is said, milliseconds.
pub const LAG_STEP_MILLIS: u64 = 4;

/// Reports to a newcomer of how much has come, besides the first and the last, count.
pub const SYNC_REPORTS: u32 = 64;

/// State of the class [`REALTIME`](crate::Priority::REALTIME) that goes to one peer in one tick when there is no room for it, bytes; one
/// replica may be larger.
pub const REALTIME_BYTES: usize = 4 << 10;

/// Replicas of one tick's messages that later ones may count on by order instead of naming them, under the entropy coder. Twelve
/// bytes each, for as many ticks as there is history.
pub const EXPECTED: usize = 1_024;

/// Destroyed replicas remembered per peer, so that no late datagram brings one back, count. More of them within
/// [`PACKET_WINDOW`] datagrams are not acknowledged until there is room.
pub const TOMBSTONES: usize = 262_144;

/// Destructions that a peer has not acknowledged, count. It acknowledges other things, or it would be gone.
pub const TOMBS: usize = 1 << 20;

/// Bytes of calls that a host passes on for one client in one tick. A client that floods others through the host is the one
/// that has to go.
pub const FORWARDED_RPC_BYTES: usize = 256 << 10;

/// Bytes that a node has recorded and its program has not yet taken. A program that takes no more has stopped recording.
pub const RECORDING_BYTES: usize = 64 << 20;

/// Threads that a node encodes state on, count: more than there are of the processor's cores would wait for each other.
pub const ENCODE_THREADS: usize = 64;

/// Largest encoding of one replica's state, bytes: what an unreliable message of [`FRAGMENTS`] fragments holds.
pub const RECORD_BYTES: usize = FRAGMENTS * 1_024;

/// Largest message or part of one that always fits one datagram, bytes: what headers and a usual acknowledgement leave.
pub const SEGMENT_BYTES: usize = 1_180;

/// Size of all fragments of an unreliable message but the last, bytes: the same, less the fragment's larger header.
pub const FRAGMENT_BYTES: usize = 1_170;

/// Fragments of an unreliable message, count.
pub const FRAGMENTS: usize = 16;

/// Unreliable messages being put together from fragments, per connection, count.
pub const REASSEMBLIES: usize = 8;

/// Largest reliable message that a channel can be made to carry, bytes: as much as a program may send, and its address.
pub const MESSAGE_BYTES: usize = BULK_BYTES + ADDRESS_BYTES;

/// Largest message of a reliable channel unless it says otherwise, bytes.
pub const MESSAGE_BYTES_USUAL: usize = 1 << 20;

/// Reliable segments sent and not acknowledged, and the reorder window of the receiver, per channel, count.
pub const RELIABLE_WINDOW: usize = 1_024;

/// Reliable bytes waiting for acknowledgement or their turn, per channel, bytes. Above it `send` refuses.
pub const RELIABLE_BYTES: usize = 16 << 20;

/// Unreliable bytes waiting for the next datagram, per connection, bytes. Above it `send` refuses.
pub const UNRELIABLE_BYTES: usize = 4 << 20;

/// Largest piece of a voice, bytes: with its address one datagram. Of a usual codec it holds a quarter of a second.
pub const VOICE_BYTES: usize = 1_024;

/// Largest unreliable message of a program, bytes: it has to arrive in at most [`FRAGMENTS`] pieces.
pub const UNRELIABLE_MESSAGE_BYTES: usize = 16 * 1_024;

/// Largest ordered message of a program, bytes. What is larger is sent in bulk.
pub const ORDERED_MESSAGE_BYTES: usize = 1 << 20;

/// Largest message of a program in bulk, bytes.
pub const BULK_BYTES: usize = 64 << 20;

/// What says whom a program's message is for, or from, bytes: a number of five bytes and one of four at most, and room to grow.
pub const ADDRESS_BYTES: usize = 16;

/// Voice that waits to be sent to one member, bytes. More is not worth waiting for.
pub const VOICE_QUEUE_BYTES: usize = 64 << 10;

/// A program's unreliable messages that wait to be sent to one member, bytes.
pub const UNRELIABLE_QUEUE_BYTES: usize = 256 << 10;

/// Messages in bulk that wait to be sent to one member or to be acknowledged, bytes: the largest, and some.
pub const BULK_QUEUE_BYTES: usize = 80 << 20;

/// Reliable messages that a host has passed on for one client and that were not acknowledged, bytes, each counted once for every
/// member it goes to. Beyond it the client hears that they were not delivered.
pub const RELAYED_BYTES: usize = 96 << 20;

/// Voice and unreliable messages that a host passes on for one client, bytes a second, each counted once for every member it goes
/// to: good voice for five hundred. Beyond it they are dropped.
pub const RELAYED_BYTES_PER_SECOND: usize = 8 << 20;

/// As much of that may come at once, bytes.
pub const RELAYED_BURST_BYTES: usize = 1 << 20;

/// Messages of one connection that wait for the program to poll them, bytes. A peer that makes more of reliable ones wait loses its
/// connection: no program that polls is ever so far behind.
pub const INBOX_BYTES: usize = 128 << 20;

/// Waiting messages of one connection above which more voice and unreliable messages are dropped, bytes.
pub const INBOX_UNRELIABLE_BYTES: usize = 4 << 20;

/// Messages whose fate a program waits to hear of, count. Beyond it sending more of them is refused.
pub const RECEIPTS: usize = 65_536;

/// Members that have left of whom a client remembers that they have, count: a last message of theirs may still be under way.
pub const DEPARTED: usize = 256;

/// Datagrams behind the newest that are still accepted, count; the reach of duplicate detection.
pub const PACKET_WINDOW: usize = 1_024;

/// Acknowledgement ranges in one datagram, count.
pub const ACK_RANGES: usize = 32;

/// Datagrams sent and neither acknowledged nor given up, per connection, count.
pub const IN_FLIGHT: usize = 4_096;

/// Channels per connection, count: a byte on the wire.
pub const CHANNELS: usize = 256;

/// Connections per endpoint, established or being established, count.
pub const CONNECTIONS: usize = 16_384;

/// What a joining program may say of itself (a name, what it has to show, and perhaps a claim), bytes. A hello is as long in any case.
pub const HELLO_BYTES: usize = 1_024;

/// What a joiner claims to have in common with the host, bytes, if it has the longest name and nothing to show: one for each chunk type,
/// with few datasets, and some. With more types programs have to be equal.
pub const CLAIM_BYTES: usize = HELLO_BYTES - NAME_BYTES - 2;

/// Events waiting for `poll_event`, count. Beyond it datagrams are dropped unacknowledged until the program polls; what
/// they held is sent again if it was reliable.
pub const EVENTS: usize = 65_536;

/// A member's name, or a replica's, bytes of UTF-8; longer ones are cut.
pub const NAME_BYTES: usize = 64;

/// Names of replicas that a peer is told in one tick while it catches up, count: a thousand a second at thirty ticks, and no burst that
/// a connection could not hold.
pub const NAMES_PER_TICK: usize = 32;

/// Names of replicas that have not come yet, count; the oldest makes room. State is repeated until it arrives and names are not, so under
/// loss some come first.
pub const EARLY_NAMES: usize = 1_024;

/// What a joiner shows to be let in, bytes; more is cut off.
pub const CREDENTIALS_BYTES: usize = 256;

/// Bytes of messages waiting for `poll_event`, bytes. Beyond it as with [`EVENTS`].
pub const EVENT_BYTES: usize = 64 << 20;

/// Handshakes that remote ends began and did not finish, per endpoint, count: what a flood of hellos can occupy.
pub const HALF_OPEN: usize = 1_024;

/// Those of them from one place, an IPv4 address or an IPv6 network of 64 bits, count: nobody can take all of them alone. Players
/// behind one address occupy a place each for a round trip or so, and the others wait: two hundred of them can join in a second.
pub const HALF_OPEN_PER_ADDRESS: usize = HALF_OPEN / 16;

/// Refusals and challenges waiting to be sent, per endpoint, count. Beyond it hellos that would be answered are ignored.
pub const ANSWERS: usize = 1_024;

/// Packets after which an acknowledgement goes out though nothing else does, count.
pub const ACK_EVERY: u32 = 16;

/// How long an acknowledgement is held back at most, whatever is configured, milliseconds. The peer cannot know what is configured
/// here, and its resend timer allows for this much.
pub const ACK_DELAY_MILLIS: u64 = 30;

/// Times one hello is answered with the same refusal, count: the joiner repeats it until the answer gets through.
pub const REFUSAL_REPEATS: u8 = 16;

/// What an accepting program may tell a joiner, bytes.
pub const WELCOME_BYTES: usize = 512;

/// Explanation inside a refusal, bytes.
pub const REFUSAL_TEXT_BYTES: usize = 128;

/// What a refusal for the schema says of the acceptor's, bytes: with its head, less than the hello it answers.
pub const SCHEMA_DETAIL_BYTES: usize = 1_100;

/// A schema as JSON, bytes. Longer texts are not looked at.
pub const SCHEMA_JSON_BYTES: usize = 16 << 20;

/// Packet numbers a sender lets go by without any acknowledgement, count: a quarter of what 16 bits tell apart.
pub const UNACKED_SPAN: u64 = 16_384;

/// What a queued message costs beyond its bytes, bytes: bookkeeping, so that limits in bytes also limit tiny messages.
pub const MESSAGE_OVERHEAD: usize = 64;

/// Unreliable bytes worth queueing per flush while the link keeps up, per connection, bytes.
pub const STATE_BYTES: usize = 256 << 10;

/// Unacknowledged packets above which no more state is worth queueing, per connection, count.
pub const STATE_IN_FLIGHT: usize = 1_024;

/// Free buffers kept for reuse, per endpoint, bytes.
pub const POOL_BYTES: usize = 64 << 20;

/// Members of a session, count.
pub const MEMBERS: usize = 4_096;

const _: () = {
    assert!(DATAGRAM_BYTES < DATAGRAM_BYTES_MAX);
    assert!(DATAGRAM_BYTES_MAX * 110 / 100 + 20 <= COMPRESSED_BYTES, "the worst case of LZ4");
    assert!(DICTIONARY_BYTES + DATAGRAM_BYTES_MAX < 1 << 16, "LZ4 looks no farther back");
    assert!(FRAGMENTS <= RELIABLE_WINDOW, "an unreliable message is never larger than a reliable one could be");
    assert!(UNRELIABLE_RPC_BYTES + RPC_HEAD_BYTES <= SEGMENT_BYTES, "an unreliable RPC fits one datagram");
    assert!(VOICE_BYTES + ADDRESS_BYTES <= SEGMENT_BYTES, "voice fits one datagram");
    assert!(UNRELIABLE_MESSAGE_BYTES + ADDRESS_BYTES <= FRAGMENTS * FRAGMENT_BYTES);
    assert!(BULK_BYTES + ADDRESS_BYTES + MESSAGE_OVERHEAD <= BULK_QUEUE_BYTES && BULK_QUEUE_BYTES <= RELAYED_BYTES);
    assert!(ORDERED_MESSAGE_BYTES + ADDRESS_BYTES + MESSAGE_OVERHEAD <= RELIABLE_BYTES);
    assert!(UNRELIABLE_MESSAGE_BYTES + ADDRESS_BYTES + MESSAGE_OVERHEAD <= UNRELIABLE_QUEUE_BYTES);
    assert!(VOICE_QUEUE_BYTES + UNRELIABLE_QUEUE_BYTES <= UNRELIABLE_BYTES / 2, "there is room for state");
    assert!(RPC_BYTES + RPC_HEAD_BYTES <= MESSAGE_BYTES_USUAL, "a reliable RPC fits one message");
    assert!(RELIABLE_WINDOW <= 1 << 15, "16-bit sequence numbers need half their range");
    assert!(FRAGMENTS * FRAGMENT_BYTES >= RECORD_BYTES, "state of one replica fits one fragmented message");
    // Type, tag, id, number, usual acknowledgement; channel, length; and a fragment's place.
    assert!(5 + 2 + 2 + 3 + 2 + 2 + SEGMENT_BYTES <= DATAGRAM_BYTES);
    assert!(5 + 2 + 2 + 3 + 2 + 4 + 2 + FRAGMENT_BYTES <= DATAGRAM_BYTES);
    assert!(SEGMENT_BYTES < 1 << 14, "lengths are varints of at most 14 bits");
    assert!(5 + 8 + 1 + 8 + SCHEMA_DETAIL_BYTES < DATAGRAM_BYTES, "an answer is shorter than a hello");
    // Type, tag; magic, version, schema, nonce, id, cookie, compressor and dictionary, length.
    assert!(5 + 4 + 2 + 8 + 8 + 3 + 20 + 5 + 2 + HELLO_BYTES <= DATAGRAM_BYTES, "a hello is one datagram");
    assert!(NAME_BYTES < 128, "the length of a name is one byte");
    assert!(HALF_OPEN_PER_ADDRESS >= 8, "a family behind one address can join at once");
    assert!(CHANNELS <= 256 && FRAGMENTS <= 255 && ACK_RANGES <= 255);
    assert!(PACKET_WINDOW * DATAGRAM_BYTES_MAX < 1 << 23, "24-bit segment numbers cover a window of packets twice");
    assert!(PACKET_WINDOW <= 1 << 15, "16-bit packet numbers need half their range");
};
