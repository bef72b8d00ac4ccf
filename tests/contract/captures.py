"""The captures that tests run programs over: made here, and more from the folder that BPFVM_CAPTURES names."""

from __future__ import annotations

import os
from pathlib import Path

# Ordinary traffic, ARP, IPv6, 802.1Q and frames that a parser once choked on.
WANTED = ("dns_udp.pcap", "ssh.pcap", "OLSRv1_HNA_sgw_1.pcap", "arp-too-long-tha.pcap", "ipv6-bad-version.pcap")


def external() -> tuple[list[Path], str]:
    """Five captures of the folder in BPFVM_CAPTURES, or none and the reason."""
    folder = os.environ.get("BPFVM_CAPTURES")
    if not folder:
        return [], "BPFVM_CAPTURES names no folder of captures"
    found = [Path(folder) / name for name in WANTED]
    try:
        missing = [path.name for path in found if not path.is_file()]
    except PermissionError:
        return [], f"this user may not enter BPFVM_CAPTURES={folder}"
    if missing:
        return [], f"BPFVM_CAPTURES={folder} lacks {', '.join(missing)}"
    return found, ""
