"""The verbs and types that each source uses: as a span saw them, and as they are kept."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from signals.models import SourceTerm
from signals.xapi import bodies

MOST_TERMS = 1000  # per source and kind: a source that makes up verbs must not fill the table
LONGEST_IRI = 500


@dataclass(slots=True)
class Term:
    """A verb or type as one span saw it."""

    iri: str | None
    seen: int
    first: datetime
    last: datetime


Terms = dict[tuple[UUID, str, int], Term]  # by source, kind and hash


def see(
    terms: Terms, key: tuple[UUID, str, int], iri: str | None, seen: int, first: datetime, last: datetime
) -> None:
    """Adds one verb or type to what this span saw."""
    term = terms.get(key)
    if term is None:
        terms[key] = Term(iri, seen, first, last)
        return
    term.iri = term.iri or iri
    term.seen += seen
    term.first, term.last = min(term.first, first), max(term.last, last)


_TERMS = """
INSERT INTO signals_sourceterm AS t (source_id, kind, key, iri, seen, first_seen_at, last_seen_at)
SELECT n.* FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::timestamptz[],
                       %s::timestamptz[]) n (source, kind, key, iri, seen, first_at, last_at)
JOIN signals_credential c ON c.id = n.source
ON CONFLICT (source_id, kind, key) DO UPDATE SET seen = t.seen + excluded.seen,
    first_seen_at = least(t.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(t.last_seen_at, excluded.last_seen_at)
"""


def note_terms(since: datetime, until: datetime, terms: Terms, *, anew: bool = False) -> None:
    """Adds to the kept terms. Counting a day ``anew`` adds only the terms that were not there."""
    there = {
        (source, kind, key): iri
        for source, kind, key, iri in SourceTerm.objects.filter(source__in={key[0] for key in terms})
        .order_by()
        .values_list("source_id", "kind", "key", "iri")
    }
    full: dict[tuple[UUID, str], int] = defaultdict(int)
    for source, kind, _ in there:
        full[source, kind] += 1
    missing = [key for key, term in terms.items() if key not in there and term.iri is None]
    named = _verbs_named(since, until, missing) if missing else {}
    rows = []
    for key, term in sorted(terms.items(), key=lambda item: (str(item[0][0]), *item[0][1:])):
        iri = there.get(key) or term.iri or named.get(key)
        if iri is None or (key not in there and full[key[:2]] >= MOST_TERMS):
            continue
        full[key[:2]] += key not in there
        seen = 0 if anew and key in there else term.seen
        rows.append((*key, iri[:LONGEST_IRI], seen, term.first, term.last))
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_TERMS, [list(column) for column in zip(*rows, strict=True)])


def _verbs_named(
    since: datetime, until: datetime, missing: Iterable[tuple[UUID, str, int]]
) -> dict[tuple[UUID, str, int], str]:
    """The IRIs behind verb hashes that no sampled statement explained: one body is read for each."""
    sources, _, keys = zip(*list(missing)[:MOST_TERMS], strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (s.credential_id, s.verb) s.credential_id, s.verb, s.body"
            " FROM signals_statement s JOIN unnest(%s::uuid[], %s::bigint[]) n (source, verb)"
            " ON n.source = s.credential_id AND n.verb = s.verb"
            " WHERE s.stored >= %s AND s.stored < %s ORDER BY s.credential_id, s.verb, s.stored",
            [list(sources), list(keys), since, until],
        )
        return {
            (source, SourceTerm.Kind.VERB.value, key): bodies.decode(bytes(body))["verb"]["id"]
            for source, key, body in cursor.fetchall()
        }
