//! Memory that nobody uses any more.

use std::ffi::c_int;

/// Gives back to the operating system what the allocator keeps of memory that was freed. It walks over all that is
/// free, which takes milliseconds where that is much: to be called after a peak, not for each request. Does nothing where
/// the allocator is not the GNU C library's.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    malloc_trim(0);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "nothing else asks the allocator for it")]
// SAFETY: as malloc_trim(3) has it: one number, which may be any, and it may be called at any time from any thread.
unsafe extern "C" {
    safe fn malloc_trim(pad: usize) -> c_int;
}
