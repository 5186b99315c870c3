//! Tells what happens below a znode: `cargo run -p zoorum-client --example watch -- 127.0.0.1:2181 /path`

use zoorum_client::{Change, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let servers = arguments.next().unwrap_or_else(|| "127.0.0.1:2181".to_owned());
    let path = arguments.next().unwrap_or_else(|| "/".to_owned());
    let client = Client::connect(&servers).await?;
    let mut states = client.states();
    let mut watch = client.watch_recursive(&path).await?;
    loop {
        tokio::select! {
            change = watch.next() => match change {
                Some(Change::Event(event)) => println!("{} {:?} by {}", event.path, event.kind, event.zxid),
                Some(Change::Missed) => println!("changes may have been missed: look again"),
                None => return Ok(()),
            },
            Some(state) = states.next() => println!("{state:?}"),
        }
    }
}
