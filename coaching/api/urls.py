"""The addresses of the API. A version that changes what it means gets a prefix of its own."""

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from coaching.api import card, views

_VERSION_1: list[URLPattern] = [
    path("learners/find/", views.FindLearner.as_view(), name="api_find_learner"),
    path("learners/<uuid:learner_id>/risk/", views.Risks.as_view(), name="api_risk"),
    path("learners/<uuid:learner_id>/suggestions/", views.Suggestions.as_view(), name="api_suggestions"),
    path(
        "learners/<uuid:learner_id>/suggestions/<uuid:decision_id>/answer/",
        views.Answers.as_view(),
        name="api_answer",
    ),
    path("episodes/", views.Episodes.as_view(), name="api_episodes"),
    path("policy/", views.PolicyInForce.as_view(), name="api_policy"),
    path("card-passes/", views.CardPasses.as_view(), name="api_card_passes"),
    path("card/", card.Card.as_view(), name="api_card"),
    path("card/<uuid:decision_id>/answer/", card.CardAnswer.as_view(), name="api_card_answer"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        "schema/",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[], throttle_classes=[]),
        name="api_schema",
    ),
    path("v1/", include(_VERSION_1)),
]
