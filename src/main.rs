//! The `roster` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    roster::cli::main()
}
