"""A rate limiter: each source may send 10 packets at once, and 1000 a second."""

from bpfvm import XDP_DROP, XDP_PASS, Hash, bpf, ktime, pkt, struct, u32, u64

BURST, INTERVAL = 10, 1_000_000  # tokens, ns for one


@struct
class Bucket:
    tokens: u64
    filled: u64


buckets = Hash(u32, Bucket, 4096)


@bpf.xdp
def token_bucket(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    source = pkt.ip.src
    now = ktime()
    bucket = buckets.get(source)
    if bucket is None:
        buckets[source] = Bucket(tokens=BURST - 1, filled=now)
        return XDP_PASS
    earned = (now - bucket.filled) // INTERVAL
    if earned:
        bucket.tokens = min(bucket.tokens + earned, BURST)
        bucket.filled += earned * INTERVAL
    if not bucket.tokens:
        return XDP_DROP
    bucket.tokens -= 1
    return XDP_PASS
