from django.apps import AppConfig


class RekindleConfig(AppConfig):
    """Holds the commands that span the apps, and connects "work is left" to the queue."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from config import checks as checks
        from config import tasks
        from interventions.wake import work_left
        from signals.ingest import stored

        stored.connect(tasks.on_stored, dispatch_uid="stored")
        work_left.connect(tasks.on_work_left, dispatch_uid="work_left")
