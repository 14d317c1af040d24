from django.apps import AppConfig


class InterventionsConfig(AppConfig):
    name = "interventions"

    def ready(self) -> None:
        from interventions.foresee import foresee
        from signals.preview import foresee_with

        foresee_with(foresee)
