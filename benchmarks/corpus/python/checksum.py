"""The Internet checksum after a word of its data changed (RFC 1624, equation 3)."""


def adjusted(total, old, new):
    """total, old, new: 16 bits each, as the header's fields read."""
    total = (~total & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def adjusted_word(total, old, new):
    """The same of 32 bits."""
    return adjusted(adjusted(total, old >> 16, new >> 16), old & 0xFFFF, new & 0xFFFF)
