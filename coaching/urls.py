"""The addresses of what people see and do."""

from django.urls import URLPattern, path

from coaching.views import entry, evidence, inbox, links, looks, me, profile, quality, team

urlpatterns: list[URLPattern] = [
    path("", entry.home, name="home"),
    path("sign-in/", entry.sign_in, name="sign_in"),
    path("sign-out/", entry.sign_out, name="sign_out"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<uuid:case_id>/", inbox.inbox, name="case"),
    path("inbox/second-looks/", looks.second_looks, name="second_looks"),
    path("inbox/second-looks/<uuid:look_id>/", looks.second_looks, name="second_look"),
    path("inbox/<uuid:case_id>/evidence/<slug:signal>/", evidence.of_case, name="case_evidence"),
    path("me/courses/<int:enrolment_id>/evidence/<slug:signal>/", evidence.of_mine, name="my_evidence"),
    path("me/statements/<uuid:statement_id>/", evidence.my_statement, name="my_statement"),
    path("statements/<uuid:statement_id>/", evidence.statement, name="statement"),
    path("team/", team.my_team, name="team"),
    path("team/<uuid:ask_id>/", team.answer_ask, name="ask"),
    path("quality/", quality.sources, name="quality"),
    path("quality/findings/<int:finding_id>/normal/", quality.call_normal, name="call_normal"),
    path("me/", me.me, name="me"),
    path("me/suggestions/<uuid:decision_id>/", me.answer, name="answer"),
    path("me/courses/<int:enrolment_id>/", me.ask, name="speak_up"),
    path("me/choices/", me.choices, name="choices"),
    path("me/profile/", profile.profile, name="profile"),
    path("me/history/", me.history, name="history"),
    path("me/lessons/<slug:key>/", me.lesson, name="lesson"),
    path("me/data/", me.my_data, name="my_data"),
    path("answers/<str:token>/", links.answer, name="answer_link"),
    path("unsubscribe/<str:token>/", links.unsubscribe, name="unsubscribe"),
    path("calendar/<str:token>/", links.calendar_entry, name="calendar_entry"),
]
