from django.apps import AppConfig


class InterventionsConfig(AppConfig):
    name = "interventions"

    def ready(self) -> None:
        from interventions.foresee import foresee
        from interventions.trust import bounds, objection
        from signals.preview import foresee_with
        from signals.risk.disagreements import band_with
        from signals.trust import object_with

        foresee_with(foresee)
        object_with(objection)
        band_with(bounds)
