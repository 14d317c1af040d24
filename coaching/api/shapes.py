"""What the API takes and gives, field by field. No number that grades a person is among them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from interventions.models import Answer, ApiToken, Decision, Episode

BANDS = ("low", "medium", "high")


class CourseShape(serializers.Serializer):
    iri = serializers.CharField()
    name = serializers.CharField()


class IdentifierShape(serializers.Serializer):
    """How the asking system names the learner: one of the two."""

    mbox = serializers.CharField(required=False, max_length=320, help_text="mailto:robin@works.example")
    account = serializers.DictField(
        required=False, child=serializers.CharField(max_length=500), help_text="homePage and name, as in xAPI"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give either mbox or account.")
        if "account" in attrs and set(attrs["account"]) != {"homePage", "name"}:
            raise serializers.ValidationError("An account has a homePage and a name.")
        return attrs


class FoundShape(serializers.Serializer):
    learner = serializers.UUIDField()


class RiskShape(serializers.Serializer):
    """One course: how much help may be useful now, in a word and in sentences."""

    course = CourseShape()
    band = serializers.ChoiceField(
        choices=BANDS, allow_null=True, help_text="null: too little is known to say anything"
    )
    reasons = serializers.ListField(child=serializers.CharField())
    strengths = serializers.ListField(child=serializers.CharField())
    missing = serializers.ListField(child=serializers.CharField(), help_text="what is not known")
    computed_at = serializers.DateTimeField(allow_null=True)


class LessonShape(serializers.Serializer):
    key = serializers.CharField()
    title = serializers.CharField()
    url = serializers.CharField()


class SuggestionShape(serializers.Serializer):
    id = serializers.UUIDField()
    sent_at = serializers.DateTimeField()
    course = CourseShape()
    subject = serializers.CharField()
    body = serializers.CharField()
    lesson = LessonShape(allow_null=True)
    why = serializers.ListField(child=serializers.CharField())
    looked_at = serializers.CharField(
        allow_blank=True,
        help_text="whether a person looked at it before it was sent; empty: nothing was sent",
    )
    answer = serializers.ChoiceField(choices=Answer.Kind.choices, allow_null=True)


class AnswerShape(serializers.Serializer):
    """One of the four answers; words only where a person is asked for."""

    kind = serializers.ChoiceField(choices=Answer.Kind.choices)
    text = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)


class StepShape(serializers.Serializer):
    """One decision to act, and what became of it."""

    at = serializers.DateTimeField()
    action = serializers.CharField()
    by_itself = serializers.BooleanField(help_text="it needed nobody's yes: its route has earned that")
    reached_at = serializers.DateTimeField(allow_null=True, help_text="when it reached the learner")
    answer = serializers.CharField(allow_null=True)
    not_sent_because = serializers.CharField(allow_null=True)


class EpisodeShape(serializers.ModelSerializer):
    learner = serializers.UUIDField(source="enrolment.learner_id")
    course = CourseShape(source="enrolment.course")
    steps = serializers.SerializerMethodField()

    class Meta:
        model = Episode
        fields = (
            "id",
            "learner",
            "course",
            "triggers",
            "ladder",
            "opened_at",
            "failed_attempts",
            "closed_at",
            "end",
            "steps",
        )

    @extend_schema_field(StepShape(many=True))
    def get_steps(self, episode: Any) -> list[dict[str, Any]]:
        return list(StepShape([_step(decision) for decision in episode.acting], many=True).data)


def _step(decision: Decision) -> dict[str, Any]:
    answer, suppression = getattr(decision, "answer", None), getattr(decision, "suppression", None)
    attempt = getattr(decision, "attempt", None)
    return {
        "at": decision.at,
        "action": decision.action,
        "by_itself": "by_itself" in decision.reasons,
        "reached_at": attempt.reached_at if attempt else None,
        "answer": answer.kind if answer else None,
        "not_sent_because": suppression.reason if suppression else None,
    }


class PolicyShape(serializers.Serializer):
    version = serializers.IntegerField()
    live_at = serializers.DateTimeField()
    reason = serializers.CharField()
    document = serializers.DictField()


class WhoShape(serializers.Serializer):
    """Whose card the pass is for."""

    learner = serializers.UUIDField()


class PassShape(serializers.Serializer):
    token = serializers.CharField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)


class CardShape(serializers.Serializer):
    """What the embedded card shows."""

    language = serializers.CharField()
    words = serializers.DictField(child=serializers.CharField())
    listens_to = serializers.CharField()
    heard = serializers.CharField()
    suggestions = SuggestionShape(many=True)


class ProblemShape(serializers.Serializer):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(required=False)
    errors = serializers.JSONField(required=False)


SCOPES = ApiToken.Scope
