"""How deeply JSON may be nested. A bound of our own: the decoder's depends on who calls it, and what the store took in
must be readable by every page and every worker later.
"""

import re

MOST_DEEP = 100
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def is_too_deep(raw: bytes) -> bool:
    """Whether these bytes, taken as JSON, are nested more deeply than MOST_DEEP."""
    # Nearly everything has fewer brackets than that altogether.
    if raw.count(b"{") + raw.count(b"[") <= MOST_DEEP:
        return False
    depth = 0
    for found in _TOKENS.finditer(raw):
        token = found[0]
        if token in (b"{", b"["):
            depth += 1
            if depth > MOST_DEEP:
                return True
        elif token in (b"}", b"]"):
            depth -= 1
    return False
