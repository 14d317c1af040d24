from django.apps import AppConfig


class RekindleConfig(AppConfig):
    """Holds the commands that span the apps, and connects "work is left" to the queue."""

    name = "config"
    label = "config"
