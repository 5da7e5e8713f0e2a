//! What a person repeats.
fn main() {}
