//! A model of one Canton node, as a process. `--help` says how to start it.

fn main() -> std::process::ExitCode {
    mainstay_testkit::canton::main()
}
