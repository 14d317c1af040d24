"""Finds pairs that may be one person among what changed, and keeps the likely ones for a human to decide."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from learners.linking import engine, records
from learners.linking.encoding import Encoded, Encoder
from learners.linking.model import ASK_ABOUT_ACTORS_AT, ASK_AT, EXPECTED_DUPLICATES, VERSION
from learners.models import LinkCandidate, LinkRecord

BATCH = 5000
# A block that more records share than this says too little to be worth their pairs; such pairs meet in another block
# or not at all. What is left out is counted and told.
LARGEST_BLOCK = 500
MOST_ENCODED = 200_000  # encodings held in memory, about half a kilobyte each
# How common a name is, counted among few people, says little: as if so many more were here, with names as rare as
# names are on average (their number times the model's `u` of agreeing on a name).
FEW, RAREST = 10_000, 0.05
ONE_LINKING_AT_A_TIME = 7_301_115  # the number of an advisory lock
# Somebody said "different": asked again only if the evidence speaks clearly louder than it did then (in bits).
NEW_EVIDENCE = 2.0

State = LinkCandidate.State


@dataclass
class Found:
    """What a run did."""

    actors: int = 0  # unknown actors that were new
    looked_at: int = 0  # records marked as changed
    changed: int = 0  # of which really different
    compared_with: int = 0  # records that shared a block with one of these
    new: int = 0  # pairs nobody has been asked about
    updated: int = 0  # pairs whose evidence is another than before
    asked_again: int = 0  # once decided, with new evidence
    common_blocks: int = 0  # left out, because too many share them
    pairs: list[engine.Pair] = field(default_factory=list)


class Session:
    """What one run has encoded; forgotten, salt and all, when the run ends."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.encoded: dict[int, tuple[Encoded, bool]] = {}

    def rows(
        self, fresh: dict[int, records.Known], others: Collection[int]
    ) -> dict[int, tuple[Encoded, bool]]:
        """The encodings of these records: the changed ones anew, the others as they were encoded in this run."""
        if len(self.encoded) > MOST_ENCODED:
            self.encoded.clear()
        for pk, known in fresh.items():
            self.encoded[pk] = self.encoder.encode(known.person), known.is_actor
        for pk, known in records.comparable(
            [pk for pk in others if pk not in self.encoded], settled=True
        ).items():
            self.encoded[pk] = self.encoder.encode(known.person), known.is_actor
        return {pk: self.encoded[pk] for pk in (*fresh, *others) if pk in self.encoded}


def link(*, now: datetime, limit: int = BATCH) -> int:
    """The stage: how many changed records were compared."""
    return run(now=now, limit=limit).looked_at


def run(
    *, now: datetime, limit: int = BATCH, at_least: float = ASK_AT, session: Session | None = None
) -> Found:
    """Compares what changed, up to `limit` records, and keeps the pairs at or above the probability.

    One run at a time: a second one finds nothing to do.
    """
    found = Found()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_LINKING_AT_A_TIME])
            if not cursor.fetchone()[0]:
                return found
        found.actors = records.take_in_actors(now=now)
        claimed = records.claim_changed(limit=limit)
        found.looked_at = len(claimed)
        known = records.comparable(record.pk for record in claimed)
        changed = records.bring_up_to_date(claimed, known)
        found.changed = len(changed)
        _drop_gone([record.pk for record in claimed if record.pk not in known])
        if changed:
            _compare(changed, known, found, session or Session(), at_least=at_least)
            _keep(found, {record.pk for record in changed}, now=now)
    return found


def _compare(
    changed: Sequence[LinkRecord],
    known: dict[int, records.Known],
    found: Found,
    session: Session,
    *,
    at_least: float,
) -> None:
    fresh = {record.pk for record in changed}
    blocks = {block for record in changed for block in record.blocks}
    members, found.common_blocks = records.members(blocks, at_most=LARGEST_BLOCK)
    shared: dict[int, list[int]] = {}
    for block, ids in members.items():
        if len(ids) > 1:
            for pk in ids:
                shared.setdefault(pk, []).append(block)
    encoded = session.rows({pk: known[pk] for pk in fresh}, [pk for pk in shared if pk not in fresh])
    found.compared_with = len(encoded) - len(fresh)
    rows = [
        engine.Row(pk, row, shared.get(pk, []), pk in fresh, is_actor)
        for pk, (row, is_actor) in encoded.items()
    ]
    total = LinkRecord.objects.filter(fingerprint__isnull=False).count()
    found.pairs = engine.score(
        rows,
        common=_shares({row.encoded.name_key for row in rows} - {None}, total),
        prior=min(0.1, EXPECTED_DUPLICATES / max(total, 1)),
        at_least=min(at_least, ASK_ABOUT_ACTORS_AT),
    )
    actors = {row.id for row in rows if row.is_actor}
    found.pairs = [
        pair for pair in found.pairs if pair.probability >= at_least or actors & {pair.left, pair.right}
    ]


def _shares(keys: Iterable[int | None], total: int) -> dict[int, float]:
    """For each name, the share of all records that have it besides the two in question; a little where nobody has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name_key, count(*) FROM learners_linkrecord WHERE name_key = ANY(%s::bigint[]) GROUP BY name_key",
            [list(keys)],
        )
        return {key: (max(count - 2, 0) + RAREST) / (total + FEW) for key, count in cursor.fetchall()}


def _keep(found: Found, fresh: set[int], *, now: datetime) -> None:
    """Writes the pairs; a decision stands unless the evidence now speaks clearly louder."""
    before = {
        (row.left_id, row.right_id): row
        for row in LinkCandidate.objects.select_for_update(of=("self",)).filter(
            left__in={pair.left for pair in found.pairs}, right__in={pair.right for pair in found.pairs}
        )
    }
    new, rewritten = [], []
    for pair in found.pairs:
        row = before.get((pair.left, pair.right))
        if row is None:
            new.append(_candidate(pair, now))
            continue
        decided = row.state in (State.DIFFERENT, State.UNSURE)
        if decided and pair.weight < row.weight + NEW_EVIDENCE:
            continue  # remembered as it was decided, with the evidence of then
        if row.state == State.SAME:
            continue
        if row.state != State.WAITING:
            row.state, row.decided_at, row.decided_by, row.found_at = State.WAITING, None, None, now
            found.asked_again += 1
        elif row.evidence == pair.evidence and abs(row.weight - pair.weight) < 0.01:
            continue
        else:
            found.updated += 1
        row.probability, row.weight, row.evidence = pair.probability, pair.weight, pair.evidence
        row.model_version = VERSION
        rewritten.append(row)
    LinkCandidate.objects.bulk_create(new, batch_size=1000)
    LinkCandidate.objects.bulk_update(
        rewritten,
        [
            "probability",
            "weight",
            "evidence",
            "model_version",
            "state",
            "found_at",
            "decided_at",
            "decided_by",
        ],
        batch_size=1000,
    )
    found.new = len(new)
    # What was asked about a changed record, and is no longer likely, need not be answered.
    still = {(pair.left, pair.right) for pair in found.pairs}
    waiting = LinkCandidate.objects.filter(state=State.WAITING)
    gone = [
        row.pk
        for row in waiting.filter(left__in=fresh) | waiting.filter(right__in=fresh)
        if (row.left_id, row.right_id) not in still
    ]
    LinkCandidate.objects.filter(pk__in=gone).update(state=State.MOOT)


def _candidate(pair: engine.Pair, now: datetime) -> LinkCandidate:
    return LinkCandidate(
        left_id=pair.left,
        right_id=pair.right,
        probability=pair.probability,
        weight=pair.weight,
        evidence=pair.evidence,
        model_version=VERSION,
        found_at=now,
    )


def _drop_gone(ids: Sequence[int]) -> None:
    """Nobody is asked about somebody who is erased, merged or does not want to be compared."""
    waiting = LinkCandidate.objects.filter(state=State.WAITING)
    (waiting.filter(left__in=ids) | waiting.filter(right__in=ids)).update(state=State.MOOT)


def run_all(
    *,
    now: datetime,
    at_least: float = ASK_AT,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> Found:
    """Everything that changed. A dry run finds the same pairs and leaves nothing behind."""
    total, session = Found(), Session()
    with transaction.atomic():
        while (one := run(now=now, at_least=at_least, session=session)).looked_at:
            for name in ("looked_at", "changed", "compared_with", "new", "updated", "asked_again"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
            total.actors += one.actors
            total.common_blocks = max(total.common_blocks, one.common_blocks)
            total.pairs += one.pairs
            progress(one.looked_at)
        if dry_run:
            transaction.set_rollback(True)
    return total
