//! Starting programs.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::FdFlags;

/// Has the started program inherit these descriptors, at the numbers they have here. Nobody else's child does, however
/// many threads start programs at the same time. They are kept open until `command` is dropped.
#[expect(unsafe_code, reason = "nothing but a step between fork and exec reaches one child only")]
pub fn inherit(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let keep_open = move || {
        for descriptor in &descriptors {
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure does nothing but fcntl(2), which is async-signal-safe; it neither
    // allocates (a system error is a bare number) nor takes a lock, and its memory is the copy that fork made.
    unsafe { command.pre_exec(keep_open) };
}

/// A handle of its own on a descriptor that this program was started with, and told the number of. It is not inherited
/// further.
///
/// # Errors
/// There is no such descriptor, or there are too many.
#[expect(unsafe_code, reason = "a number is all that a started program gets")]
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: it is no less than 0 and is used for one fcntl(2) only, which fails for a number that is not open and does
    // nothing to the file behind one that is.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(rustix::io::fcntl_dupfd_cloexec(borrowed, 0)?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn only_the_named_child_has_it() {
        let file = File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        let shows = |command: &mut Command| command.output().unwrap().status.success();
        let mut with = Command::new("test");
        with.args(["-e", &format!("/proc/self/fd/{number}")]);
        let mut without = Command::new("test");
        without.args(["-e", &format!("/proc/self/fd/{number}")]);
        inherit(&mut with, vec![file.into()]);
        assert!(shows(&mut with));
        assert!(!shows(&mut without), "somebody else's child has it too");
    }

    #[test]
    fn a_number_becomes_a_handle() {
        let file = File::open("/dev/null").unwrap();
        assert!(inherited(file.as_raw_fd()).is_ok());
        assert!(inherited(-1).is_err());
        assert!(inherited(RawFd::MAX).is_err());
    }
}
