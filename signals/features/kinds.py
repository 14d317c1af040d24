"""What kind of material an activity is, by the type its source gives it: one mapping for every engine.

Events carry a keyed hash of the type's IRI, so the mapping is from hash to kind. A type that nobody listed is
"other"; so is an activity without a type.
"""

from functools import lru_cache

from signals.xapi.keys import activity_type_key

KINDS = ("content", "assessment", "discussion", "file", "page", "media", "meeting", "other")

_ADL = "http://adlnet.gov/expapi/activities/"
_ACTIVITY_STREAMS = "http://activitystrea.ms/schema/1.0/"
_TINCAN = "http://id.tincanapi.com/activitytype/"
_OU = "https://ou.example/activity-types/"  # the Open University's own words, under the sample's root

TYPES: dict[str, tuple[str, ...]] = {
    "content": (
        *(_ADL + name for name in ("lesson", "module", "course", "interaction", "simulation", "objective")),
        *(_TINCAN + name for name in ("tutorial", "playlist", "section", "chapter", "slide-deck", "slide")),
        "https://w3id.org/xapi/cmi5/activitytype/block",
        "https://w3id.org/xapi/cmi5/activitytype/course",
        *(_OU + name for name in ("oucontent", "glossary", "htmlactivity", "dualpane", "dataplus")),
    ),
    "assessment": (
        *(_ADL + name for name in ("assessment", "question", "cmi.interaction", "performance")),
        *(_TINCAN + name for name in ("school-assignment", "survey", "checklist", "checklist-item")),
        *(_OU + name for name in ("quiz", "externalquiz", "questionnaire")),
    ),
    "discussion": (
        *(_ACTIVITY_STREAMS + name for name in ("comment", "note", "question", "review")),
        *(_TINCAN + name for name in ("forum", "forum-reply", "forum-topic", "discussion", "chat-message")),
        "http://adlnet.gov/expapi/activities/discussion",
        *(_OU + name for name in ("forumng", "ouwiki", "forum", "wiki", "blog", "oublog")),
    ),
    "file": (
        _ADL + "file",
        *(_ACTIVITY_STREAMS + name for name in ("file", "image", "bookmark")),
        *(_TINCAN + name for name in ("document", "book", "resource", "paper")),
        *(_OU + name for name in ("resource", "folder")),
    ),
    "page": (
        _ADL + "link",
        *(_ACTIVITY_STREAMS + name for name in ("page", "article", "collection")),
        *(_TINCAN + name for name in ("webpage", "site", "category")),
        *(
            _OU + name
            for name in ("homepage", "subpage", "page", "url", "sharedsubpage", "repeatactivity", "theme")
        ),
    ),
    "media": (
        _ADL + "media",
        "https://w3id.org/xapi/video/activity-type/video",
        "https://w3id.org/xapi/audio/activity-type/audio",
        *(_ACTIVITY_STREAMS + name for name in ("video", "audio")),
        *(_TINCAN + name for name in ("recording", "podcast")),
    ),
    "meeting": (
        _ADL + "meeting",
        _ACTIVITY_STREAMS + "event",
        *(_TINCAN + name for name in ("conference", "conference-session", "webinar", "virtual-classroom")),
        "https://w3id.org/xapi/acrossx/activities/online-meeting",
        *(_OU + name for name in ("oucollaborate", "ouelluminate")),
    ),
}


@lru_cache(maxsize=1)
def kind_of_type() -> dict[int, str]:
    """Hash of an activity type's IRI, as events carry it → kind. Types that are not here are "other"."""
    return {activity_type_key(iri): kind for kind, iris in TYPES.items() for iri in iris}


@lru_cache(maxsize=1)
def kind_table() -> tuple[list[int], list[int]]:
    """The same as two columns for SQL: hashes, and each kind's place in KINDS."""
    kinds = kind_of_type()
    return list(kinds), [KINDS.index(kind) for kind in kinds.values()]
