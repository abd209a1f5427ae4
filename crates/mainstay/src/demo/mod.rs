//! `mainstay demo`: the whole thing on this machine in under a minute, and the processes it is made of.

pub(crate) mod guarded;
mod leash;
pub mod load;
mod node;
mod picture;
mod scene;
mod script;
pub mod stage;
mod succession;
mod verdict;
mod watch;

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

pub use leash::{Args as LeashArgs, run as leash};
pub use node::{Args as NodeArgs, run as model_node};

use picture::Picture;
use scene::{Act, Half, Scene};
use script::Cast;
use stage::Mishap;
use succession::Succession;
use tokio::signal::unix::{SignalKind, signal};
use verdict::Verdict;
use watch::watch;

/// Options of `mainstay demo`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// Leave everything running until Ctrl-C, and say where to look.
    #[arg(long)]
    keep: bool,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

/// Plays the demo. Exit code 0: passed; 1: failed, interrupted or not possible here.
///
/// Must be called on the main thread: the demo's processes end with the thread that starts them.
pub fn run(args: Args) -> ExitCode {
    match play(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(mishap) => {
            eprintln!("mainstay demo: {mishap}");
            ExitCode::FAILURE
        }
    }
}

fn play(args: Args) -> Result<bool, Mishap> {
    let exe = std::env::current_exe().map_err(|error| Mishap::new("could not find this program", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Mishap::new("could not start a runtime", error))?;
    runtime.block_on(async {
        let (passed, left) = tokio::select! {
            played = perform(args, &exe) => played?,
            interrupted = interrupted() => return interrupted.map(|()| false),
        };
        if args.keep {
            left.where_to_look().iter().for_each(|text| eprint!("{text}"));
            interrupted().await?;
        }
        Ok(passed)
    })
}

/// Whoever is left when everything has been played. They end when this is dropped.
struct Left {
    cast: Option<Cast>,
    succession: Option<Succession>,
}

impl Left {
    fn where_to_look(&self) -> Vec<String> {
        let first = self.cast.as_ref().map(Cast::where_to_look);
        first.into_iter().chain(self.succession.as_ref().map(Succession::where_to_look)).collect()
    }
}

/// From the first process to the verdict. All processes end when this is dropped or its result is.
async fn perform(args: Args, exe: &Path) -> Result<(bool, Left), Mishap> {
    let begun = Instant::now();
    let (mut acts, cast, mut mishap) = first_half(args, exe).await?;
    // Who is not looked at any more would only be in the way.
    let mut left = Left { cast: Some(cast).filter(|_| args.keep), succession: None };
    if mishap.is_none() {
        let (played, succession, missed) = second_half(args, exe).await?;
        acts.extend(played);
        (left.succession, mishap) = (Some(succession), missed);
    } else {
        acts.extend(Half::Guarded.acts());
    }
    let verdict = Verdict::of(&acts, begun.elapsed(), mishap);
    report(args, &verdict)?;
    Ok((verdict.passed, left))
}

/// Two nodes that both serve.
async fn first_half(args: Args, exe: &Path) -> Result<(Vec<Act>, Cast, Option<Mishap>), Mishap> {
    let mut cast = Cast::assemble(exe, args.keep).await?;
    let mut picture = Picture::new();
    let load = cast.load()?;
    let scene = RefCell::new(cast.scene(load.book(), !picture.paints()));
    let admin = cast.admin();
    let played = enact(&mut picture, &scene, &admin, cast.play(&scene)).await;
    load.finish();
    cast.settle(&scene)?;
    picture.clear();
    drop(picture);
    Ok((tell(args, scene.into_inner()), cast, played.err()))
}

/// Two nodes, one of which holds a lease.
async fn second_half(args: Args, exe: &Path) -> Result<(Vec<Act>, Succession, Option<Mishap>), Mishap> {
    let mut succession = Succession::assemble(exe, args.keep).await?;
    let mut picture = Picture::new();
    let scene = RefCell::new(succession.scene(!picture.paints())?);
    let admin = succession.admin();
    let played = enact(&mut picture, &scene, &admin, succession.play(&scene)).await;
    succession.settle(&scene).await?;
    picture.clear();
    drop(picture);
    Ok((tell(args, scene.into_inner()), succession, played.err()))
}

/// Plays while whoever looks on is shown how it goes.
async fn enact(
    picture: &mut Picture,
    scene: &RefCell<Scene>,
    admin: &Path,
    playing: impl Future<Output = Result<(), Mishap>>,
) -> Result<(), Mishap> {
    tokio::select! {
        played = playing => played,
        () = repaint(picture, scene) => Ok(()),
        () = watch(admin, scene) => Ok(()),
    }
}

async fn repaint(picture: &mut Picture, scene: &RefCell<Scene>) {
    let mut frames = tokio::time::interval(picture::FRAME);
    loop {
        frames.tick().await;
        picture.paint(&scene.borrow());
    }
}

/// Prints how a half went, and gives its acts.
fn tell(args: Args, scene: Scene) -> Vec<Act> {
    if !args.json {
        println!();
        for line in picture::table(&scene) {
            println!("{}", line.render(picture::colours(), usize::MAX));
        }
    }
    scene.acts
}

fn report(args: Args, verdict: &Verdict) -> Result<(), Mishap> {
    if args.json {
        let text = serde_json::to_string_pretty(verdict);
        println!("{}", text.map_err(|error| Mishap::new("could not print the verdict", error))?);
        return Ok(());
    }
    println!();
    for line in picture::summary(verdict) {
        println!("{}", line.render(picture::colours(), usize::MAX));
    }
    println!();
    Ok(())
}

/// Returns when the demo is told to end; its processes end with it.
async fn interrupted() -> Result<(), Mishap> {
    let failed = |error| Mishap::new("could not wait for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
