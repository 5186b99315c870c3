"""kazoo's half of a lock that it shares with Zoorum's library: whatever is wrong ends it with an error."""

import sys

from kazoo.client import KazooClient

PATIENCE = 20  # seconds
ROUNDS = 10

client = KazooClient(hosts=sys.argv[1], timeout=20)
client.start(timeout=PATIENCE)
client.create("/kazoo")
lock = client.Lock("/lock", "kazoo", extra_lock_patterns=["-lock-"])
for _ in range(ROUNDS):
    lock.acquire(timeout=PATIENCE)
    client.create("/inside", ephemeral=True)
    client.delete("/inside")
    lock.release()
client.stop()
