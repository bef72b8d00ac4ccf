"""A switch's table: the sender's address is learned with its port, the receiver's is looked up."""

from bpfvm import XDP_DROP, XDP_PASS, XDP_TX, Array, Hash, bpf, pkt, struct, u8, u16, u32, u64

ETH_VLAN = 0x8100
KNOWN, SAME_PORT, FLOODED = 0, 1, 2


@struct
class Station:
    mac: u8[6]
    vlan: u16


@struct
class Place:
    port: u32
    moves: u32


stations = Hash(Station, Place, 1024)
answers = Array(u64, 3)


@bpf.xdp
def mac_learn(ctx):
    eth = pkt.eth
    port = ctx.ingress_ifindex
    vlan = 0
    if eth.type == ETH_VLAN:
        vlan = pkt.vlan.vid
        port = u32(port * 8 + (vlan & 7))
    sender = Station(mac=eth.src, vlan=vlan)
    place = stations.get(sender)
    if place is None:
        stations[sender] = Place(port=port)
    elif place.port != port:
        place.port = port
        place.moves += 1
    if eth.dst[0] & 1:
        answers[FLOODED] += 1
        return XDP_PASS
    place = stations.get(Station(mac=eth.dst, vlan=vlan))
    if place is None:
        answers[FLOODED] += 1
        return XDP_PASS
    if place.port == port:
        answers[SAME_PORT] += 1
        return XDP_DROP
    answers[KNOWN] += 1
    return XDP_TX
