"""The parsers of tests/views over captures: those of BPFVM_CAPTURES where it is set, and frames that are made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bpfvm.obj.captures.capture import open_capture
from tests.contract.comparison import Comparison
from tests.contract.views import compare
from tests.views.frames import cut, whole
from tests.views.parsers import PARSERS

_CAPTURES = ("dns_udp.pcap", "dns_tcp.pcap", "dns-uri.pcap", "ssh.pcap", "OLSRv1_HNA_sgw_1.pcap",
             "arp-too-long-tha.pcap", "ipv6-bad-version.pcap", "802.1w_rapid_STP.pcap", "ahcp.pcapng")  # fmt: skip
_MOST = 100  # packets of one capture


def frames() -> Iterator[bytes]:
    """Whole frames and cut ones, and the first packets of captures."""
    yield from whole()
    yield from cut(41)
    folder = os.environ.get("BPFVM_CAPTURES")
    if not folder:
        print("BPFVM_CAPTURES names no folder of captures")
        return
    for name in _CAPTURES:
        if (Path(folder) / name).is_file():
            with open_capture(str(Path(folder) / name)) as capture:
                read = (frame for _, frame, _, _ in capture.frames("eth") if not isinstance(frame, str))
                yield from (bytes(frame) for _, frame in zip(range(_MOST), read, strict=False))
        else:
            print(f"{folder} lacks {name}")


def parsed(machine: str, record: bool) -> Comparison:
    """Every parser on the machine."""
    return compare(PARSERS, list(frames()), machine, record, {"ingress_ifindex": 1})
