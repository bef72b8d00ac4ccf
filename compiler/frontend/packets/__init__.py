"""Packets: views, and how their bytes are reached."""
