"""Each night: is the live model still right, can a better one be learned, and does the gate let it pass?

Every run leaves a row that says in words what came of it. Too little to learn from is such a row, not an error.
"""

import logging
import time
from datetime import datetime, timedelta

from signals.models import ModelVersion, TrainingRun
from signals.risk.learned import UnusableModel
from signals.risk.live import live_model
from signals.training import audits, cohorts, drift, heldout, promotion
from signals.training.dataset import NothingToLearnFrom
from signals.training.guards import UnfitForTraining
from signals.training.rows import CannotTrain
from signals.training.train import train

log = logging.getLogger(__name__)

LABEL = heldout.LABEL
KEPT = timedelta(days=365)  # of what the nights left


def run(*, now: datetime, label: str = LABEL) -> TrainingRun:
    """What came of tonight. Never raises for want of data; a fault in training is noted and told, and the live model
    stays."""
    drift.inspect(now=now)
    audits.ask_nightly(now=now)
    started = time.monotonic()
    TrainingRun.objects.filter(at__lt=now - KEPT).delete()
    outcome, model, says = _trained(now=now, label=label)
    # One from an earlier night may have had nothing to be compared on then, and a run has ended since.
    if model is not None and not model.is_live:
        says = f"{says} {gate(model, now=now)}"
    return TrainingRun.objects.create(
        at=now,
        label=label,
        outcome=outcome,
        model_version=model,
        says=says[:4000],
        seconds=round(time.monotonic() - started, 1),
    )


def gate(candidate: ModelVersion, *, now: datetime) -> str:
    """What the gate said of this candidate, in a sentence; promoted where it passed."""
    live = live_model(now=now)
    try:
        evidence = heldout.evidence(candidate=candidate, compared_with=live, now=now)
        before = promotion.was_refused(candidate, live=live, data=evidence.data)
        if before is not None:
            return f"The gate refused it on the same people on {before.at:%-d %B}: {before.reason}"
        promotion.promote(candidate=candidate, evidence=evidence, now=now)
    except promotion.Refused as refused:
        return f"The gate refused it: {refused}"
    except (promotion.AlreadyLive, promotion.Overtaken, heldout.NothingHeldOut, UnusableModel) as fault:
        return f"It was not compared: {fault}"
    return f"The gate promoted it in the place of “{live.name}”."


def answer_asked(*, now: datetime) -> int:
    """How many askings the gate answered: one at a time, as each takes its time. A stage."""
    row = promotion.asked().first()
    if row is None:
        return 0
    candidate = row.candidate
    try:
        evidence = heldout.evidence(candidate=candidate, compared_with=live_model(now=now), now=now)
        promotion.promote(candidate=candidate, evidence=evidence, now=now, by=row.by, because=row.reason)
    except promotion.Refused:
        pass  # its own row says why
    except (promotion.AlreadyLive, promotion.Overtaken, heldout.NothingHeldOut, UnusableModel) as fault:
        promotion.refuse(candidate=candidate, why=f"It was not compared: {fault}", now=now, by=row.by)
    return 1


def _trained(*, now: datetime, label: str) -> tuple[TrainingRun.Outcome, ModelVersion | None, str]:
    as_of = cohorts.learn_as_of(now=now)
    before = set(ModelVersion.objects.values_list("pk", flat=True))
    try:
        model = train(as_of=as_of, label=label, now=now)
    except (CannotTrain, NothingToLearnFrom, UnfitForTraining) as fault:
        return TrainingRun.Outcome.TOO_LITTLE, None, str(fault)
    except Exception as fault:
        # Training is three libraries and two databases: the night must end with a row that says so, whatever broke.
        log.exception("the nightly training failed")
        return (
            TrainingRun.Outcome.FAILED,
            None,
            f"Training failed ({type(fault).__name__}); the log says where. The live model goes on.",
        )
    if model.pk in before:
        return (
            TrainingRun.Outcome.SAME,
            model,
            "Nothing has ended since the last training: the model is the same.",
        )
    return (
        TrainingRun.Outcome.TRAINED,
        model,
        f"“{model.name}” learned from what was known on {as_of:%-d %B %Y}.",
    )
