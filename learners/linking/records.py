"""What is compared: learners and unknown actors, brought up to date from what changed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from consent import gate
from consent.scopes import Scope
from learners.linking import encoding
from learners.linking.encoding import Person
from learners.merging.registry import merging_modules
from learners.models import Identifier, LinkCandidate, LinkRecord

AT_ONCE = 1000

_STORE = """
UPDATE learners_linkrecord r SET dirty_since = NULL, fingerprint = n.fingerprint, name_key = n.name_key,
    blocks = n.blocks::bigint[]
FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[], %s::text[]) n(id, fingerprint, name_key, blocks)
WHERE r.id = n.id
"""


def take_in_actors(*, now: datetime) -> int:
    """How many unknown actors of parked statements are to be compared from now on; drops those known by now."""
    added = 0
    for _, module in merging_modules():
        if not hasattr(module, "unknown_actors"):
            continue
        while found := module.unknown_actors(limit=AT_ONCE):
            LinkRecord.objects.bulk_create(
                [LinkRecord(actor=actor, agent=agent, dirty_since=now) for actor, agent in found.items()],
                ignore_conflicts=True,
            )
            added += len(found)
    drop_known_actors()
    return added


def drop_known_actors() -> int:
    """An actor whom an identifier names by now is no question any more, except where the answer made the identifier."""
    named = Identifier.objects.filter(Q(hash=OuterRef("actor")) | Q(given_hash=OuterRef("actor")))
    answers = LinkCandidate.objects.filter(state=LinkCandidate.State.SAME)
    return LinkRecord.objects.filter(
        Exists(named),
        ~Exists(answers.filter(Q(left=OuterRef("pk")) | Q(right=OuterRef("pk")))),
        actor__isnull=False,
    ).delete()[0]


def claim_changed(*, limit: int) -> list[LinkRecord]:
    """Records that changed, the longest waiting first, locked by this transaction."""
    return list(
        LinkRecord.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(dirty_since__isnull=False)
        .order_by("dirty_since", "pk")[:limit]
    )


class Known(NamedTuple):
    """A record that may be compared: what is known of it, and its stored keys."""

    person: Person
    blocks: list[int]
    is_actor: bool


_COLUMNS = (
    "pk",
    "blocks",
    "agent",
    "learner_id",
    "learner__name",
    "learner__email",
    "learner__employee_number",
    "learner__started_on",
    "learner__unit__code",
    "learner__job_role__code",
)


def comparable(ids: Iterable[int], *, settled: bool = False) -> dict[int, Known]:
    """What is known of each of these who may be compared; a fixed number of queries. `settled`: and has not changed.

    Not compared: the erased, those merged into another record, and whoever refuses that their record be used.
    """
    rows = LinkRecord.objects.filter(
        pk__in=list(ids), learner__erased_at__isnull=True, learner__merged_into__isnull=True
    )
    if settled:
        rows = rows.filter(dirty_since__isnull=True)
    found = list(rows.order_by("pk").values_list(*_COLUMNS))
    willing = gate.filter_allowed({row[3] for row in found if row[3] is not None}, Scope.RECORD)
    known = {}
    for pk, blocks, agent, learner_id, name, email, number, started_on, unit, job_role in found:
        if agent is not None:
            known[pk] = Known(person_of(agent), blocks, True)
        elif learner_id in willing:
            person = Person(name, email, number, started_on, unit or "", job_role or "")
            known[pk] = Known(person, blocks, False)
    return known


def person_of(agent: dict[str, Any]) -> Person:
    """What an xAPI agent says about who it is."""
    name = agent.get("name")
    account = agent.get("account")
    address = agent.get("mbox") or (account.get("name") if isinstance(account, dict) else "") or ""
    return Person(name=name if isinstance(name, str) else "", address=str(address).removeprefix("mailto:"))


def bring_up_to_date(records: Sequence[LinkRecord], known: dict[int, Known]) -> list[LinkRecord]:
    """Those that really changed (the same text encrypted anew has not), with their new keys stored."""
    changed = []
    for record in records:
        before = record.fingerprint
        if record.pk not in known:
            record.fingerprint, record.name_key, record.blocks = None, None, []
            continue
        person = known[record.pk].person
        record.fingerprint = encoding.fingerprint(person)
        record.name_key, record.blocks = encoding.name_key(person), encoding.blocks(person)
        if before is None or bytes(before) != record.fingerprint:
            changed.append(record)
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            [
                [record.pk for record in records],
                [record.fingerprint for record in records],
                [record.name_key for record in records],
                ["{" + ",".join(map(str, record.blocks)) + "}" for record in records],
            ],
        )
    return changed


# One look into the index for each block; of a crowded one only so many as to see that it is.
_MEMBERS = """
SELECT wanted.block, members.ids FROM unnest(%s::bigint[]) wanted(block)
CROSS JOIN LATERAL (SELECT array_agg(id) AS ids FROM (
    SELECT id FROM learners_linkrecord WHERE blocks @> ARRAY[wanted.block] LIMIT %s) few) members
"""


def members(blocks: Iterable[int], *, at_most: int) -> tuple[dict[int, list[int]], int]:
    """Who is in each of these blocks, and how many blocks are left out because more than so many are."""
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, [list(blocks), at_most + 1])
        found: dict[int, list[int]] = {block: ids or [] for block, ids in cursor.fetchall()}
    crowded = [block for block, ids in found.items() if len(ids) > at_most]
    for block in crowded:
        del found[block]
    return found, len(crowded)
