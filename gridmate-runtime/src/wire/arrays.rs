//! Arrays whose elements are dealt with alike.

/// As [`<[A; N]>::map`](array::map), which the compiler leaves behind a call where much else happens.
#[inline(always)]
pub(super) fn map<A: Copy, B: Copy + Default, const N: usize>(from: &[A; N], f: impl Fn(A) -> B) -> [B; N] {
    let mut to = [B::default(); N];
    for (to, from) in to.iter_mut().zip(from) {
        *to = f(*from);
    }
    to
}
