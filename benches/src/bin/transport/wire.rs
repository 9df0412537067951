//! What the process hands to its sockets, counted where every library passes: in the C library's functions.
//!
//! The linker finds these before those of the shared library. Each makes the system call that its namesake would. A library
//! that makes system calls by itself would not be seen; the harness notices that, because then messages arrive for which
//! nothing was sent.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::{c_int, c_uint, c_void, iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t};

static CALLS: AtomicU64 = AtomicU64::new(0);
static DATAGRAMS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Sent so far.
#[derive(Clone, Copy, Default)]
pub struct Sent {
    /// System calls that sent something.
    pub calls: u64,
    /// As they leave, after the system has cut what it was to cut.
    pub datagrams: u64,
    /// Of UDP payload.
    pub bytes: u64,
}

impl Sent {
    /// By all sockets of the process.
    pub fn now() -> Self {
        Self { calls: CALLS.load(Relaxed), datagrams: DATAGRAMS.load(Relaxed), bytes: BYTES.load(Relaxed) }
    }

    /// What came after.
    pub const fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            datagrams: self.datagrams - before.datagrams,
            bytes: self.bytes - before.bytes,
        }
    }

    /// Both.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            datagrams: self.datagrams + other.datagrams,
            bytes: self.bytes + other.bytes,
        }
    }
}

fn count(datagrams: u64, bytes: u64) {
    DATAGRAMS.fetch_add(datagrams, Relaxed);
    BYTES.fetch_add(bytes, Relaxed);
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(socket: c_int, data: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    unsafe { sendto(socket, data, len, flags, std::ptr::null(), 0) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendto(
    socket: c_int,
    data: *const c_void,
    len: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_len: socklen_t,
) -> ssize_t {
    let sent = unsafe { libc::syscall(libc::SYS_sendto, socket, data, len, flags, to, to_len) } as ssize_t;
    if sent >= 0 {
        CALLS.fetch_add(1, Relaxed);
        count(1, sent as u64);
    }
    sent
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(socket: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let sent = unsafe { libc::syscall(libc::SYS_sendmsg, socket, message, flags) } as ssize_t;
    if sent >= 0 {
        CALLS.fetch_add(1, Relaxed);
        unsafe { count_message(&*message) };
    }
    sent
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmmsg(socket: c_int, messages: *mut mmsghdr, len: c_uint, flags: c_int) -> c_int {
    let sent = unsafe { libc::syscall(libc::SYS_sendmmsg, socket, messages, len, flags) } as c_int;
    if sent > 0 {
        CALLS.fetch_add(1, Relaxed);
        for at in 0..sent as usize {
            unsafe { count_message(&(*messages.add(at)).msg_hdr) };
        }
    }
    sent
}

/// # Safety
/// The header is one that the system has accepted.
unsafe fn count_message(message: &msghdr) {
    let parts: &[iovec] = match message.msg_iovlen {
        0 => &[],
        parts => unsafe { std::slice::from_raw_parts(message.msg_iov, parts as usize) },
    };
    let bytes: u64 = parts.iter().map(|part| part.iov_len as u64).sum();
    let datagrams = match unsafe { segment(message) } {
        0 => 1,
        segment => bytes.div_ceil(segment),
    };
    count(datagrams, bytes);
}

/// How long the datagrams are that the system is to cut this into; 0 when it is one.
///
/// # Safety
/// As [`count_message`].
unsafe fn segment(message: &msghdr) -> u64 {
    let mut control = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !control.is_null() {
        let header = unsafe { &*control };
        if header.cmsg_level == libc::SOL_UDP && header.cmsg_type == libc::UDP_SEGMENT {
            return u64::from(unsafe { libc::CMSG_DATA(control).cast::<u16>().read_unaligned() });
        }
        control = unsafe { libc::CMSG_NXTHDR(message, control) };
    }
    0
}
