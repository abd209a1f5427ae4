//! A model of one Tessera instance, as a process. `--help` says how to start it.

fn main() -> std::process::ExitCode {
    mainstay_testkit::tessera::main()
}
