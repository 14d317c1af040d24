"""Which model scores: the live one, and where that cannot be used, the last good one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from django.db.models import QuerySet

from signals.features.definitions import BY_KEY, COUNTS
from signals.models import Finding, ModelFault, ModelVersion, Promotion
from signals.risk import composite, learned
from signals.risk.composite import KIND, PARAMETERS, Assessed
from signals.risk.known import Known
from signals.risk.learned import UnusableModel
from signals.risk.review import WINDOWS
from signals.risk.weighing import MIN_COVERAGE, Weigher

log = logging.getLogger(__name__)

FIRST_MODEL = "composite-1"
_LOOKED_BACK = 50  # promotions
_KEPT = 4  # models a process keeps: the live one, the one before, and a candidate or two

Assess = Callable[[Sequence[Known]], list[Assessed]]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model version that can score, ready to."""

    version: ModelVersion
    assess: Assess


# A process reads an artefact once: versions never change. What could not be read stays so until other code runs.
_ready: dict[int, Assess | UnusableModel] = {}
_found_instead: dict[int, list[ModelVersion]] = {}
_reading = Lock()


def live_model(*, now: datetime) -> ModelVersion:
    """The model version that scores; the composite of the seed where there is none yet.

    Read once per batch rather than kept in the process: taking a model back must take effect at once.
    """
    live = _light().filter(is_live=True).first()
    if live is None:
        # Two workers may both find none: the unique name lets one of them win.
        ModelVersion.objects.bulk_create(
            [ModelVersion(name=FIRST_MODEL, kind=KIND, parameters=PARAMETERS, is_live=True, created_at=now)],
            ignore_conflicts=True,
        )
        live = _light().get(is_live=True)
    return live


def assess(known: Sequence[Known], *, now: datetime) -> tuple[ModelVersion, list[Assessed]]:
    """The risks of these rows in their order, and the version they come from: the live one if it can be used."""
    live = live_model(now=now)
    try:
        return live, scorer(live, now=now).assess(known)
    except UnusableModel as fault:
        why = fault
    for version in _instead(live, now=now):
        try:
            assessed = scorer(version, now=now).assess(known)
        except UnusableModel:
            continue
        _note(live, why, scored_with=version, now=now)
        return version, assessed
    raise AssertionError("The composite can always be used.")


def scorer(version: ModelVersion, *, now: datetime) -> Scorer:
    """This version, ready to score. Raises UnusableModel."""
    if version.kind == KIND:
        return Scorer(version, _composite(version))
    ready = _ready.get(version.pk)
    if ready is None:
        with _reading:
            ready = _ready.get(version.pk) or _read(version)
            while len(_ready) >= _KEPT:
                _ready.pop(next(iter(_ready)))
            _ready[version.pk] = ready
        # Only other code can read what could not be read before, and that is another process: it ends here.
        faults = ModelFault.objects.filter(version=version, over_at__isnull=True)
        if not isinstance(ready, UnusableModel) and faults.update(over_at=now):
            _findings(version).update(closed_at=now, ending=Finding.Ending.RECOVERED)
    if isinstance(ready, UnusableModel):
        raise ready
    return Scorer(version, ready)


def open_faults() -> QuerySet[ModelFault]:
    """What is wrong with the live model now."""
    return ModelFault.objects.filter(over_at__isnull=True, version__is_live=True).select_related("version")


def _light() -> QuerySet[ModelVersion]:
    """Versions without what is large and only needed once."""
    return ModelVersion.objects.defer("artefact", "metrics", "card")


def _composite(version: ModelVersion) -> Assess:
    parameters = composite.Parameters.read(version.parameters)
    return lambda known: [
        composite.assess(row.features, parameters, as_of=row.as_of, course=row.course) for row in known
    ]


def _read(version: ModelVersion) -> Assess | UnusableModel:
    """The version's artefact as something that scores, or why it cannot be."""
    if version.artefact is None:
        return UnusableModel(f"{version.name} has no artefact. Train it again.")
    versions = {key: feature.version for key, feature in BY_KEY.items()}
    try:
        model = learned.load(bytes(version.artefact), feature_versions=versions)
    except UnusableModel as fault:
        return fault
    except Exception as fault:
        # An artefact may be broken in any way, or its library be missing; scoring must go on without it.
        log.exception("the artefact of model %s cannot be read", version.name)
        return UnusableModel(f"{version.name} cannot be read ({type(fault).__name__}). Train it again.")
    return _guarded(
        version, Weigher(model, _importance(model, version), _min_coverage(version), WINDOWS, COUNTS)
    )


def _guarded(version: ModelVersion, weigher: Weigher) -> Assess:
    def assess(known: Sequence[Known]) -> list[Assessed]:
        try:
            return weigher.assess(known)
        except UnusableModel as fault:
            raise UnusableModel(f"{version.name}: {fault}") from fault
        except (ValueError, TypeError, LookupError, ArithmeticError) as fault:
            log.exception("model %s cannot score", version.name)
            raise UnusableModel(
                f"{version.name} cannot score ({type(fault).__name__}). Train it again."
            ) from fault

    return assess


def _importance(model: learned.Learned, version: ModelVersion) -> dict[str, float]:
    """Mean |contribution| of each feature in training: the artefact's own word, else the model card's."""
    told = getattr(model, "importance", None) or (version.card or {}).get("importance") or {}
    return {key: float(value) for key, value in dict(told).items()}


def _min_coverage(version: ModelVersion) -> float:
    return float(version.parameters.get("min_coverage", MIN_COVERAGE))


def stand_in(live: ModelVersion, *, now: datetime) -> Scorer:
    """What scores in the place of a live model that cannot: what was live before it, then the seed's composite."""
    for version in _instead(live, now=now):
        try:
            return scorer(version, now=now)
        except UnusableModel:
            continue
    raise AssertionError("The composite can always be used.")


def _instead(live: ModelVersion, *, now: datetime) -> list[ModelVersion]:
    """The versions that were live before this one, the latest first, and the seed's composite."""
    if live.pk not in _found_instead:
        ModelVersion.objects.bulk_create(
            [ModelVersion(name=FIRST_MODEL, kind=KIND, parameters=PARAMETERS, created_at=now)],
            ignore_conflicts=True,
        )
        # The seed's own: another composite may be a candidate that nobody let through.
        first = _light().get(name=FIRST_MODEL)
        replaced = (
            Promotion.objects.filter(outcome=Promotion.Outcome.PROMOTED, replaced__isnull=False)
            .exclude(replaced=live)
            # What somebody took back was wrong: it stands in for nobody.
            .filter(replaced__taken_back_at__isnull=True)
            .order_by("-pk")
            .values_list("replaced", flat=True)
        )
        before = list(dict.fromkeys(replaced[:_LOOKED_BACK]))
        found = _light().in_bulk(before)
        _found_instead[live.pk] = [*(found[pk] for pk in before if pk != first.pk), first]
    return _found_instead[live.pk]


def _note(live: ModelVersion, why: UnusableModel, *, scored_with: ModelVersion, now: datetime) -> None:
    """Tells the administrators, once while it lasts: a row for the pages, a finding for the mail."""
    log.error("model %s cannot be used, %s scores: %s", live.name, scored_with.name, why)
    if ModelFault.objects.filter(version=live, over_at__isnull=True).exists():
        return
    ModelFault.objects.bulk_create(
        [ModelFault(version=live, says=str(why), noticed_at=now, scored_with=scored_with.name)],
        ignore_conflicts=True,
    )
    Finding.objects.bulk_create(
        [
            Finding(
                model=live,
                kind=Finding.Kind.MODEL_FAULT,
                opened_at=now,
                last_seen_at=now,
                measured=0,
                cases=0,
                says=f"{why} “{scored_with.name}” scores in its place, so nobody is without a risk.",
                mend="The next night trains another one, which the gate compares with what scores now. Do not wait for"
                " it if you know better: manage.py train and promote, or take the live model back.",
            )
        ],
        ignore_conflicts=True,
    )


def _findings(version: ModelVersion) -> QuerySet[Finding]:
    return Finding.objects.open().filter(model=version, kind=Finding.Kind.MODEL_FAULT)
