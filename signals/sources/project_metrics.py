"""What projects measure about somebody's work: one number per person, metric and period."""

from typing import Any

from signals.sources import wording
from signals.sources.base import Delivered, Fact
from signals.sources.tables import Row, TableSource

TYPE = wording.OWN + "activity-types/metric"
PERIOD = wording.OWN + "period"
UNIT = wording.OWN + "unit"


class ProjectMetrics(TableSource):
    name = "project_metrics"
    label = "Project metrics (CSV)"
    required = ("person", "metric", "value", "period")
    optional = ("unit", "project")

    def fact(self, row: Row, line: int, delivered: Delivered) -> Fact:
        actor = wording.person(row["person"])
        metric = wording.thing("metric", row["metric"], TYPE)
        value = wording.number(row["value"], "value")
        ends = wording.last_day(row["period"])
        extensions: dict[str, Any] = {PERIOD: row["period"].upper()}
        if row["unit"]:
            extensions[UNIT] = row["unit"][: wording.LONGEST_NAME]
        context: dict[str, Any] = {"extensions": extensions}
        project = ""
        if row["project"]:
            place = wording.thing("project", row["project"], wording.OWN + "activity-types/project")
            context["contextActivities"] = {"category": [place]}
            project = place["id"]
        statement = {
            "actor": actor,
            "verb": {"id": wording.VERBS + "measured"},
            "object": metric,
            "result": {"score": {"raw": value}},
            "context": context,
            "timestamp": wording.stamp(wording.noon(ends)),
        }
        key = (wording.name_of(actor), metric["id"], project, row["period"].upper())
        return Fact(line, key, statement)
