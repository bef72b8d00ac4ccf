"""A session that a client opened, its other end, and one by IPv6.

$ bpfvm trace --timeline examples/scripts/tcplife.py examples/tcplife.py
PID   COMM       LADDR           LPORT RADDR           RPORT TX_KB RX_KB MS
44    curl       2001:db8::1     40001 2001:db8::1     443       2     0 10.00
44    curl       127.0.0.1       40000 127.0.0.2       80        1    20 149.00
50    nginx      127.0.0.2       80    127.0.0.1       40000    20     1 150.00

$ bpfvm trace --timeline examples/scripts/tcplife.py examples/tcplife.py -t -w -D 443 -D 80
TIME(s)   PID   COMM             IP LADDR                      LPORT RADDR                      RPORT TX_KB RX_KB MS
0.000000  44    curl             6  2001:db8::1                40001 2001:db8::1                443       2     0 10.00
0.131000  44    curl             4  127.0.0.1                  40000 127.0.0.2                  80        1    20 149.00

$ bpfvm trace --timeline examples/scripts/tcplife.py examples/tcplife.py -s -p 50
PID,COMM,IP,LADDR,LPORT,RADDR,RPORT,TX_KB,RX_KB,MS
50,nginx,4,127.0.0.2,80,127.0.0.1,40000,20,1,150.00

$ bpfvm trace --timeline examples/scripts/tcplife.py examples/tcplife.py -T -L 40001
TIME     PID   COMM       LADDR           LPORT RADDR           RPORT TX_KB RX_KB MS
00:00:01 44    curl       2001:db8::1     40001 2001:db8::1     443       2     0 10.00

$ bpfvm trace --timeline examples/scripts/tcplife.py --object examples/c/tcplife.o
events: took=10000000 tx=2048 rx=0 pid=44 saddr=0 daddr=0 lport=40001 dport=443 comm=curl
events: took=149000000 tx=1025 rx=20480 pid=44 saddr=2130706433 daddr=2130706434 lport=40000 dport=80 comm=curl
events: took=150000000 tx=20480 rx=1025 pid=50 saddr=2130706434 daddr=2130706433 lport=80 dport=40000 comm=nginx
sessions (hash, 10240 entries)
.rodata (array, 1 entry; 1 that is 0 not shown)
events: 0 events were lost
"""

from bpfvm import vmlinux
from bpfvm.timeline import Task

CURL, SERVER, IDLE = Task(44, "curl"), Task(50, "nginx"), Task(0, "swapper/0")
SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT1, CLOSE, CLOSE_WAIT, LAST_ACK = 2, 3, 1, 4, 7, 8, 9


def end(family, lport, dport, received, acked, **addresses):
    """A socket of TCP; ports are in the order of the network."""
    lport, dport = ((port & 255) << 8 | port >> 8 for port in (lport, dport))
    common = {"skc_family": family, "skc_dport": dport, **addresses}
    made = vmlinux.new("tcp_sock", bytes_received=received, bytes_acked=acked)
    made.inet_conn.icsk_inet["inet_sport"] = lport
    made.inet_conn.icsk_inet.sk["sk_protocol"] = 6
    made.inet_conn.icsk_inet.sk["__sk_common"] = common
    return made.inet_conn.icsk_inet.sk


CLIENT = end(2, 40000, 80, 20480, 1025, skc_daddr=0x0200007F, skc_rcv_saddr=0x0100007F)
OTHER = end(2, 80, 40000, 1025, 20480, skc_daddr=0x0100007F, skc_rcv_saddr=0x0200007F)
SIX = {"in6_u": {"u6_addr8": bytes.fromhex("20010db8" + "0" * 23 + "1")}}
WIDE = end(10, 40001, 443, 0, 2048, skc_v6_daddr=SIX, skc_v6_rcv_saddr=SIX)


def script(timeline):
    def becomes(time, sk, state, by):
        timeline.at(time, "inet_sock_set_state", sk=sk, newstate=state, by=by)

    becomes("1s", CLIENT, SYN_SENT, CURL)
    becomes("1001ms", OTHER, SYN_RECV, IDLE)
    becomes("1002ms", CLIENT, ESTABLISHED, IDLE)
    becomes("1002ms", OTHER, ESTABLISHED, IDLE)
    becomes("1010ms", WIDE, SYN_SENT, CURL)
    becomes("1020ms", WIDE, CLOSE, CURL)
    becomes("1100ms", CLIENT, FIN_WAIT1, CURL)
    becomes("1101ms", OTHER, CLOSE_WAIT, IDLE)
    becomes("1150ms", OTHER, LAST_ACK, SERVER)
    becomes("1151ms", CLIENT, CLOSE, IDLE)
    becomes("1152ms", OTHER, CLOSE, IDLE)
