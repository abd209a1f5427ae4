//! `mainstay demo`: the whole thing on this machine in under a minute, and the processes it is made of.

mod leash;
pub mod load;
mod node;
mod picture;
mod scene;
mod script;
pub mod stage;
mod verdict;
mod watch;

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;

pub use leash::{Args as LeashArgs, run as leash};
pub use node::{Args as NodeArgs, run as model_node};

use picture::Picture;
use scene::Scene;
use script::Cast;
use stage::Mishap;
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
        let (passed, cast) = tokio::select! {
            played = perform(args, &exe) => played?,
            interrupted = interrupted() => return interrupted.map(|()| false),
        };
        if args.keep {
            eprint!("{}", cast.where_to_look());
            interrupted().await?;
        }
        Ok(passed)
    })
}

/// From the first process to the verdict. All processes end when this is dropped or its result is.
async fn perform(args: Args, exe: &Path) -> Result<(bool, Cast), Mishap> {
    let mut cast = Cast::assemble(exe, args.keep).await?;
    let mut picture = Picture::new();
    let load = cast.load()?;
    let scene = RefCell::new(cast.scene(load.book(), !picture.paints()));
    let admin = cast.admin();
    let played = tokio::select! {
        played = cast.play(&scene) => played,
        () = repaint(&mut picture, &scene) => Ok(()),
        () = watch(&admin, &scene) => Ok(()),
    };
    load.finish();
    cast.settle(&scene)?;
    picture.clear();
    drop(picture);
    let scene = scene.into_inner();
    let verdict = Verdict::of(&scene.acts, scene.begun.elapsed(), played.err());
    report(args, &scene, &verdict)?;
    Ok((verdict.passed, cast))
}

async fn repaint(picture: &mut Picture, scene: &RefCell<Scene>) {
    let mut frames = tokio::time::interval(picture::FRAME);
    loop {
        frames.tick().await;
        picture.paint(&scene.borrow());
    }
}

fn report(args: Args, scene: &Scene, verdict: &Verdict) -> Result<(), Mishap> {
    if args.json {
        let text = serde_json::to_string_pretty(verdict);
        println!("{}", text.map_err(|error| Mishap::new("could not print the verdict", error))?);
        return Ok(());
    }
    println!();
    for line in picture::table(scene) {
        println!("{}", line.render(picture::colours(), usize::MAX));
    }
    println!("\n{}\n", picture::summary(verdict).render(picture::colours(), usize::MAX));
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
