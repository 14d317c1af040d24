"""Where a mail provider reports what became of mails it accepted: bounces and complaints.

django-anymail reads each provider's format and checks its signature or our shared secret; this view only opens the
door of the one provider that is configured, and keeps it shut where nothing would check who calls.
"""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from uuid import UUID

from anymail.signals import EventType, RejectReason, tracking
from anymail.webhooks.base import AnymailBaseWebhookView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from interventions import reachability
from interventions.models import UnreachableAddress

_TEMPORARY = re.compile(r"\s*(smtp;\s*)?4\d\d\b")
# What our provider module is called, where its backend's name is not its webhooks' name.
_MODULES = {"sendinblue": "brevo"}


@csrf_exempt
@login_not_required  # the provider calls, and proves who it is by its signature or our secret
@never_cache
def mail_events(request: HttpRequest) -> HttpResponse:
    """Takes in what the configured provider reports. 404 without one; 403 where nothing would check who calls."""
    view = _tracking_view()
    if view is None:
        raise Http404
    if view.warn_if_no_basic_auth and not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return HttpResponse("Set WEBHOOK_SECRET in EMAIL_PROVIDER_SETTINGS.", status=403)
    return view.as_view()(request)


def _tracking_view() -> type[AnymailBaseWebhookView] | None:
    if not settings.EMAIL_PROVIDER:
        return None
    name = _MODULES.get(settings.EMAIL_PROVIDER, settings.EMAIL_PROVIDER)
    try:
        module = import_module(f"anymail.webhooks.{name}")
    except ModuleNotFoundError:
        return None
    views = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, AnymailBaseWebhookView)
        and value.__module__ == module.__name__
        and key.endswith(("TrackingWebhookView", "CombinedWebhookView"))
    ]
    return views[0] if views else None


@receiver(tracking, dispatch_uid="interventions.mail_events")
def on_event(sender: Any, event: Any, esp_name: str, **_: Any) -> None:
    """A bounce or a complaint; opens and clicks are looked at by nobody, and should not be asked for."""
    kind = _kind(event)
    if kind is None or not event.recipient:
        return
    codes = " ".join(str(part) for part in (esp_name, event.event_type, event.reject_reason or "") if part)
    reachability.came_back(
        address=event.recipient,
        kind=kind,
        detail=codes,
        now=timezone.now(),
        delivery_id=_delivery(event),
    )


def _kind(event: Any) -> str | None:
    """What the event says about the address for good; None where it says nothing of the kind."""
    refused = event.event_type in (EventType.BOUNCED, EventType.REJECTED)
    if event.event_type == EventType.COMPLAINED or (refused and event.reject_reason == RejectReason.SPAM):
        return UnreachableAddress.Kind.COMPLAINED
    if (
        refused
        and event.reject_reason in (RejectReason.BOUNCED, RejectReason.INVALID)
        and not _is_soft(event)
    ):
        return UnreachableAddress.Kind.BOUNCED
    return None


def _is_soft(event: Any) -> bool:
    """A full mailbox or a server that is down: some providers report these as bounces as well."""
    raw = event.esp_event
    said = [event.description, raw.get("Type") if isinstance(raw, Mapping) else None]
    if any("soft" in str(one).lower() for one in said if one):
        return True
    return bool(_TEMPORARY.match(str(event.mta_response or "")))


def _delivery(event: Any) -> UUID | None:
    try:
        return UUID(str((event.metadata or {}).get("delivery", "")))
    except ValueError:
        return None
