"""Sources that were never seen before are queued for user space; a Bloom filter remembers those that were."""

from bpfvm import XDP_PASS, Bloom, Queue, bpf, pkt, u32

known = Bloom(u32, 4096)
fresh = Queue(u32, 1024)


@bpf.xdp
def first_seen(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    source = pkt.ip.src
    if source not in known:
        known.add(source)
        fresh.push(source)
    return XDP_PASS
