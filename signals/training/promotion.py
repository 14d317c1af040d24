"""Which model is live, and how that changes: through the gate, by a row that says so; back again by another row.

The newest promoting row names the live model. ``ModelVersion.is_live`` says the same for those who score, and changes
in the same transaction. Risks are computed anew afterwards, bit by bit (``signals.risk.rescore``).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from consent import audit
from consent.actors import SYSTEM, Party
from signals import trust
from signals.models import Finding, ModelVersion, Promotion
from signals.risk import disagreements
from signals.risk.composite import KIND
from signals.risk.live import live_model
from signals.training.gate import AROUND, Around, Bounds, Check, Comparison, Evidence, judge

LOCK = 0x524B5F4C495645  # one change of the live model at a time


class AlreadyLive(ValueError):
    """The model is live already: there is nothing to compare."""


class Refused(Exception):
    """The gate said no; ``promotion`` is the row that says why."""

    def __init__(self, promotion: Promotion) -> None:
        self.promotion = promotion
        super().__init__(promotion.reason)


class Overtaken(Exception):
    """Another model became live meanwhile; the comparison is with one that no longer is."""


class NothingToTakeBack(ValueError):
    """The live model replaced none, so there is nothing to go back to."""


class ReasonMissing(ValueError):
    """A model is taken back for a reason."""


class NotFit(ValueError):
    """This version cannot do that; the message says why."""


def around(candidate: ModelVersion) -> Around:
    """What the database says of promoting this model now, besides the rows it is compared on."""
    found = disagreements.tally(candidate)
    return Around(
        alerts=[
            f"{finding.about}: {finding.get_kind_display().lower()} (since {finding.opened_at:%-d %B})"
            for finding in Finding.objects.open()
            .filter(model__isnull=False)
            # That the live model cannot be used is a reason for another one, not against it.
            .exclude(kind=Finding.Kind.MODEL_FAULT)
            .select_related("model")
            .order_by("pk")
        ],
        objections=trust.objections(candidate.name),
        looked=found.answered,
        candidate_right=found.shadow_right,
    )


def promote(
    *,
    candidate: ModelVersion,
    evidence: Evidence,
    now: datetime,
    by: UUID | None = None,
    because: str = "",
    bounds: Bounds | None = None,
) -> Promotion:
    """The row that makes the candidate live. Raises Refused (with its row), AlreadyLive, Overtaken, NotFit.

    The comparison is made before anything is locked, as it takes its time; under the lock it only has to be still true
    that the live model is the one compared with, and that nobody objects.
    """
    compared_with = live_model(now=now)
    if compared_with.pk == candidate.pk:
        raise AlreadyLive(f"“{candidate.name}” is live already.")
    if evidence.candidate != candidate.name or evidence.live != compared_with.name:
        raise Overtaken(
            f"The comparison is of {evidence.candidate} with {evidence.live}, not with what is live."
        )
    comparison = judge(
        evidence,
        around=around(candidate),
        bounds=bounds,
    )
    with transaction.atomic():
        _one_at_a_time()
        live = live_model(now=now)
        if live.pk != compared_with.pk:
            raise Overtaken(f"“{live.name}” became live meanwhile. Compare with it and try again.")
        if comparison.passes:
            # Somebody may have put another policy in force while we were comparing.
            comparison = _with_objections(comparison, trust.objections(candidate.name))
        if comparison.passes:
            return _make_live(
                candidate,
                live,
                outcome=Promotion.Outcome.PROMOTED,
                reason=because or "Every check of the gate passed.",
                by=by,
                now=now,
                comparison=comparison,
            )
        refusal = _noted(
            Promotion.Outcome.REFUSED, candidate, comparison.refusal, by=by, now=now, comparison=comparison
        )
    raise Refused(refusal)


def roll_back(*, because: str, now: datetime, by: UUID | None = None) -> Promotion:
    """The row that makes the model live again which the live one replaced. Raises NothingToTakeBack, ReasonMissing.

    Neither an alert nor a policy holds it up: a bad model must be gone at once. Whether the policy would act on the one
    that comes back is in the row's comparison.
    """
    if not because.strip():
        raise ReasonMissing("Say in a sentence why the model is taken back.")
    with transaction.atomic():
        _one_at_a_time()
        live = live_model(now=now)
        last = (
            Promotion.objects.filter(
                outcome=Promotion.Outcome.PROMOTED, candidate=live, replaced__isnull=False
            )
            .select_related("replaced")
            .order_by("-pk")
            .first()
        )
        if last is None or last.replaced is None:
            raise NothingToTakeBack(f"“{live.name}” replaced no other model; there is nothing to go back to.")
        objections = trust.objections(last.replaced.name)
        return _make_live(
            last.replaced,
            live,
            outcome=Promotion.Outcome.ROLLED_BACK,
            reason=because.strip()[:2000],
            by=by,
            now=now,
            comparison=Comparison(
                candidate=last.replaced.name,
                live=live.name,
                checks=(
                    Check("trust", "Would it be acted upon?", not objections, " ".join(objections) or "Yes."),
                ),
            ),
        )


def with_policy(*, candidate: ModelVersion, version: int, now: datetime, by: UUID | None = None) -> Promotion:
    """The row that makes a composite live because a policy that names its weights came into force. Raises NotFit.

    Weights that people set are judged as a policy is: by its preview and by a second yes. What was learned is judged by
    the gate: it is neither replaced nor brought here.
    """
    with transaction.atomic():
        _one_at_a_time()
        live = live_model(now=now)
        if candidate.kind != KIND or live.kind != KIND:
            raise NotFit(
                "A policy puts one composite in the place of another; anything else goes through the gate."
            )
        if candidate.pk == live.pk:
            raise AlreadyLive(f"“{candidate.name}” is live already.")
        return _make_live(
            candidate,
            live,
            outcome=Promotion.Outcome.PROMOTED,
            reason=f"Policy {version} came into force with these weights.",
            by=by,
            now=now,
            comparison=Comparison(
                candidate=candidate.name,
                live=live.name,
                checks=(
                    Check("policy", "Did people set it, with a policy?", True, f"Policy {version} names it."),
                ),
            ),
        )


def to_shadow(*, candidate: ModelVersion, because: str, now: datetime, by: UUID | None = None) -> Promotion:
    """The row that says the candidate scores beside the live model from now on. Whoever did so before stops."""
    with transaction.atomic():
        _one_at_a_time()
        if candidate.pk == live_model(now=now).pk:
            raise AlreadyLive(
                f"“{candidate.name}” is live already; in shadow it would be compared with itself."
            )
        if candidate.artefact is None and candidate.kind != KIND:
            raise NotFit(f"“{candidate.name}” holds nothing to score with.")
        ModelVersion.objects.filter(is_shadow=True).exclude(pk=candidate.pk).update(is_shadow=False)
        if not ModelVersion.objects.filter(pk=candidate.pk, is_shadow=False).update(is_shadow=True):
            raise AlreadyLive(f"“{candidate.name}” is in shadow already.")
        candidate.is_shadow = True
        return _noted(
            Promotion.Outcome.SHADOWED,
            candidate,
            because.strip() or "On trial beside the live model.",
            by=by,
            now=now,
        )


def out_of_shadow(
    *, candidate: ModelVersion, because: str, now: datetime, by: UUID | None = None
) -> Promotion:
    """The row that ends a trial. What it scored goes bit by bit (``signals.risk.shadow.sweep``)."""
    with transaction.atomic():
        _one_at_a_time()
        if not ModelVersion.objects.filter(pk=candidate.pk, is_shadow=True).update(is_shadow=False):
            raise NotFit(f"“{candidate.name}” is not in shadow.")
        candidate.is_shadow = False
        return _noted(
            Promotion.Outcome.UNSHADOWED,
            candidate,
            because.strip() or "The trial is over.",
            by=by,
            now=now,
        )


def ask(*, candidate: ModelVersion, because: str, now: datetime, by: UUID | None) -> Promotion:
    """The row that asks the gate for this candidate: comparing takes longer than a page may. Raises AlreadyLive,
    NotFit."""
    with transaction.atomic():
        _one_at_a_time()
        if candidate.pk == live_model(now=now).pk:
            raise AlreadyLive(f"“{candidate.name}” is live already.")
        if asked().filter(candidate=candidate).exists():
            raise NotFit(f"“{candidate.name}” waits for the gate already.")
        return _noted(
            Promotion.Outcome.ASKED,
            candidate,
            because.strip() or "Somebody asked.",
            by=by,
            now=now,
        )


def asked() -> QuerySet[Promotion]:
    """The askings that the gate has not answered yet, the oldest first."""
    answered = Promotion.objects.filter(
        candidate=OuterRef("candidate"),
        pk__gt=OuterRef("pk"),
        outcome__in=(Promotion.Outcome.PROMOTED, Promotion.Outcome.REFUSED),
    )
    return (
        Promotion.objects.filter(outcome=Promotion.Outcome.ASKED)
        .exclude(Exists(answered))
        .select_related("candidate")
        .order_by("pk")
    )


def refuse(*, candidate: ModelVersion, why: str, now: datetime, by: UUID | None = None) -> Promotion:
    """The row that says why a candidate could not even be compared."""
    with transaction.atomic():
        return _noted(Promotion.Outcome.REFUSED, candidate, why, by=by, now=now)


def was_refused(candidate: ModelVersion, *, live: ModelVersion, data: str) -> Promotion | None:
    """The refusal of the same question on the same rows: asking every night would tell nothing new.

    What was refused for what stood around it (an alert, a policy, what people found) is asked again: that changes.
    """
    before = (
        Promotion.objects.filter(
            candidate=candidate,
            outcome=Promotion.Outcome.REFUSED,
            comparison__live=live.name,
            comparison__data=data,
        )
        .order_by("-pk")
        .first()
    )
    comparison = comparison_of(before) if before is not None else None
    if comparison is None or all(check.passes or check.key in AROUND for check in comparison.checks):
        return None
    return before


def comparison_of(row: Promotion) -> Comparison | None:
    """The comparison a row kept; None where it has none, or one of another release."""
    try:
        return msgspec.convert(row.comparison, Comparison, strict=False) if row.comparison else None
    except msgspec.ValidationError:
        return None


def _make_live(
    model: ModelVersion,
    replaced: ModelVersion,
    *,
    outcome: Promotion.Outcome,
    reason: str,
    by: UUID | None,
    now: datetime,
    comparison: Comparison,
) -> Promotion:
    taken_back = outcome == Promotion.Outcome.ROLLED_BACK
    # In this order: the database lets one be live at a time.
    ModelVersion.objects.filter(pk=replaced.pk).update(
        is_live=False, taken_back_at=now if taken_back else None
    )
    ModelVersion.objects.filter(pk=model.pk).update(is_live=True, is_shadow=False, taken_back_at=None)
    row = _noted(outcome, model, reason, by=by, now=now, comparison=comparison, replaced=replaced)
    # Findings about a model that no longer scores hold nothing up any more.
    Finding.objects.open().filter(model=replaced).update(closed_at=now, ending=Finding.Ending.OUT_OF_USE)
    model.refresh_from_db(fields=["is_live", "is_shadow", "taken_back_at"])
    return row


def _with_objections(comparison: Comparison, told: Sequence[str]) -> Comparison:
    if not told:
        return comparison
    checks = [check for check in comparison.checks if check.key != "trust"]
    return msgspec.structs.replace(
        comparison, checks=(*checks, Check("trust", "Would it be acted upon?", False, " ".join(told)))
    )


def _plain(comparison: Comparison) -> dict[str, object]:
    # By way of JSON, so that an interval without an end becomes null.
    plain: dict[str, object] = msgspec.json.decode(msgspec.json.encode(comparison))
    return plain


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _noted(
    outcome: Promotion.Outcome,
    model: ModelVersion,
    reason: str,
    *,
    by: UUID | None,
    now: datetime,
    comparison: Comparison | None = None,
    replaced: ModelVersion | None = None,
) -> Promotion:
    """The row that says what became of a model, and the line in the audit that goes with it."""
    row = Promotion.objects.create(
        candidate=model,
        replaced=replaced,
        at=now,
        by=by,
        outcome=outcome,
        reason=reason[:2000],
        comparison={} if comparison is None else _plain(comparison),
    )
    detail = {"model": model.pk, "promotion": row.pk}
    audit.record(
        actor=Party("user", by) if by else SYSTEM,
        action=f"model.{outcome}",
        # Models are numbered, parties are named by uuid: the number is the uuid's own.
        target=Party("model", UUID(int=model.pk)),
        now=now,
        detail=detail if replaced is None else {**detail, "replaces": replaced.pk},
    )
    return row
