"""Django's settings, from the environment alone. What each variable means: docs/operations.md."""

from datetime import timedelta
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from config.env import (
    BASE_DIR,
    DEVELOPMENT_FIELD_KEYS,
    DEVELOPMENT_SECRET_KEY,
    ENVIRONMENT,
    PRODUCTION,
    VAR_DIR,
    env,
)
from config.keys import keys_of, weakness
from config.logging import configuration as logging_configuration
from config.schedule import BEAT_SCHEDULE

IN_PRODUCTION = ENVIRONMENT == PRODUCTION
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default=DEVELOPMENT_SECRET_KEY)
# Former ones, comma-separated: what they signed is good until they are taken out, and nothing new is signed by them.
SECRET_KEY_FALLBACKS = keys_of(env.str("SECRET_KEY_FALLBACKS", default=""))
FIELD_KEYS = env.str("FIELD_KEYS", default=DEVELOPMENT_FIELD_KEYS)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

if IN_PRODUCTION:
    for name, value, default in (
        ("SECRET_KEY", SECRET_KEY, DEVELOPMENT_SECRET_KEY),
        ("FIELD_KEYS", FIELD_KEYS, DEVELOPMENT_FIELD_KEYS),
    ):
        if value == default:
            raise ImproperlyConfigured(f"Production needs its own {name}; set {name} or {name}_FILE.")
    for number, former in enumerate(SECRET_KEY_FALLBACKS, 1):
        if fault := weakness(former, present=SECRET_KEY):
            raise ImproperlyConfigured(f"SECRET_KEY_FALLBACKS, key {number}: {fault}")
    for name in ("DATABASE_URL", "REDIS_URL"):
        if not env.str(name, default=""):
            raise ImproperlyConfigured(f"Production does not run on the embedded services; set {name}.")

INSTALLED_APPS = [
    "coaching.apps.CoachingConfig",
    "interventions.apps.InterventionsConfig",
    "signals.apps.SignalsConfig",
    "learners.apps.LearnersConfig",
    "consent.apps.ConsentConfig",
    "config.admin.RekindleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "template_partials",
    "config.apps.RekindleConfig",  # last: it connects what the others have set up
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Signing in is required everywhere; a view that says otherwise uses @login_not_required.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The commands in bin/ start the embedded PostgreSQL and Valkey where these are unset, and set them.
DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres://rekindle@127.0.0.1:5432/rekindle")}
# A unix socket's directory is percent-encoded (postgres://name@%2Frun%2Fpg/db), as libpq has it too.
DATABASES["default"]["HOST"] = unquote(DATABASES["default"]["HOST"])
DATABASES["default"]["CONN_MAX_AGE"] = 600
# Compiling our queries costs seconds and saves milliseconds: they are many joins over few rows.
DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c jit=off"
# Lets those queries be prepared that ask for it (consent.arrays.fetch); by default Django's connections prepare none.
# Django's own, whose text changes with every value, would never be asked for again: hence a number never reached.
DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 2**31
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# Celery has its own spelling for a unix socket (unix:///run/valkey.sock?db=0).
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# How often one credential of the record store may ask in a minute, unless its own row says otherwise (0: no limit),
# and how often one address or key may be wrong.
LRS_REQUESTS_PER_MINUTE = env.int("LRS_REQUESTS_PER_MINUTE", default=60_000)
LRS_FAILED_SIGN_INS_PER_MINUTE = env.int("LRS_FAILED_SIGN_INS_PER_MINUTE", default=30)
# How many faulty statements of one source wait in quarantine before more are turned away.
QUARANTINE_MOST_WAITING = env.int("QUARANTINE_MOST_WAITING", default=100_000)
RATE_LIMIT_URL = REDIS_URL
# How many proxies of ours stand in front and add to X-Forwarded-For; 0 takes the connection's own address.
PROXIES_IN_FRONT = env.int("PROXIES_IN_FRONT", default=0)

AUTH_USER_MODEL = "learners.User"
AUTHENTICATION_BACKENDS = ["learners.auth.HashedLoginBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
USE_TZ = True
# The organisation's own zone; a person whose zone is unknown is treated as being here.
TIME_ZONE = "UTC"
ORGANISATION_TIME_ZONE = env.str("ORGANISATION_TIME_ZONE", default="Europe/London")
# The public holidays of units that name none, as DE or DE-BY; empty: none.
ORGANISATION_HOLIDAYS = env.str("ORGANISATION_HOLIDAYS", default="")

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if IN_PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not IN_PRODUCTION

# Without EMAIL_URL nothing leaves the machine: mail is written to files below var/outbox.
EMAIL_URL = env.str("EMAIL_URL", default="")
DELIVERY_SANDBOX = not EMAIL_URL
if DELIVERY_SANDBOX:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(VAR_DIR / "outbox")
else:
    globals().update(env.email_url("EMAIL_URL"))
# A provider's interface in the place of SMTP (django-anymail): its name there, such as postmark, and its settings as
# JSON. It reports bounces to /mail/events/, and signs them with what its settings say.
EMAIL_PROVIDER = env.str("EMAIL_PROVIDER", default="")
if EMAIL_PROVIDER:
    DELIVERY_SANDBOX = False
    EMAIL_BACKEND = f"anymail.backends.{EMAIL_PROVIDER}.EmailBackend"
ANYMAIL = env.json("EMAIL_PROVIDER_SETTINGS", default={})
EMAIL_TIMEOUT = env.int(
    "EMAIL_TIMEOUT", default=20
)  # seconds; without one a silent server holds a worker for ever
# Where mail servers return what they cannot deliver, such as bounces@example.com; each mail gets one of its own, with a
# signed part after a "+". And the mailbox in which they arrive: imaps://user:password@host/INBOX.
BOUNCE_ADDRESS = env.str("BOUNCE_ADDRESS", default="")
BOUNCE_MAILBOX_URL = env.str("BOUNCE_MAILBOX_URL", default="")
# Private networks (CIDR) that webhooks and chat may be sent to; everything private is refused otherwise.
OUTGOING_PRIVATE_NETWORKS = env.list("OUTGOING_PRIVATE_NETWORKS", default=[])
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Rekindle <no-reply@localhost>")
# The version of xAPI an answer carries where the request names none.
XAPI_VERSION = env.str("XAPI_VERSION", default="2.0.0")
# Content in a browser may talk to the record store from any origin: it needs a credential, and no cookie counts there.
CORS_URLS_REGEX = r"^/xapi/"
CORS_ALLOWED_ORIGINS = env.list("XAPI_ORIGINS", default=[])
CORS_ALLOW_ALL_ORIGINS = not CORS_ALLOWED_ORIGINS
CORS_ALLOW_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
CORS_ALLOW_HEADERS = (
    "accept",
    "accept-language",
    "authorization",
    "content-encoding",
    "content-type",
    "if-match",
    "if-none-match",
    "x-experience-api-version",
    "x-rekindle-intake",
)
CORS_EXPOSE_HEADERS = (
    "etag",
    "last-modified",
    "retry-after",
    "www-authenticate",
    "x-experience-api-version",
    "x-experience-api-consistent-through",
)
# The API: tokens of its own, JSON only. A view that declares no scope lets nobody in.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["coaching.api.access.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["coaching.api.access.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["coaching.api.access.PerToken"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "coaching.api.problems.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rekindle",
    "DESCRIPTION": "What an LMS's page or another system may read and say about a learner. See docs/api.md.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "ENUM_NAME_OVERRIDES": {"AnswerEnum": "interventions.models.Answer.Kind"},
}
# Origins whose pages may show a learner's card, in a frame or as a component; none by default.
CARD_ORIGINS = env.list("CARD_ORIGINS", default=[])
# Who is told of findings about the data: addresses; unset: all administrators; set to nothing: nobody.
QUALITY_ALERTS_TO = env.list("QUALITY_ALERTS_TO", default=None)
# What Prometheus shows to read /metrics; empty: only administrators may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")

# The cold store: encrypted Parquet files, one a month and kind. May be a mounted volume; back it up as the database.
ARCHIVE_DIR = env.str("ARCHIVE_DIR", default=str(VAR_DIR / "archive"))
# So many whole months stay in PostgreSQL; `manage.py retention` leaves older ones to the cold store. 0: all stay.
HOT_MONTHS = env.int("HOT_MONTHS", default=24)

DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024  # a batch of statements, or a file that comes with one
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if IN_PRODUCTION:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds())
    CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])

LOGGING = logging_configuration(as_json=IN_PRODUCTION)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
