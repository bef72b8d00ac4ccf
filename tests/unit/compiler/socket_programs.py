"""Programs that store sockets in maps and look them up there; kernel_tests/maps/test_sockets.py has real ones."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, Hash, SockHash, SockMap, be32, bpf, pkt, s64, u32, u64

socks = SockMap(4, name="socks")
ports = SockHash(u32, 16, name="ports")
passed = Array(u64, 1, name="passed")
answers = Hash(u32, s64, 512, name="answers")
small_map = SockMap(2, name="small_map")
small_hash = SockHash(u32, 2, name="small_hash")
order = Hash(u32, u32, 64, name="order")
ACTIVE, PASSIVE, CLOSED = 4, 5, 3  # BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, ..._PASSIVE_ESTABLISHED_CB, TCP_CONNECT_CB


@bpf.sock_ops
def stored(ops: Any) -> int:
    """Each end of a connection goes under its own port."""
    if ops.op == ACTIVE or ops.op == PASSIVE:
        ports[ops.local_port] = ops
    return 1


@bpf.sock_ops
def removed(ops: Any) -> int:
    """A store and a deletion, each with its fault."""
    if ops.op == CLOSED:
        del socks[ops.local_port]
        return 0
    socks[ops.local_port] = ops
    return 1


@bpf.sk_msg
def across(msg: Any) -> int:
    """What one end sends is there at once for who reads from the other."""
    action = ports.redirect(be32(msg.remote_port), ingress=True)
    passed[0] += msg.size * action
    return action


@bpf.sock_ops
def asked(ops: Any) -> int:
    """The answers of the helpers at every event, by their flags and places."""
    turn = order.get(0, 0) & 31
    order[0] = turn + 1
    order[turn + 1] = ops.op
    base = turn * 16
    answers[base] = bpf.helper.sock_map_update(ops, small_map, 0, 0)
    answers[base + 1] = bpf.helper.sock_map_update(ops, small_map, 0, 1)
    answers[base + 2] = bpf.helper.sock_map_update(ops, small_map, 0, 2)
    answers[base + 3] = bpf.helper.sock_map_update(ops, small_map, 7, 0)
    answers[base + 4] = bpf.helper.sock_map_update(ops, small_map, 7, 3)
    answers[base + 5] = bpf.helper.sock_map_update(ops, small_map, 1, 2)
    answers[base + 6] = bpf.helper.sock_hash_update(ops, small_hash, 0, 0)
    answers[base + 7] = bpf.helper.sock_hash_update(ops, small_hash, 0, 1)
    answers[base + 8] = bpf.helper.sock_hash_update(ops, small_hash, 0, 3)
    answers[base + 9] = bpf.helper.sock_hash_update(ops, small_hash, 5, 2)
    answers[base + 10] = bpf.helper.sock_hash_update(ops, small_hash, 1, 1)
    answers[base + 11] = bpf.helper.sock_hash_update(ops, small_hash, 2, 0)
    answers[base + 12] = bpf.helper.sock_hash_update(ops, small_hash, 2, 2)
    return 1


@bpf.sk_lookup
def chosen(ctx: Any) -> int:
    """The socket of a map gets the packet."""
    s = socks.get(ctx.local_port & 3)
    if s is None:
        return 1
    failed = bpf.helper.sk_assign(ctx, s, 0)
    s.release()
    return int(failed == 0)


@bpf.tc
def looked(skb: Any) -> int:
    """What is there, and what is said of it; 100 // n faults where a socket is held."""
    kind = pkt.eth.type & 7
    if kind == 0:
        s = socks[skb.len & 3]
        n = s.bound_dev_if + 100 // (skb.mark & 1)
        s.release()
        return int(n & 127)
    if kind == 1:
        return 10 + int(1 in socks) + 2 * int(skb.len not in ports)
    one, other = socks.get(1), ports.get(skb.len)
    total = 20
    if one is not None:
        total += int(one.priority & 1) + 1
        one.release()
    if other:
        other.release()
        total += 2
    return total


@bpf.cgroup_skb
def counted(skb: Any) -> int:
    """Looked up on each turn, and given back."""
    seen = 0
    for at in range(4):
        s = socks.get(at)
        if s is None:
            continue
        seen += 1
        s.release()
    return int(seen > skb.mark)


@bpf.xdp
def through(ctx: Any) -> int:
    """A function of its own holds a socket, and gives it back."""
    return 1 + int(_there(len(pkt) & 3))


def _there(at: u32) -> bool:
    s = socks.get(at)
    if s is None:
        return False
    found = bool(s.mark == 0)
    s.release()
    return found


@bpf.tc
def described(skb: Any) -> int:
    """What the kernel says of a socket; emulators know nothing of one."""
    s = socks[1]
    said = s.family * 10000 + s.type * 1000 + s.protocol * 10 + s.state
    port = s.src_port
    s.release()
    return int(said) if skb.mark else port
