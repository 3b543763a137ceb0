mod log;
mod panic;
