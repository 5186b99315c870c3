//! One of several processes leads: `cargo run -p zoorum-client --example leader -- 127.0.0.1:2181 NAME`

use std::time::Duration;

use zoorum_client::Client;
use zoorum_client::recipes::LeaderSelector;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let servers = arguments.next().unwrap_or_else(|| "127.0.0.1:2181".to_owned());
    let name = arguments.next().unwrap_or_else(|| format!("process {}", std::process::id()));
    let client = Client::connect(&servers).await?;
    let selector = LeaderSelector::new(&client, "/leaders/example", &name);
    for term in 1..=3 {
        let led = selector.lead(async |token| {
            println!("{name} leads for the {term}. time, with fencing token {token}");
            // Stands for the work that only one may do at a time.
            tokio::time::sleep(Duration::from_millis(500)).await;
        });
        if led.await?.is_none() {
            println!("{name} lost the lead while it worked");
        }
    }
    client.close().await;
    Ok(())
}
