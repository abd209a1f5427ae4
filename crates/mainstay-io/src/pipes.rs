//! Pipes for `splice(2)`, kept for reuse by one worker and lent while bytes are in them.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// One worker's pipes, at most [`Pipes::AT_ONCE`] in use; whoever gets none copies.
#[derive(Clone, Debug, Default)]
pub struct Pipes(Rc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    idle: RefCell<Vec<Ends>>,
    lent: Cell<usize>,
    /// How many requests are turned down before the operating system is asked again, after it refused.
    pause: Cell<u32>,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
}

/// A pipe in use; goes back when dropped empty, and is closed when dropped with bytes in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Present until drop.
    ends: Option<Ends>,
    held: usize,
    home: Pipes,
}

impl Pipes {
    /// Most pipes in use at a time; each can hold 1 MiB and takes two descriptors.
    pub const AT_ONCE: usize = 64;

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.0.lent.get()
    }

    /// An empty pipe, unless there are too many or the operating system grants no useful one.
    pub(crate) fn take(&self) -> Option<Pipe> {
        let shared = &self.0;
        if shared.lent.get() >= Self::AT_ONCE {
            return None;
        }
        let idle = shared.idle.borrow_mut().pop();
        let ends = match idle {
            Some(ends) => ends,
            None => self.make()?,
        };
        shared.lent.set(shared.lent.get() + 1);
        Some(Pipe { ends: Some(ends), held: 0, home: self.clone() })
    }

    fn make(&self) -> Option<Ends> {
        let pause = &self.0.pause;
        if pause.get() > 0 {
            pause.set(pause.get() - 1);
            return None;
        }
        let made = make_pipe();
        if made.is_err() {
            pause.set(REFUSED_PAUSE);
        }
        made.ok()
    }
}

impl Pipe {
    /// Bytes in it.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Moves what has come on a socket into the pipe, which must be empty, so that "would block" can only mean the
    /// socket; at most so many bytes. 0 is the end.
    pub(crate) fn fill(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        debug_assert_eq!(self.held, 0, "a full pipe looks like an empty socket");
        let Some(ends) = &self.ends else { return Ok(0) };
        let moved = again(|| splice(from, None, &ends.write, None, ends.size.min(most), FLAGS))?;
        self.held = moved;
        Ok(moved)
    }

    /// Moves what the pipe holds into a socket, as far as there is room.
    pub(crate) fn drain(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let moved = again(|| splice(&ends.read, None, to, None, self.held, FLAGS))?;
        self.held = self.held.saturating_sub(moved);
        Ok(moved)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let shared = &self.home.0;
        shared.lent.set(shared.lent.get().saturating_sub(1));
        let mut idle = shared.idle.borrow_mut();
        if let Some(ends) = self.ends.take()
            && self.held == 0
            && idle.len() < IDLE_MAX
        {
            idle.push(ends);
        }
    }
}

fn make_pipe() -> io::Result<Ends> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    for size in SIZES {
        // An unprivileged user's pipes may hold so much and no more, all together.
        if fcntl_setpipe_size(&write, size).is_ok() {
            return Ok(Ends { read, write, size });
        }
    }
    Err(io::Error::from(Errno::PERM))
}

fn again(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
/// Wished for, in order. A pipe smaller than these saves nothing over copying.
const SIZES: [usize; 2] = [1 << 20, 1 << 18];
/// Pipes kept while nobody uses them.
const IDLE_MAX: usize = 8;
const REFUSED_PAUSE: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_bounded_and_used_again() {
        let pipes = Pipes::default();
        let taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
        assert!(!taken.is_empty() && taken.len() <= Pipes::AT_ONCE, "{} pipes", taken.len());
        assert_eq!(pipes.in_use(), taken.len());
        drop(taken);
        assert_eq!((pipes.in_use(), pipes.0.idle.borrow().len()), (0, IDLE_MAX));
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_not_used_again() {
        use std::io::Write as _;
        use std::os::fd::AsFd as _;
        let pipes = Pipes::default();
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        ours.write_all(b"secret of another session").expect("write");
        let mut pipe = pipes.take().expect("a pipe");
        assert_eq!(pipe.fill(theirs.as_fd(), usize::MAX).expect("fill"), 25);
        assert_eq!(pipe.held(), 25);
        drop(pipe);
        assert_eq!((pipes.in_use(), pipes.0.idle.borrow().len()), (0, 0));
    }
}
