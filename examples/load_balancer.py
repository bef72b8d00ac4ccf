"""A load balancer: connections to one address go to several servers in turn, which answer clients themselves.

Each server has the address on its loopback; what is sent to it is the frame with the server's MAC address.

bpfvm trace examples/load_balancer.py eth0 192.0.2.9:80 02:00:00:00:00:11 02:00:00:00:00:12

$ bpfvm trace --packet flows.pcap examples/load_balancer.py eth0 10.9.9.9:80 02:00:00:00:00:11 02:00:00:00:00:12
SERVER             FLOWS  PACKETS  BYTES
02:00:00:00:00:11      3        9    501
02:00:00:00:00:12      2        6    334
"""

import argparse
import ipaddress

from bpfvm import XDP_PASS, XDP_TX, Array, Hash, bpf, pkt, struct, u8, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("interface")
ap.add_argument("service", metavar="ADDRESS:PORT", help="what clients connect to, by TCP")
ap.add_argument("servers", nargs="+", metavar="MAC")
ap.add_argument("--mode", default="auto", choices=["auto", "native", "generic"])
ap.add_argument("--seconds", type=float, help="else until Ctrl-C")
args = ap.parse_args()
ADDRESS, PORT = int(ipaddress.IPv4Address(args.service.partition(":")[0])), int(args.service.partition(":")[2])


@struct
class Flow:
    address: u32
    port: u32


@struct
class Server:
    mac: u8[6]
    flows: u64
    packets: u64
    bytes: u64


macs = [bytes.fromhex(one.replace(":", "")) for one in args.servers]
servers = Array(Server, len(macs), contents=[Server(mac=one) for one in macs])
flows = Hash(Flow, u32, 1 << 16, lru=True)  # which server a client's connection has
turns = Array(u64, 1)


@bpf.xdp
def balance(ctx):
    eth, ip = pkt.eth, pkt.ip
    if not pkt.is_ip or ip.dst != ADDRESS or not ip.is_tcp or ip.offset or ip.tcp.dport != PORT:
        return XDP_PASS
    size = len(pkt)
    flow = Flow(address=ip.src, port=ip.tcp.sport)
    chosen = flows.get(flow)
    if chosen is None:
        chosen = bpf.fetch_add(turns, 0, 1) % len(macs)
        flows[flow] = chosen
        servers[chosen].flows += 1
    server = servers[chosen]
    eth.src = eth.dst
    eth.dst = server.mac
    servers[chosen].packets += 1
    servers[chosen].bytes += size
    return XDP_TX


if __name__ == "__main__":
    with balance.attach(args.interface, mode=args.mode):
        bpf.wait(args.seconds)
    rows = [(mac, one.flows, one.packets, one.bytes) for mac, one in zip(args.servers, servers.values(), strict=True)]
    print(bpf.table(rows, ["SERVER", "FLOWS", "PACKETS", "BYTES"]), end="")
