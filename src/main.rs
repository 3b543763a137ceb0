//! The program; everything it does is in the library.

/// Gives memory back after many clients have left, which the system's allocator does not.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    sockgate::cli::main()
}
