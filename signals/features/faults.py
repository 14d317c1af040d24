"""Definitions that raised are noted, once for each kind of fault, for people to see and to repair."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from signals.features.definitions import VERSIONS
from signals.models import FeatureFault


def note(faults: Mapping[str, str], *, now: datetime) -> None:
    """Notes that these definitions raised: {key: kind of fault}. Never a message, which may quote the data."""
    keys = sorted(faults)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO signals_featurefault AS f (key, version, fault, times, first_at, last_at)"
            " SELECT key, version, fault, 1, %s, %s"
            " FROM unnest(%s::text[], %s::int[], %s::text[]) n (key, version, fault)"
            " ON CONFLICT (key, version, fault) DO UPDATE SET times = f.times + 1, last_at = excluded.last_at",
            [now, now, keys, [VERSIONS.get(key, 1) for key in keys], [faults[key][:120] for key in keys]],
        )


def lately(*, now: datetime) -> QuerySet[FeatureFault]:
    """The faults of the last day: what is repaired is silent after it."""
    return FeatureFault.objects.filter(last_at__gt=now - timedelta(days=1)).order_by("key", "fault", "pk")
