from django.apps import AppConfig


class CoachingConfig(AppConfig):
    name = "coaching"

    def ready(self) -> None:
        from coaching import open_pages
        from consent.record import withdrawn

        withdrawn.connect(open_pages.on_withdrawn, dispatch_uid="open_pages")
