"""Risks that nobody has decided about yet. Who reads them holds no lock on them, so that a refresh never waits."""

from collections.abc import Collection, Mapping

from django.db import connection

Versions = Mapping[int, str]  # enrolment → the version of its risk's row, as PostgreSQL numbers them


def versions(enrolment_ids: Collection[int]) -> Versions:
    """The unread risks of these enrolments as they are now. Asked before anything is read of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT enrolment_id, xmin::text FROM signals_risk"
            " WHERE enrolment_id = ANY(%s) AND unread_since IS NOT NULL",
            [list(enrolment_ids)],
        )
        return dict(cursor.fetchall())


def mark_read(seen: Versions) -> int:
    """How many of these are read now: those that are still the same. What was computed since stays unread."""
    if not seen:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE signals_risk SET unread_since = NULL WHERE enrolment_id IN (
                SELECT r.enrolment_id FROM signals_risk r
                JOIN unnest(%s::bigint[], %s::text[]) AS seen (enrolment_id, version) USING (enrolment_id)
                WHERE r.xmin::text = seen.version
                -- Somebody is writing it anew, and waits perhaps for others that we hold.
                FOR UPDATE OF r SKIP LOCKED
            )
            """,
            [list(seen), list(seen.values())],
        )
        return cursor.rowcount
