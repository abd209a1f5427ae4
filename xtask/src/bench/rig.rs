//! Load and backend in one loop on one core, so that neither waits for the other and every event of a batch is
//! handled before the next system call that may sleep.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::backend::{Addresses, BACKEND, Backend};
use super::client::{Client, Job, Step};
use super::poll::Poll;
use super::tls::Terms;

/// The load generator and the backend.
pub(super) struct Rig {
    poll: Poll,
    backend: Backend,
    buffer: Vec<u8>,
    tokens: Vec<u64>,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Requests answered rightly within the measured time.
    pub(super) done: u64,
    pub(super) elapsed: Duration,
    /// Processor time of the proxy in the same time.
    pub(super) cpu: Duration,
    /// Everything that went wrong, warm-up included.
    pub(super) errors: u64,
    /// The first of it.
    pub(super) first_error: Option<String>,
    /// Open loop: time from when a request was due to its answer.
    pub(super) latencies: Vec<Duration>,
}

/// How long a run takes and how many connections it uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) connections: usize,
    pub(super) warm: Duration,
    pub(super) measure: Duration,
}

impl Rig {
    pub(super) fn new() -> Result<Self> {
        let poll = Poll::new()?;
        let backend = Backend::new(&poll)?;
        Ok(Self { poll, backend, buffer: vec![0; 256 << 10], tokens: Vec::new() })
    }

    pub(super) fn addresses(&self) -> Result<Addresses> {
        self.backend.addresses()
    }

    /// Answers as the backend for this long: health checks go on while nothing is measured.
    pub(super) fn serve(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left, &mut |_, _, _| Ok(()))?;
        }
    }

    /// One request over a new connection; what was agreed on, with TLS.
    pub(super) fn once(&mut self, job: &Job, within: Duration) -> Result<Option<Terms>> {
        let end = Instant::now() + within;
        let mut client = Client::connect(&self.poll, job, 0)?;
        let mut step = client.start(&self.poll, job, Instant::now())?;
        while step == Step::Pending {
            if Instant::now() >= end {
                bail!("no answer in {within:?}");
            }
            self.turn(Duration::from_millis(20), &mut |poll, _, buffer| {
                if step == Step::Pending {
                    step = client.handle(poll, job, buffer)?;
                }
                Ok(())
            })?;
        }
        match step {
            Step::Wrong(why) => bail!("{why}"),
            _ => Ok(client.terms()),
        }
    }

    /// Each connection sends its next request when the last is answered.
    pub(super) fn closed(&mut self, job: &Job, shape: Shape, cpu: &dyn Fn() -> Result<Duration>) -> Result<Outcome> {
        let mut run = Run::new(self, job, shape.connections)?;
        for client in &mut run.clients {
            client.start(&self.poll, job, Instant::now())?;
        }
        let mut next = |run: &mut Run, poll: &Poll, index: usize, _: Instant| -> Result<()> {
            let step = run.client(poll, job, index)?.start(poll, job, Instant::now())?;
            run.note(poll, job, index, step)
        };
        self.drive(job, &mut run, shape.warm, &mut next)?;
        run.done = 0;
        let (before, start) = (cpu()?, Instant::now());
        self.drive(job, &mut run, shape.measure, &mut next)?;
        Ok(run.outcome(start.elapsed(), cpu()?.saturating_sub(before)))
    }

    /// Requests are due at random moments, `rate` a second on average, whether or not earlier ones are answered:
    /// one that finds no free connection waits, and that wait counts. `aside` is done at each turn.
    pub(super) fn open(
        &mut self,
        job: &Job,
        shape: Shape,
        rate: f64,
        cpu: &dyn Fn() -> Result<Duration>,
        aside: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Outcome> {
        let mut run = Run::new(self, job, shape.connections)?;
        let mut idle: Vec<usize> = (0..shape.connections).collect();
        let mut due: VecDeque<Instant> = VecDeque::new();
        let mut arrivals = fastrand::Rng::with_seed(SEED);
        let begin = Instant::now();
        let (from, end) = (begin + shape.warm, begin + shape.warm + shape.measure);
        let (mut next_due, mut before) = (begin, None);
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            if before.is_none() && now >= from {
                (before, run.done) = (Some(cpu()?), 0);
            }
            while next_due <= now {
                due.push_back(next_due);
                next_due += Duration::from_secs_f64(-(1.0 - arrivals.f64()).ln() / rate);
            }
            while !due.is_empty()
                && let Some(index) = idle.pop()
                && let Some(at) = due.pop_front()
            {
                let step = run.client(&self.poll, job, index)?.start(&self.poll, job, at)?;
                run.note(&self.poll, job, index, step)?;
            }
            aside()?;
            // Never sleeps: a wake-up would be counted as the proxy's delay.
            self.step(job, &mut run, Duration::ZERO, &mut |run, _, index, at| {
                if at >= from {
                    run.latencies.push(at.elapsed());
                }
                idle.push(index);
                Ok(())
            })?;
        }
        let overdue = due.iter().copied().chain(run.clients.iter().filter(|c| !c.is_idle()).map(|c| c.due));
        let still: Vec<Duration> =
            overdue.filter(|&at| at >= from).map(|at| end.saturating_duration_since(at)).collect();
        run.latencies.extend(still);
        Ok(run.outcome(shape.measure, cpu()?.saturating_sub(before.unwrap_or_default())))
    }

    /// Opens connections that each have had one answer, and holds them while `look` looks at the proxy.
    pub(super) fn idle<T>(
        &mut self,
        job: &Job,
        connections: usize,
        look: &mut dyn FnMut() -> Result<T>,
    ) -> Result<(T, T, u64)> {
        let before = look()?;
        let mut run = Run::new(self, job, 0)?;
        while run.clients.len() < connections {
            let first = run.clients.len();
            for index in first..connections.min(first + BATCH) {
                let mut client = Client::connect(&self.poll, job, index as u64)?;
                client.start(&self.poll, job, Instant::now())?;
                run.clients.push(client);
            }
            let limit = Instant::now() + STALL;
            while run.clients[first..].iter().any(|client| !client.is_idle()) {
                if Instant::now() > limit {
                    bail!("connections {first} and on got no answer in {STALL:?}");
                }
                self.step(job, &mut run, Duration::from_millis(20), &mut |_, _, _, _| Ok(()))?;
            }
        }
        self.serve(Duration::from_secs(2))?;
        let after = look()?;
        Ok((before, after, run.errors))
    }

    /// Goes on until the time is over; fails when nothing is answered for long.
    fn drive(&mut self, job: &Job, run: &mut Run, time: Duration, next: &mut Next<'_>) -> Result<()> {
        let end = Instant::now() + time;
        let (mut seen, mut moved) = (run.done, Instant::now());
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if run.done != seen {
                (seen, moved) = (run.done, now);
            } else if now.duration_since(moved) > STALL {
                bail!("nothing answered in {STALL:?}");
            }
            self.step(job, run, (end - now).min(Duration::from_millis(100)), next)?;
        }
    }

    fn step(&mut self, job: &Job, run: &mut Run, at_most: Duration, next: &mut Next<'_>) -> Result<()> {
        self.turn(at_most, &mut |poll, token, buffer| {
            let Some(client) = run.clients.get_mut(token as usize) else { return Ok(()) };
            let due = client.due;
            match client.handle(poll, job, buffer)? {
                Step::Done => {
                    run.done += 1;
                    if job.fresh {
                        run.clients[token as usize] = Client::connect(poll, job, token)?;
                    }
                    next(run, poll, token as usize, due)
                }
                Step::Several(count) => {
                    run.done += count;
                    Ok(())
                }
                Step::Pending => Ok(()),
                wrong @ Step::Wrong(_) => {
                    run.note(poll, job, token as usize, wrong)?;
                    next(run, poll, token as usize, due)
                }
            }
        })
    }

    /// Waits once and handles what came; events of clients go to `client`.
    fn turn(&mut self, at_most: Duration, client: &mut OnEvent<'_>) -> Result<()> {
        self.poll.wait(&mut self.tokens, at_most)?;
        for index in 0..self.tokens.len() {
            let token = self.tokens[index];
            if token & BACKEND != 0 {
                self.backend.handle(&self.poll, token, &mut self.buffer)?;
            } else {
                client(&self.poll, token, &mut self.buffer)?;
            }
        }
        Ok(())
    }
}

type OnEvent<'a> = dyn FnMut(&Poll, u64, &mut [u8]) -> Result<()> + 'a;
/// Called when a client is free again, with its index and when its last request was due.
type Next<'a> = dyn FnMut(&mut Run, &Poll, usize, Instant) -> Result<()> + 'a;

/// The clients of a run and what they saw.
struct Run {
    clients: Vec<Client>,
    done: u64,
    errors: u64,
    first_error: Option<String>,
    latencies: Vec<Duration>,
}

impl Run {
    fn new(rig: &Rig, job: &Job, connections: usize) -> Result<Self> {
        let clients = (0..connections).map(|index| Client::connect(&rig.poll, job, index as u64));
        let clients = clients.collect::<Result<_>>()?;
        Ok(Self { clients, done: 0, errors: 0, first_error: None, latencies: Vec::new() })
    }

    fn client(&mut self, poll: &Poll, job: &Job, index: usize) -> Result<&mut Client> {
        if !self.clients[index].is_idle() {
            self.clients[index] = Client::connect(poll, job, index as u64)?;
        }
        Ok(&mut self.clients[index])
    }

    /// Counts an error and replaces the connection it happened on.
    fn note(&mut self, poll: &Poll, job: &Job, index: usize, step: Step) -> Result<()> {
        if let Step::Wrong(why) = step {
            self.errors += 1;
            self.first_error.get_or_insert(why);
            if self.errors > MOST_ERRORS {
                bail!("more than {MOST_ERRORS} errors, the first: {}", self.first_error.as_deref().unwrap_or("?"));
            }
            self.clients[index] = Client::connect(poll, job, index as u64)?;
        }
        Ok(())
    }

    fn outcome(self, elapsed: Duration, cpu: Duration) -> Outcome {
        let Self { done, errors, first_error, latencies, .. } = self;
        Outcome { done, elapsed, cpu, errors, first_error, latencies }
    }
}

/// The same arrivals for every proxy.
const SEED: u64 = 0x6d61_696e_7374_6179;
const STALL: Duration = Duration::from_secs(5);
const MOST_ERRORS: u64 = 100;
/// Connections opened before their answers are awaited; well under any backlog.
const BATCH: usize = 100;
