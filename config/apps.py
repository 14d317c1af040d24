from django.apps import AppConfig


class RekindleConfig(AppConfig):
    """Holds the commands that span the apps, and connects "work is left" to the queue."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from django.contrib import admin
        from django.contrib.auth.models import Group

        from config import tasks
        from interventions.wake import work_left
        from signals.ingest import stored

        # Roles are a set on the user; Django's groups would be a second answer to the same question.
        if admin.site.is_registered(Group):
            admin.site.unregister(Group)
        stored.connect(tasks.on_stored, dispatch_uid="stored")
        work_left.connect(tasks.on_work_left, dispatch_uid="work_left")
