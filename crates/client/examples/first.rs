//! The first steps: `cargo run -p zoorum-client --example first -- 127.0.0.1:2181`

use zoorum_client::{Client, CreateMode, ErrorCode, Multi, Version};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2181".to_owned());
    let client = Client::connect(&servers).await?;
    println!("{client:?}");

    let created = client.create("/first-", b"hello", CreateMode::EphemeralSequential).await?;
    let path = created.path;
    let node = client.get(&path).await?;
    println!("{path} says {:?} in version {}", node.data, node.stat.version.0);

    // Only whoever has seen the newest version may set the next.
    client.set(&path, b"good bye", node.stat.version).await?;
    match client.set(&path, b"too late", node.stat.version).await {
        Err(error) if error.is(ErrorCode::BadVersion) => println!("{error}"),
        other => drop(other?),
    }

    // Requests leave when they are made: these are all under way before the first reply is awaited.
    let reads: Vec<_> = (0..100).map(|_| client.get(&path)).collect();
    for read in reads {
        read.await?;
    }

    // All of these or none.
    let multi = Multi::new().check(&path, Version(1)).set(&path, b"", Version(1)).delete(&path, Version::ANY);
    println!("{:?}", client.multi(multi).await?);
    client.close().await;
    Ok(())
}
