"""The fields of a performative as bytes, for tests of what is read in place."""

NUMBERS = [b"\x43", b"\x52\xff", b"\x70\xff\xff\xff\xff", b"\x40", b"\x41"]


def short_list(values, count=None, size=0):
    content = b"".join(values)
    return b"\xc0%c%c" % (len(content) + 1 + size, len(values) if count is None else count) + content
