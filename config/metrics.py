"""`/metrics`: what Prometheus reads (text format 0.0.4). Gauges only, computed when asked from rows that exist anyway.

A part of the product adds its own by registering a function that yields samples.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.health import waiting


class Sample(NamedTuple):
    """One gauge's value under some labels. None is left out: not known is not nought."""

    value: float | None
    labels: dict[str, str]


class Gauge(NamedTuple):
    """A figure, what it means, and how to get it as of a moment."""

    name: str
    help: str
    read: Callable[[datetime], Iterable[Sample]]


GAUGES: list[Gauge] = []


def gauge(name: str, help: str) -> Callable[[Callable[[datetime], Iterable[Sample]]], None]:
    """Registers a gauge; ``name`` gets the product's prefix."""

    def register(read: Callable[[datetime], Iterable[Sample]]) -> None:
        GAUGES.append(Gauge(f"rekindle_{name}", help, read))

    return register


@gauge("oldest_waiting_seconds", "Age of the oldest row each stage has still to take up.")
def _stages(now: datetime) -> Iterator[Sample]:
    for stage, seconds in waiting(now=now).items():
        yield Sample(seconds or 0.0, {"stage": stage})


@gauge("quality_findings_open", "Open findings about a source, by kind.")
def _findings(now: datetime) -> Iterator[Sample]:
    from signals.models import Finding

    rows = Finding.objects.open().order_by().values_list("source__name", "kind").annotate(number=Count("pk"))
    for source, kind, number in rows:
        yield Sample(number, {"source": source, "kind": kind})


@gauge("source_statements_today", "Statements of this UTC day, as far as they are counted.")
def _today(now: datetime) -> Iterator[Sample]:
    from signals.models import SourceDay

    rows = SourceDay.objects.filter(day=now.astimezone(UTC).date()).order_by("source")
    for source, statements in rows.values_list("source__name", "statements"):
        yield Sample(statements, {"source": source})


@gauge("source_silent_seconds", "Time since a source in use last sent something.")
def _silence(now: datetime) -> Iterator[Sample]:
    from signals.models import SourceDay

    rows = SourceDay.objects.filter(source__is_active=True).order_by().values_list("source__name")
    for source, last_at in rows.annotate(last_at=Max("last_at")):
        yield Sample((now - last_at).total_seconds(), {"source": source})


@gauge("tally_behind_seconds", "How far counting what came is behind the clock.")
def _tally(now: datetime) -> Iterator[Sample]:
    from signals.models import TallyMark

    through = TallyMark.objects.values_list("through", flat=True).first()
    yield Sample((now - through).total_seconds() if through else None, {})


@gauge("quarantine_waiting", "Quarantined statements that wait for somebody, by reason.")
def _quarantine(now: datetime) -> Iterator[Sample]:
    from signals import quarantine

    for reason, number in quarantine.waiting().items():
        yield Sample(number, {"reason": reason})


@gauge(
    "feature_faults",
    "Definitions of features that raised within a day and counted as unknown: how often since the first.",
)
def _feature_faults(now: datetime) -> Iterator[Sample]:
    from signals.features.faults import lately

    for fault in lately(now=now):
        yield Sample(fault.times, {"feature": fault.key, "fault": fault.fault})


def render(*, now: datetime) -> str:
    """Every gauge in Prometheus's text format."""
    lines = []
    for one in GAUGES:
        samples = [sample for sample in one.read(now) if sample.value is not None]
        lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} gauge"]
        lines += [f"{one.name}{_labels(sample.labels)} {sample.value!r}" for sample in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(labels.items()))
    return "{" + pairs + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@login_not_required  # asked by a machine that cannot sign in: it shows METRICS_TOKEN instead
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The gauges, for the bearer of METRICS_TOKEN and for administrators; nobody else gets more than 401."""
    if not (_bears_token(request) or getattr(request.user, "is_staff", False)):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(render(now=timezone.now()), content_type="text/plain; version=0.0.4; charset=utf-8")


def _bears_token(request: HttpRequest) -> bool:
    wanted: str = settings.METRICS_TOKEN
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return bool(wanted) and kind.lower() == "bearer" and hmac.compare_digest(token.encode(), wanted.encode())
