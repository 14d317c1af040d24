"""Where Git forges call: one address a feed, below /sources/hooks/."""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from signals.models import Feed
from signals.sources import SOURCES, Delivered, FileRefused, Origin, bring_in
from signals.sources.git_forge import LARGEST_DELIVERY, Call, GitForge, NotSigned
from signals.sources.importing import AlreadyTakenIn


@csrf_exempt
@login_not_required  # a machine calls, and proves who it is by the secret it shares with us
@never_cache
@require_POST
def hook(request: HttpRequest, name: str) -> HttpResponse:
    """Takes in one delivery: 200 with what came of it, also the second time; 401 for an unknown name or signature."""
    feed = Feed.objects.filter(name=name, source=GitForge.name, is_active=True).first()
    call = Call(request.headers)
    try:
        body = request.body
        if len(body) > LARGEST_DELIVERY:
            raise RequestDataTooBig
        # A feed that is not there takes as long, and is answered the same.
        call.check(body, feed.secret if feed is not None else "")
        if feed is None:
            raise NotSigned
    except NotSigned:
        return JsonResponse({"error": "Not signed with this feed's secret."}, status=401)
    except RequestDataTooBig:
        return JsonResponse({"error": "The delivery is too large."}, status=413)
    if not call.delivery:
        return JsonResponse({"error": "The delivery has no id of its own."}, status=400)
    source = SOURCES[feed.source]
    try:
        report = bring_in(
            source,
            source.read(Delivered(body, feed=feed)),
            clock=timezone.now,
            origin=Origin(feed=feed, delivery=call.delivery),
        )
    except AlreadyTakenIn:
        return JsonResponse({"taken_in": "before"})
    except FileRefused as refused:
        return JsonResponse({"error": str(refused)}, status=400)
    return JsonResponse(
        {
            "new": report.new,
            "same": report.same,
            "changed": report.changed,
            "refused": report.refused,
            "quarantined": report.quarantined,
        }
    )
