"""What the cold store's files look like: columns and types, by kind and version."""

from functools import lru_cache
from typing import Any

from signals.models import ArchiveFile

# A new shape is a new number; files of older numbers stay readable (missing columns read as null).
VERSION = 1
# Small groups of statements make reading one body cheap; events are read by the month or by the person.
GROUP_ROWS = {ArchiveFile.Kind.EVENT: 50_000, ArchiveFile.Kind.STATEMENT: 2_000}
MOMENT = {ArchiveFile.Kind.EVENT: "occurred_at", ArchiveFile.Kind.STATEMENT: "stored"}
ID = {ArchiveFile.Kind.EVENT: "statement_id", ArchiveFile.Kind.STATEMENT: "id"}
EVENT_COLUMNS = (
    "statement_id",
    "learner_id",
    "enrolment_id",
    "occurred_at",
    "known_at",
    "known_seq",
    "verb",
    "activity",
    "activity_type",
    "amount",
    "scaled",
    "success",
    "duration_s",
    "progress",
    "voided_seq",
    "value",
    "session",
    "background_s",
    "device",
    "network",
)


@lru_cache(maxsize=2)
def schema(kind: str) -> Any:
    """The Arrow schema of a kind. uuids are 16 bytes, moments UTC microseconds."""
    import pyarrow as pa

    uuid, moment = pa.binary(16), pa.timestamp("us", tz="UTC")
    if kind == ArchiveFile.Kind.EVENT:
        return pa.schema(
            [
                ("statement_id", uuid),
                ("learner_id", uuid),
                ("enrolment_id", pa.int64()),
                ("occurred_at", moment),
                ("known_at", moment),
                ("known_seq", pa.int64()),
                ("verb", pa.int16()),
                ("activity", pa.int64()),
                ("activity_type", pa.int64()),
                ("amount", pa.int32()),
                ("scaled", pa.float64()),
                ("success", pa.bool_()),
                ("duration_s", pa.int32()),
                ("progress", pa.float64()),
                ("voided_seq", pa.int64()),
                ("value", pa.float64()),
                ("session", pa.int64()),
                ("background_s", pa.int32()),
                ("device", pa.int16()),
                ("network", pa.int16()),
                ("is_result", pa.bool_()),  # it is an assessment's result, too
                ("is_item", pa.bool_()),
            ]
        )
    return pa.schema(
        [
            ("id", uuid),
            ("stored", moment),
            ("credential_id", uuid),
            ("verb", pa.int64()),
            ("actor", pa.binary()),
            ("digest", pa.binary()),
            ("voids", uuid),
            ("voided_at", moment),
            ("parked", pa.bool_()),
            ("major", pa.int8()),
            ("raw", pa.binary()),  # the bytes as they were sent
        ]
    )


# Values that hardly ever repeat: a dictionary of them would only be written beside them.
PLAIN = {"statement_id", "id", "raw", "digest"}
# Values in or near an order: the differences are small.
DELTAS = {"occurred_at", "known_at", "known_seq", "stored"}


def encodings(kind: str) -> dict[str, Any]:
    """How Parquet should write the columns of a kind."""
    names = [field.name for field in schema(kind)]
    return {
        "use_dictionary": [name for name in names if name not in PLAIN | DELTAS],
        "column_encoding": {name: "DELTA_BINARY_PACKED" for name in names if name in DELTAS},
    }
