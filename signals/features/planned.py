"""Long statements that PostgreSQL reads once per connection, and for small batches plans once, not anew for each.

The statement of all features is some 190,000 characters long: to read and plan it takes as long as to compute some
forty people with it. A plan that is kept does not know how many rows it will meet, so a large batch has its own.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.db import connection, transaction

from consent.arrays import fetch

_NAMED = re.compile(r"%\((\w+)\)s")
SMALL = 200  # of what is asked for; from here on planning is cheap beside computing
# A plan made while a table was still small must not read all of it later: it keeps to the indexes.
_ONCE = "set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)"
_EACH = "set_config('plan_cache_mode', 'force_custom_plan', true)"
# 60 days of 1,000 enrolments are 15 MB; on disk they take twice the time.
_ROOM = "set_config('work_mem', '64MB', true)"
_AS_BEFORE = "set_config('plan_cache_mode', 'auto', true), set_config('enable_seqscan', 'on', true)"


def fetch_planned(sql: str, values: Mapping[str, Any], *, size: int) -> list[tuple[Any, ...]]:
    """The rows of a statement with named values for a batch of this size.

    Arrays are packed by consent.arrays, as their type is part of the plan. In the caller's transaction, which outlives
    what the statement raises.
    """
    text, names = _numbered(sql)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {_ROOM}, {_ONCE if size < SMALL else _EACH}")
        rows = fetch(text, [values[name] for name in names])
        cursor.execute(f"SELECT {_AS_BEFORE}")
    return rows


@lru_cache(maxsize=32)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement as PostgreSQL itself has it, with numbers for names; and the names in their order."""
    names = tuple(dict.fromkeys(_NAMED.findall(sql)))
    return _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names
