"""What a control group may not send: TCP and UDP to listed ports. Its bytes are counted by protocol."""

from bpfvm import Array, Counter, bpf, pkt, u32, u64

TCP, UDP = 6, 17

denied = Counter(u32, max_entries=256)
volume = Array(u64, 256, percpu=True)


@bpf.cgroup_skb("egress")
def egress_ports(skb):
    if not pkt.is_ip:
        return 1
    ip = pkt.ip
    volume[ip.proto] += skb.len
    if ip.proto not in (TCP, UDP):
        return 1
    port = ip.proto << 16 | ip.udp.dport
    if port not in denied:
        return 1
    denied[port] += 1
    return 0
