"""Three tests that need no root: one by the fixture, one on every machine, one of random packets."""

from firewall import no_udp, seen, share
from hypothesis import given, settings

from bpfvm.testing import strategies
from bpfvm.testing.frames import ethernet, ipv4, tcp, udp


def test_udp_is_dropped_and_counted(bpf):
    running = bpf(no_udp)
    assert running.run(ethernet(ipv4(udp(dport=53)))).action == "XDP_DROP"
    assert running.run(ethernet(ipv4(tcp(dport=80)))).action == "XDP_PASS"
    assert {key: count for key, count in running.maps["seen"].items() if count} == {6: 1, 17: 1}


@settings(max_examples=50, deadline=None)
@given(packet=strategies.packets(), before=strategies.map_states(seen))
def test_all_machines_agree_on_any_packet(packet, before):
    outcome = no_udp.check(packet, maps={"seen": before})
    assert len(outcome.engines) >= 3


def test_a_share_of_nothing_is_a_fault():
    assert share.check(3, 4).value == 75
    fault = share.check(3, 0).fault
    assert (fault.kind, fault.source.line) == ("ZeroDivisionError", 20)
