"""`/healthz`: this process lives. `/readyz`: it can work, and how far each stage of the path is behind."""

import contextlib
from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

# When the oldest row was left that the stage has still to take up; None when there is none.
Probe = Callable[[datetime], datetime | None]
STAGES: dict[str, Probe] = {}


def stage(name: str) -> Callable[[Probe], Probe]:
    """Registers a probe under its stage's name; reported in this file's order: the path's."""

    def register(probe: Probe) -> Probe:
        STAGES[name] = probe
        return probe

    return register


@stage("refresh")
def _refresh(now: datetime) -> datetime | None:
    from signals.models import EnrolmentMark

    oldest: datetime | None = EnrolmentMark.objects.aggregate(at=Min("dirty_since"))["at"]
    return oldest


@stage("evaluate")
def _evaluate(now: datetime) -> datetime | None:
    from signals.models import Risk

    oldest: datetime | None = Risk.objects.aggregate(at=Min("unread_since"))["at"]
    return oldest


@stage("deliver")
def _deliver(now: datetime) -> datetime | None:
    from interventions.models import Delivery

    due = Delivery.objects.filter(state=Delivery.State.QUEUED, due_at__lte=now)
    oldest: datetime | None = due.aggregate(at=Min("due_at"))["at"]
    return oldest


@stage("enrol")
def _enrol(now: datetime) -> datetime | None:
    from interventions.models import PlatformEnrolment

    due = PlatformEnrolment.objects.filter(state=PlatformEnrolment.State.QUEUED, due_at__lte=now)
    oldest: datetime | None = due.aggregate(at=Min("due_at"))["at"]
    return oldest


@stage("webhooks")
def _webhooks(now: datetime) -> datetime | None:
    from interventions.models import WebhookMessage

    due = WebhookMessage.objects.filter(
        state=WebhookMessage.State.QUEUED, due_at__lte=now, endpoint__is_active=True
    )
    oldest: datetime | None = due.aggregate(at=Min("due_at"))["at"]
    return oldest


@stage("collect")
def _collect(now: datetime) -> datetime | None:
    from interventions.models import Approval

    waiting_for_case = Approval.objects.filter(collected_at=None, state=Approval.State.WAITING)
    oldest: datetime | None = waiting_for_case.aggregate(at=Min("asked_at"))["at"]
    return oldest


@stage("tally")
def _tally(now: datetime) -> datetime | None:
    from signals.models import Statement, TallyMark

    through = TallyMark.objects.values_list("through", flat=True).first()
    uncounted = Statement.objects.order_by("stored")
    oldest: datetime | None = (
        (uncounted.filter(stored__gte=through) if through else uncounted)
        .values_list("stored", flat=True)
        .first()
    )
    return oldest


@stage("seal")
def _seal(now: datetime) -> datetime | None:
    from consent.models import AuditEntry

    oldest: datetime | None = AuditEntry.objects.filter(seal=None).aggregate(at=Min("at"))["at"]
    return oldest


@login_not_required  # asked by machines that cannot sign in; tells nothing about anybody
@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Says "ok", whatever the state of the database: restarting us would not mend that."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required  # as above: counts seconds, names nobody
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 with the age of each stage's oldest waiting row, or 503 with what does not answer."""
    answer: dict[str, object] = {"database": _database(), "redis": _redis()}
    is_ready = all(state == "ok" for state in answer.values())
    if is_ready:
        answer["oldest_waiting_seconds"] = waiting(now=timezone.now())
    return JsonResponse({"ready": is_ready, **answer}, status=200 if is_ready else 503)


def waiting(*, now: datetime) -> dict[str, float | None]:
    """Per stage, how many seconds its oldest unprocessed row has waited; None where nothing waits."""
    oldest = {name: probe(now) for name, probe in STAGES.items()}
    return {
        name: None if since is None else max((now - since).total_seconds(), 0.0)
        for name, since in oldest.items()
    }


def unmigrated() -> bool:
    """Whether the database lacks tables the code counts on."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


_known: set[str] = set()  # "migrated": once it is so, this process need not ask again


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if "migrated" not in _known:
            if unmigrated():
                return "is empty or behind the code: run `bin/manage migrate`"
            _known.add("migrated")
    except DatabaseError:
        with contextlib.suppress(DatabaseError):
            connection.close()
        return "does not answer"
    return "ok"


def _redis() -> str:
    try:
        cache.get("readyz")
    except (RedisError, OSError):
        return "does not answer"
    return "ok"
