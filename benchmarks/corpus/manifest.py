"""The table of the corpus: a row for each program. What a row says holds of both halves, and is tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.corpus.frames import address, station
from bpfvm.core.machine import Entries

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Row:
    """One program: its first function, or the one that all others are behind.

    name: of the files python/NAME.py and c/NAME.c. functions: those of both files, the one that runs first.
    type, section: of the first function. maps: "name type key-size value-size entries", sizes in bytes.
    inputs: kinds of made frames. arguments: of a function of numbers instead, bits of each. Rows without either only
    compile, and load where this machine lets them.
    contents: of maps to begin with. fields: of the context, in every run. clock: it reads the time, which the kernel
    does not take from an input.
    """

    name: str
    group: str
    type: str
    section: str
    maps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    arguments: tuple[int, ...] = ()
    functions: tuple[str, ...] = ()
    contents: Mapping[str, Entries] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)
    clock: bool = False

    @property
    def entry(self) -> str:
        """The function that is run."""
        return self.functions[0] if self.functions else self.name

    @property
    def python(self) -> Path:
        return FOLDER / "python" / f"{self.name}.py"

    @property
    def c(self) -> Path:
        return FOLDER / "c" / f"{self.name}.c"

    @property
    def object(self) -> Path:
        """What clang made of the C half."""
        return self.c.with_suffix(".o")


def u16(number: int) -> bytes:
    return number.to_bytes(2, "little")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def be(number: int, size: int) -> bytes:
    return number.to_bytes(size, "big")


def ip(text: str) -> bytes:
    """An address in the order of the packet."""
    return be(address(text), 4)


def host(text: str) -> bytes:
    """An address as a u32 of the machine."""
    return u32(address(text))


def flow(src: str, dst: str, sport: int, dport: int, proto: int) -> bytes:
    return ip(src) + ip(dst) + be(sport, 2) + be(dport, 2) + u32(proto)


def prefix(text: str, bits: int) -> bytes:
    return u32(bits) + ip(text)


def hashed(name: bytes) -> bytes:
    """FNV-1a of 32 bits."""
    found = 2166136261
    for letter in name:
        found = (found ^ letter) * 16777619 & 0xFFFFFFFF
    return u32(found)


def xdp(name: str, group: str, inputs: str, maps: str, **more: object) -> Row:
    """A row of an XDP program; inputs and maps as texts, maps divided by commas."""
    return of("xdp", "xdp", name, group, inputs, maps, **more)


def of(type: str, section: str, name: str, group: str, inputs: str, maps: str, **more: object) -> Row:
    declared = tuple(" ".join(one.split()) for one in maps.split(",")) if maps else ()
    return Row(name, group, type, section, declared, tuple(inputs.split()), **more)  # type: ignore[arg-type]


def numbers(name: str, *bits: int) -> Row:
    """A row of a function of numbers."""
    return Row(name, "arithmetic", "syscall", "syscall", arguments=bits)


def tracing(name: str, type: str, section: str, maps: str, *functions: str) -> Row:
    """A row of a tracer's kernel half."""
    return of(type, section, name, "tracing", "", maps, functions=functions)


SERVERS: Entries = [
    (u32(slot), ip(f"10.1.0.{slot % 5 + 1}") + station(slot) + u16(1) if slot % 7 else bytes(12)) for slot in range(64)
]
ADS, TRACKER = b"\x03ads\x07example\x03com", b"\x07tracker\x04test"

ROWS: tuple[Row, ...] = (
    xdp("proto_count", "counters", "mixed link cut", "hits array 4 8 256"),
    xdp("source_count", "counters", "mixed link cut", "sources hash 4 8 4096"),
    xdp("proto_bytes", "counters", "mixed link cut", "volume percpu_array 4 8 256"),
    xdp("flow_stats", "counters", "mixed tcp udp cut", "flows hash 16 24 4096"),
    xdp("size_histogram", "counters", "mixed link udp ipv6", "sizes array 4 8 16, sizes6 array 4 8 16"),
    xdp("vlan_count", "parsers", "vlan link", "vlans hash 2 8 4096"),
    xdp("ipv6_ext", "parsers", "ipv6 link", "carried array 4 8 256"),
    xdp("gre_inner", "parsers", "tunnels mixed", "inner hash 2 8 1024, keys hash 4 8 1024"),
    xdp("vxlan_count", "parsers", "tunnels udp", "networks hash 4 16 1024"),
    xdp("arp_watch", "parsers", "arp link", "operations array 4 8 16, claims hash 4 6 1024"),
    xdp("dns_block", "parsers", "dns udp cut", "blocked hash 4 8 1024, asked hash 2 8 256", contents={
        "blocked": [(hashed(ADS), u64(0)), (hashed(TRACKER), u64(0))]}),
    xdp("http_guard", "parsers", "http tcp cut", "methods hash 4 8 64"),
    xdp("allow_list", "firewalls", "tcp udp icmp link cut", "allowed hash 16 8 1024", contents={
        "allowed": [(flow("10.0.0.1", "10.0.0.2", 7000, 9000, 17), u64(0)),
                    (flow("10.0.9.9", "10.0.0.2", 3007, 80, 6), u64(0)),
                    (flow("10.0.0.1", "10.0.0.2", 2001, 80, 6), u64(5))]}),
    xdp("cidr_block", "firewalls", "mixed link", "networks lpm_trie 8 4 1024, verdicts array 4 8 4", contents={
        "networks": [(prefix("10.0.0.0", 16), u32(2)), (prefix("10.0.1.0", 24), u32(1)),
                     (prefix("10.0.1.9", 32), u32(2)), (prefix("192.0.2.0", 24), u32(3)),
                     (prefix("172.16.0.0", 12), u32(9))]}),
    xdp("port_ranges", "firewalls", "tcp udp cut", "ranges array 4 4 8, dropped array 4 8 8", contents={
        "ranges": [(u32(at), u16(first) + u16(last)) for at, (first, last) in
                   enumerate(((135, 139), (445, 445), (6000, 6063), (22, 25)))]}),
    xdp("tcp_flags", "firewalls", "tcp mixed cut", "reasons array 4 8 8"),
    xdp("syn_only", "firewalls", "tcp mixed cut", "services hash 2 8 256", contents={
        "services": [(u16(80), u64(0)), (u16(443), u64(0))]}),
    xdp("syn_flood", "firewalls", "tcp cut", "scores lru_hash 4 8 1024"),
    xdp("icmp_limit", "firewalls", "icmp mixed", "types array 4 8 256, pings lru_hash 4 8 1024"),
    xdp("token_bucket", "firewalls", "tcp icmp", "buckets hash 4 16 4096", clock=True),
    xdp("first_seen", "firewalls", "mixed tcp", "known bloom_filter 0 4 4096, fresh queue 0 4 1024"),
    xdp("balancer", "rewriting", "tcp mixed cut", "servers array 4 12 64, sent array 4 8 64",
        contents={"servers": SERVERS}),
    xdp("snat", "rewriting", "udp tcp icmp cut", "outside hash 4 4 256", contents={
        "outside": [(host("10.0.0.1"), host("198.51.100.1")), (host("10.0.9.9"), host("198.51.100.9")),
                    (host("10.0.2.3"), host("0.0.0.0"))]}),
    xdp("dnat", "rewriting", "udp tcp cut", "services hash 8 8 256, translated percpu_array 4 8 1", contents={
        "services": [(ip("10.0.0.100") + be(80, 2) + u16(6), ip("10.1.0.1") + be(8080, 2) + u16(6)),
                     (ip("10.0.0.100") + be(53, 2) + u16(17), ip("10.1.0.2") + be(5353, 2) + u16(17)),
                     (ip("10.0.0.2") + be(443, 2) + u16(6), ip("10.0.0.2") + be(444, 2) + u16(6))]}),
    xdp("ttl_router", "rewriting", "mixed link cut", "expired array 4 8 1"),
    xdp("hops_router", "rewriting", "ipv6 link", "routes lpm_trie 12 4 256, taken hash 4 8 256", contents={
        "routes": [(u32(32) + bytes.fromhex("20010db800000000"), u32(3)),
                   (u32(63) + bytes.fromhex("20010db800000002"), u32(4)),
                   (u32(64) + bytes.fromhex("20010db800000003"), u32(5))]}),
    xdp("vlan_rewrite", "rewriting", "vlan link", "numbers hash 2 2 256", contents={
        "numbers": [(u16(7), u16(70)), (u16(1), u16(0)), (u16(100), u16(0x1FFF)), (u16(20), u16(21))]}),
    xdp("vlan_pop", "rewriting", "vlan link", "vlans array 4 8 4096"),
    xdp("ecn_mark", "rewriting", "mixed udp cut", "full array 4 4 4", contents={
        "full": [(u32(0), u32(1)), (u32(2), u32(7)), (u32(3), u32(1))]}),
    xdp("ping_reply", "rewriting", "icmp mixed cut", "answered hash 4 8 1024"),
    xdp("sampler", "events", "mixed tcp cut", "seen array 4 8 1, samples ringbuf 0 0 262144"),
    xdp("mac_learn", "tables", "link vlan mixed arp", "stations hash 8 8 1024, answers array 4 8 3"),
    xdp("tenants", "tables", "vlan link",
        "tenants array_of_maps 4 4 4096, red hash 4 4 64, blue hash 4 4 64, strangers hash 2 8 4096",
        functions=("tenants_of",),
        contents={"red": [(host("10.0.1.4"), u32(1)), (host("10.0.1.3"), u32(1))],
                  "blue": [(host("10.0.1.3"), u32(1)), (host("10.0.1.1"), u32(0)), (host("10.0.1.6"), u32(1))]}),
    xdp("dispatcher", "tables", "mixed tcp icmp", "stages prog_array 4 4 32, ports hash 4 8 4096, missed array 4 8 256",
        functions=("dispatcher", "tcp_stage", "udp_stage", "icmp_stage"),
        contents={"stages": [(u32(1), b"icmp_stage"), (u32(6), b"tcp_stage"), (u32(17), b"udp_stage")]}),
    of("sched_cls", "tc", "tc_flow_bytes", "counters", "mixed udp link", "volume percpu_hash 12 8 4096"),
    of("sched_cls", "tc", "dscp_remark", "rewriting", "udp tcp link", "classes hash 2 1 256", contents={
        "classes": [(u16(53), b"\x2e"), (u16(22), b"\x10"), (u16(443), b"\x00"), (u16(9000), b"\x0a")]}),
    of("sched_cls", "tc", "tc_mark", "rewriting", "udp tcp dns link", "marked array 4 8 8"),
    of("sched_cls", "tc", "tc_vlan_push", "rewriting", "mixed vlan link", "members hash 6 2 256, pushed hash 2 8 256",
       contents={"members": [(station(1), u16(7)), (station(2), u16(4095)), (station(4), u16(7))]}),
    of("sched_cls", "tc", "tc_perf_sample", "events", "mixed tcp", "changes perf_event_array 4 4 0"),
    of("socket_filter", "socket", "sock_proto", "counters", "mixed link cut", "hits array 4 8 256"),
    of("socket_filter", "socket", "sock_arp", "counters", "arp link vlan",
       "operations hash 2 8 64, others percpu_array 4 8 1"),
    of("socket_filter", "socket", "sock_dns", "parsers", "dns udp cut", "qtypes array 4 8 256"),
    of("socket_filter", "socket", "sock_http", "parsers", "http tcp cut", "methods hash 4 8 64",
       fields={"ingress_ifindex": 1}),
    of("socket_filter", "socket", "tls_names", "parsers", "tls http cut", "names hash 4 8 1024"),
    of("cgroup_skb", "cgroup_skb/egress", "egress_ports", "firewalls", "udp tcp dns icmp ipv6",
       "denied hash 4 8 256, volume percpu_array 4 8 256", contents={
           "denied": [(u32(17 << 16 | 53), u64(0)), (u32(6 << 16 | 139), u64(0)), (u32(6 << 16 | 80), u64(0))]}),
    of("cgroup_skb", "cgroup_skb/ingress", "ingress_quota", "firewalls", "ipv6 tcp udp icmp",
       "received lru_hash 16 8 4096"),
    numbers("crc32", 64, 32),
    numbers("siphash", 64, 64, 64),
    numbers("jhash", 32, 32, 32, 32),
    numbers("isqrt", 64),
    numbers("gcd", 32, 32),
    numbers("popcount", 64, 64),
    numbers("sort8", 64),
    numbers("xorshift", 64, 32),
    numbers("ewma", 32, 32, 32),
    numbers("base64", 32),
    numbers("calendar", 32),
    numbers("modpow", 32, 32, 32),
    tracing("opensnoop", "tracepoint", "tracepoint/syscalls/sys_enter_open",
            "inflight hash 4 16 10240, events ringbuf 0 0 1048576",
            "sys_open", "sys_openat", "sys_open_exit", "sys_openat_exit"),
    tracing("execsnoop", "tracepoint", "tracepoint/syscalls/sys_enter_execve", "events ringbuf 0 0 1048576",
            "enter", "leave"),
    tracing("runqlat", "tracing", "tp_btf/sched_wakeup", "start hash 4 8 16384, dist array 4 8 26",
            "wakeup", "wakeup_new", "switched"),
    tracing("biolatency", "tracing", "tp_btf/block_rq_issue", "start hash 8 8 10240, dist array 4 8 64",
            "issue", "complete"),
    tracing("tcpconnlat", "tracing", "fentry/tcp_v4_connect", "start hash 8 32 4096, events ringbuf 0 0 262144",
            "connect4", "connect6", "established"),
    tracing("offcputime", "kprobe", "kprobe/finish_task_switch*",
            "start hash 4 8 10240, counts hash 28 8 10240, stacks stack_trace 4 1016 1024", "oncpu"),
    tracing("memleak", "kprobe", "uprobe/c:malloc",
            "sizes hash 4 8 10240, allocs hash 8 24 1000000, totals hash 4 16 10240, "
            "stacks stack_trace 4 1016 10240", "malloc_enter", "malloc_exit", "free_enter"),
)  # fmt: skip
