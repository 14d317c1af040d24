"""The human end of an episode."""

from datetime import datetime

from django.db import transaction

from interventions import route
from interventions.models import Episode, HelpRequest


def settle(*, episode: Episode, recovered: bool, now: datetime, was_needed: bool = True) -> None:
    """Ends the episode by a person's word. The same trouble is left alone for the policy's ``declined_days``.

    ``was_needed`` False: the flag was wrong. That is no recovery, whatever was done meanwhile.
    """
    end = "not_needed" if not was_needed else "recovered" if recovered else "settled"
    with transaction.atomic():
        route.end_episodes(episode_ids=[episode.pk], end=end, now=now)
        HelpRequest.objects.filter(enrolment_id=episode.enrolment_id, answered_at__isnull=True).update(
            answered_at=now
        )
        route.look_again([episode.enrolment_id], at=now)
