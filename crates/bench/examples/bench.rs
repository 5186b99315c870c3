//! The load generator by itself; `zoorum bench` is the same.

use clap::Parser;

#[derive(Parser)]
#[command(name = "bench", about)]
struct Arguments {
    #[command(flatten)]
    bench: zoorum_bench::BenchArgs,
}

fn main() -> anyhow::Result<()> {
    zoorum_bench::run(Arguments::parse().bench)
}
