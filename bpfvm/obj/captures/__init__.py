"""Captures of packets: pcap and pcapng, read in place and written."""
