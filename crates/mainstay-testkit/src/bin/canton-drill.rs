//! Load on a Ledger API, a stroke at its active replica, and a verdict. `--help` says how it is used.

fn main() -> std::process::ExitCode {
    mainstay_testkit::canton::load::main()
}
