"""The learning record store's addresses, below /xapi/."""

from django.urls import URLPattern, path

from signals.xapi.views.about import about
from signals.xapi.views.activities import activities, agents
from signals.xapi.views.documents import activity_profile, agent_profile, state
from signals.xapi.views.statements import statements

urlpatterns: list[URLPattern] = [
    path("statements", statements, name="xapi_statements"),
    path("activities", activities, name="xapi_activities"),
    path("activities/state", state, name="xapi_state"),
    path("activities/profile", activity_profile, name="xapi_activity_profile"),
    path("agents", agents, name="xapi_agents"),
    path("agents/profile", agent_profile, name="xapi_agent_profile"),
    path("about", about, name="xapi_about"),
]
