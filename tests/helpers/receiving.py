"""What programs that read from a socket have in common: standard library only."""


def rest_of(s):
    """All that comes until the other side closes, also where it does so roughly."""
    parts = []
    while True:
        try:
            got = s.recv(1 << 16)
        except ConnectionResetError:
            got = b""
        if not got:
            return b"".join(parts)
        parts.append(got)
