//! The demo on the terminal: a picture repainted in place, or plain lines where there is no terminal.

mod history;
mod line;
mod table;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

pub(super) use line::{Line, Style};
pub(super) use table::{summary, table};

use super::scene::{Half, Scene, State};
use history::{SLOT, Slot, bars, slots};

/// Draws on standard error.
pub(super) struct Picture {
    /// Lines of the last frame; the cursor stands below them. `None`: no terminal, nothing is painted.
    painted: Option<usize>,
}

impl Picture {
    /// Paints if standard error is a terminal that may be painted on.
    pub(super) fn new() -> Self {
        let paints = std::io::stderr().is_terminal()
            && ["NO_COLOR", "CI"].iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty()))
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if paints {
            emit(HIDE_CURSOR);
        }
        Self { painted: paints.then_some(0) }
    }

    /// Whether a picture is painted.
    pub(super) fn paints(&self) -> bool {
        self.painted.is_some()
    }

    /// Paints how things are now over the last frame.
    pub(super) fn paint(&mut self, scene: &Scene) {
        let Some(before) = self.painted else { return };
        let (width, height) = size();
        let mut lines = frame(scene, width);
        // What is higher than the terminal could not be painted over.
        lines.truncate(height.saturating_sub(1));
        let mut out = up(before);
        for line in &lines {
            out.push_str(&line.render(true, width.saturating_sub(1)));
            out.push_str("\x1b[K\r\n");
        }
        out.push_str("\x1b[J");
        emit(&out);
        self.painted = Some(lines.len());
    }

    /// Takes the last frame off, so that the verdict can stand in its place.
    pub(super) fn clear(&mut self) {
        if let Some(before) = self.painted {
            emit(&format!("{}\x1b[J", up(before)));
            self.painted = Some(0);
        }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        if self.paints() {
            emit(SHOW_CURSOR);
        }
    }
}

/// Whether results on standard output may have colours.
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn emit(text: &str) {
    let mut terminal = std::io::stderr().lock();
    // A terminal that went away takes the picture with it, not the demo.
    let _gone = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

fn up(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r") }
}

fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

fn frame(scene: &Scene, width: usize) -> Vec<Line> {
    let now = Instant::now();
    let count = width.saturating_sub(LEFT + 2).clamp(8, 60);
    let names = [scene.nodes[0].name, scene.nodes[1].name];
    let history = scene.book.look(|records| slots(records, names, now, count));
    let mut lines = vec![Line::new(), title(scene, now), Line::new()];
    lines.extend(nodes(scene, &history, width));
    lines.push(Line::new());
    lines.extend(curves(&history, full(scene.half)));
    lines.push(Line::new());
    lines.extend(table(scene));
    lines.push(Line::new());
    lines
}

fn title(scene: &Scene, now: Instant) -> Line {
    let seconds = now.saturating_duration_since(scene.begun).as_secs();
    Line::new()
        .put(Style::Accent, "  Mainstay")
        .put(Style::Plain, format!("  {}, {} requests/s, half of them writes", scene.half.cast(), scene.half.rate()))
        .put(Style::Dim, format!("   {seconds:>2} s"))
}

/// Clients, the front, and the two nodes behind it.
fn nodes(scene: &Scene, history: &[Slot], width: usize) -> Vec<Line> {
    let rate = per_second(history, |slot| slot.done);
    let clients = format!("  clients {rate:>3}/s ──▶ {:<16}", scene.front);
    let blank = " ".repeat(clients.chars().count());
    let room = width.saturating_sub(clients.chars().count() + NODE_TEXT + 1).min(NODE_BARS);
    let words = width.saturating_sub(clients.chars().count() + FORK + 1);
    let (style, word) = match &scene.lease {
        Some(held) if held.phase == READY => (Style::Good, held.to_string()),
        Some(held) => (Style::Warn, held.to_string()),
        None => (Style::Warn, word_of_the_front(scene, words)),
    };
    let node = |index: usize, lead: Line, corner: &str| {
        let player = &scene.nodes[index];
        let (style, mark) = state(player.state);
        let served = per_second(history, |slot| slot.by[index]);
        let marks = bars(history.iter().map(|slot| slot.by[index].into()), full(scene.half));
        let tail: String = marks.chars().skip(history.len().saturating_sub(room)).collect();
        lead.put(Style::Dim, corner)
            .put(Style::Bold, format!("node {} ", player.name))
            .put(style, format!("{mark} {:<10}", player.state.word()))
            .put(Style::Plain, format!("{served:>3}/s "))
            .put(Style::Good, tail)
    };
    vec![
        node(0, Line::new().put(Style::Plain, &blank), " ┌─▶ "),
        Line::new().put(Style::Plain, clients).put(Style::Dim, " ┤  ").put(style, word),
        node(1, Line::new().put(Style::Plain, &blank), " └─▶ "),
    ]
}

/// Why nodes are out. Without the room for all of it, what was checked is left out, and what came of it stays.
fn word_of_the_front(scene: &Scene, room: usize) -> String {
    let words = |short: bool| {
        let out = scene.nodes.iter().filter_map(|player| Some((player.name, player.out.as_deref()?)));
        let texts: Vec<String> = out
            .map(|(name, out)| {
                match out.split_once(": check ").and_then(|(is, check)| Some((is, check.split_once(": ")?))) {
                    Some((is, (_, why))) if short => format!("node {name} is {is}: {why}"),
                    _ => format!("node {name} is {out}"),
                }
            })
            .collect();
        texts.join(", ")
    };
    let whole = words(false);
    if whole.chars().count() <= room { whole } else { words(true) }
}

fn state(state: State) -> (Style, &'static str) {
    match state {
        State::Serving => (Style::Good, "●"),
        State::Killed => (Style::Bad, "✘"),
        State::Frozen => (Style::Bad, "◼"),
        State::Draining => (Style::Warn, "◐"),
        State::Starting => (Style::Warn, "◌"),
        State::Standby => (Style::Dim, "○"),
    }
}

fn curves(history: &[Slot], full: u128) -> Vec<Line> {
    let lost: u32 = history.iter().map(|slot| slot.lost).sum();
    let slowest = history.iter().map(|slot| slot.slowest).max().unwrap_or_default();
    let row = |name: &str, figure: String, style, marks: String| {
        Line::new().put(Style::Dim, format!("  {name:<14}{figure:>9}  ")).put(style, marks)
    };
    vec![
        row(
            "good answers",
            format!("{}/s", per_second(history, |slot| slot.done)),
            Style::Good,
            bars(history.iter().map(|slot| slot.done.into()), full),
        ),
        row("lost", lost.to_string(), Style::Bad, bars(history.iter().map(|slot| slot.lost.into()), LOST_FULL)),
        row(
            "waiting",
            history.last().map_or(0, |slot| slot.waiting).to_string(),
            Style::Accent,
            bars(history.iter().map(|slot| slot.waiting.into()), WAITING_FULL),
        ),
        row(
            "slowest",
            table::time(slowest),
            Style::Warn,
            bars(history.iter().map(|slot| slot.slowest.as_millis()), SLOWEST_FULL_MS),
        ),
    ]
}

/// How many answers fill a bar: those of a slot, with some room for what was held up.
fn full(half: Half) -> u128 {
    u128::from(half.rate()) * SLOT.as_millis() * 11 / 10_000
}

/// The rate over the last second.
fn per_second(history: &[Slot], count: impl Fn(&Slot) -> u32) -> u32 {
    // The newest slot is still filling up.
    history.iter().rev().skip(1).take(PER_SECOND).map(count).sum()
}

/// How often a frame is due.
pub(super) const FRAME: Duration = Duration::from_millis(100);
/// Columns left of the curves.
const LEFT: usize = 27;
/// Slots in a second.
const PER_SECOND: usize = 4;
const _: () = assert!(SLOT.as_millis() * PER_SECOND as u128 == 1000);
/// A lease's phase in which there is a leader.
const READY: &str = "ready";
/// Columns between the front and its words.
const FORK: usize = 4;
/// Columns of a node's text, and of its history at most.
const NODE_TEXT: usize = 31;
const NODE_BARS: usize = 24;
/// Values that fill a bar, per slot.
const LOST_FULL: u128 = 20;
const WAITING_FULL: u128 = 60;
const SLOWEST_FULL_MS: u128 = 300;
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
