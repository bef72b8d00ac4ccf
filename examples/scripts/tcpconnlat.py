"""A connection by IPv4, and one by IPv6.

$ bpfvm trace --timeline examples/scripts/tcpconnlat.py examples/tcpconnlat.py
PID     COMM         SADDR                    DADDR                    DPORT LAT(ms)
44      curl         127.0.0.1                127.0.0.2                80    1.50
44      curl         ::                       2001:db8::1              443   1.60
"""

from bpfvm import vmlinux
from bpfvm.timeline import Task

CURL, IDLE = Task(44, "curl"), Task(0, "swapper/0")
SYN_SENT = vmlinux.enum.TCP_SYN_SENT
FOUR = {"skc_family": 2, "skc_dport": 0x5000, "skc_daddr": 0x0200007F, "skc_rcv_saddr": 0x0100007F}
SIX = {
    "skc_family": 10,
    "skc_dport": 0xBB01,
    "skc_v6_daddr": {"in6_u": {"u6_addr8": bytes.fromhex("20010db8" + "0" * 23 + "1")}},
}


def script(timeline):
    four, six = (vmlinux.new("sock", __sk_common={**one, "skc_state": SYN_SENT}) for one in (FOUR, SIX))
    timeline.at(0, "tcp_v4_connect", four, by=CURL)
    timeline.at(0, "tcp_v6_connect", six, by=CURL)
    timeline.at("1500us", "tcp_rcv_state_process", four, by=IDLE)  # the answer comes in whatever task runs
    timeline.at("1600us", "tcp_rcv_state_process", six, by=IDLE)
