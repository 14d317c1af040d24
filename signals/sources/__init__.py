"""Sources other than the record store's own clients. How to add one: docs/sources.md."""

from signals.sources.base import Delivered, Fact, FileRefused, Problem, Source, Unusable
from signals.sources.certificates import Certificates
from signals.sources.git_forge import GitForge
from signals.sources.importing import Origin, Report, bring_in
from signals.sources.meetings import Meetings
from signals.sources.moodle import Moodle
from signals.sources.open_badges import OpenBadges
from signals.sources.project_metrics import ProjectMetrics
from signals.sources.ratings import Ratings

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Certificates(),
        GitForge(),
        Meetings(),
        Moodle(),
        OpenBadges(),
        ProjectMetrics(),
        Ratings(),
    )
}

__all__ = [
    "SOURCES",
    "Delivered",
    "Fact",
    "FileRefused",
    "Origin",
    "Problem",
    "Report",
    "Source",
    "Unusable",
    "bring_in",
]
