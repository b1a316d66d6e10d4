//! The `roster` binary; everything is in the library.

/// Passes over very large accounts come and go; this allocator gives their memory back to the machine
/// (docs/decisions/0015).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    roster::cli::main()
}
