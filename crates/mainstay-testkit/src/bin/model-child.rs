//! A child that writes down when it runs. `--help` says how to start it.

fn main() -> std::process::ExitCode {
    mainstay_testkit::child::main()
}
