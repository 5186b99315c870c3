//! A lock whose holder does no harm, whatever happens:
//! `cargo run -p zoorum-client --example lock -- 127.0.0.1:2181`, in several terminals at the same time.

use std::time::Duration;

use zoorum_client::recipes::{Held, Lock};
use zoorum_client::{Client, CreateMode, ErrorCode, Multi, Result, Version};

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let servers = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2181".to_owned());
    let client = Client::builder(&servers).session_timeout(Duration::from_secs(10)).connect().await?;
    match client.create("/account", b"0", CreateMode::Persistent).await {
        Err(error) if !error.is(ErrorCode::NodeExists) => return Err(error.into()),
        _ => {}
    }

    let lock = Lock::new(&client, "/locks/account").identity("the example");
    for _ in 0..10 {
        let held = lock.acquire().await?;
        tokio::select! {
            // Without a connection nobody knows whether we still hold it: better to stop than to go on.
            () = held.doubtful() => eprintln!("in doubt: the deposit is given up"),
            balance = deposit(&client, &held) => println!("{} deposits are made", balance?),
        }
        held.release().await?;
    }
    client.close().await;
    Ok(())
}

/// Takes effect only as long as the lock is held. That is certain for what is kept in ZooKeeper itself: the change
/// and the proof that our znode in the lock's line still exists are one multi. Whatever else a lock protects must
/// be given `held.fencing_token()`, and refuse tokens smaller than it has seen.
async fn deposit(client: &Client, held: &Held) -> Result<u64> {
    let node = client.get("/account").await?;
    let balance = String::from_utf8_lossy(&node.data).parse::<u64>().unwrap_or(0) + 1;
    let change = Multi::new().check(&held.path(), Version::ANY).set(
        "/account",
        balance.to_string(),
        node.stat.version,
    );
    client.multi(change).await?;
    Ok(balance)
}
