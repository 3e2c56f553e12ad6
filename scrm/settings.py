"""The one settings file. Machines differ only by their environment; the safe value is the default.

Without DATABASE_URL the product is *embedded*: engines, secrets and files are private to
SCRM_DATA_DIR and it serves plain HTTP on this machine. With it, nothing is made up.
"""

from __future__ import annotations

from pathlib import Path

import django_stubs_ext
from django.templatetags.static import static
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

from scrm import embedded, env, secrets
from scrm.schedule import SCHEDULE

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where we run -----------------------------------------------------------------------------

EMBEDDED = not env.text("DATABASE_URL", default="")
EMBEDDED_VALKEY = not env.text("REDIS_URL", default="")
DATA_DIR = env.folder("SCRM_DATA_DIR", default=BASE_DIR / ".data")
PLACE = embedded.locate(DATA_DIR)
HTTPS = env.flag("SCRM_HTTPS", default=not EMBEDDED)
DEBUG = env.flag("SCRM_DEBUG")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
BIND = env.text("SCRM_BIND", default="127.0.0.1")  # where `make up` listens
PORT = env.integer("SCRM_PORT", default=8000, minimum=1, maximum=65_535)
DEMO = env.flag("SCRM_DEMO", default=EMBEDDED)  # fill an empty installation at `make up`
WEB_WORKERS = env.integer("SCRM_WEB_WORKERS", default=2, minimum=1, maximum=64)
ALLOWED_HOSTS = env.names("SCRM_HOSTS", default=LOOPBACK if EMBEDDED else ())
CSRF_TRUSTED_ORIGINS = env.names("SCRM_TRUSTED_ORIGINS")
# What links and QR codes begin with, as people outside reach us.
PUBLIC_URL = env.text(
    "SCRM_PUBLIC_URL",
    default=f"http://127.0.0.1:{PORT}" if EMBEDDED else f"https://{[*ALLOWED_HOSTS, ''][0]}",
).rstrip("/")

# --- Secrets ----------------------------------------------------------------------------------

if EMBEDDED:
    SECRET_KEY = env.text("SCRM_SECRET_KEY", default="") or secrets.kept_secret(
        DATA_DIR / "secrets" / "secret-key", secrets.secret_key
    )
    PII_KEYS = env.names("SCRM_PII_KEYS") or [
        secrets.kept_secret(DATA_DIR / "secrets" / "pii-key", secrets.encryption_key)
    ]
else:
    SECRET_KEY = env.text("SCRM_SECRET_KEY")
    PII_KEYS = env.text("SCRM_PII_KEYS").split(",")  # Fernet keys; the first encrypts, all decrypt
SECRET_KEY_FALLBACKS = env.names("SCRM_SECRET_KEY_FALLBACKS")

# --- Apps and middleware ------------------------------------------------------------------------

INSTALLED_APPS = [
    "scrm.desk",  # before unfold: its landing page takes the place of unfold's
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "scrm.desk.admin_config.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "scrm.shared",
    "scrm.accounts",
    "scrm.wecom",
    "communities",
    "members",
    "campaigns",
    "scrm.demo",
]

MIDDLEWARE = [
    "scrm.shared.request_id.RequestIDMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "scrm.shared.page_policy.PagePolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "scrm.urls"
WSGI_APPLICATION = "scrm.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------

STATEMENT_TIMEOUT_MS = env.integer(
    "SCRM_STATEMENT_TIMEOUT_MS", default=15_000, minimum=0, maximum=3_600_000
)
SESSION_LIMITS = (
    f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
    " -c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000"
)
DATABASE_URL = env.text("DATABASE_URL", default=PLACE.database_url)
DATABASES = {
    "default": {
        **env.database(
            DATABASE_URL,
            options={
                "connect_timeout": 5,
                "application_name": "scrm",
                "options": SESSION_LIMITS,
            },
        ),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}

# --- Redis: one database for the broker, one for the cache --------------------------------------

REDIS_URL = env.text("REDIS_URL", default=PLACE.redis_url)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.text("SCRM_CACHE_URL", default="") or env.redis_database(REDIS_URL, 1),
        "KEY_PREFIX": "scrm",
        "TIMEOUT": 300,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}

# Single events wait here for the next slice; must be a database that nobody empties.
ACTIVITY_STREAM_URL = REDIS_URL

# --- Celery: a message is a wake-up, the truth is a row -----------------------------------------

CELERY_BROKER_URL = env.broker(env.text("CELERY_BROKER_URL", default=REDIS_URL))
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,  # above the longest task; small is safe because nothing has an ETA
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,  # the default comes back up to 100 s late
    "unacked_restore_limit": 1000,
    "socket_timeout": 5,  # none at all hangs publishers for ever on a half-open connection
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "retry_on_timeout": True,
    "max_connections": 20,
    "global_keyprefix": env.text("SCRM_QUEUE_PREFIX", default="scrm:"),
    "client_name": "scrm-celery",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever
CELERY_BROKER_CONNECTION_TIMEOUT = 4
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_ACKS_ON_FAILURE = True
CELERY_TASK_ACKS_ON_TIMEOUT = True
CELERY_TASK_RETRY_ON_WORKER_LOST = True  # a bounded retry; rejecting loops on a poison task
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_ANNOTATIONS = {"*": {"default_retry_delay": 5, "max_retries": 3}}  # 180 s > visibility
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 90
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a misspelt queue must fail
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {
    name: {} for name in ("callbacks", "welcome", "drain", "bulk", "sweep")
}
CELERY_TASK_DEFAULT_QUEUE = "sweep"
CELERY_TASK_ROUTES = {  # the first pattern that fits
    "*.sweep_*": {"queue": "sweep"},
    "wecom.advance_sync": {"queue": "bulk"},
    "wecom.learn_clocks": {"queue": "bulk"},
    "wecom.read_objects": {"queue": "bulk"},  # waits for the platform; callbacks must not
    "wecom.*": {"queue": "callbacks"},
    "campaigns.send_*welcome*": {"queue": "welcome"},
    "campaigns.drain_*": {"queue": "drain"},
    "campaigns.*_churn_alerts": {"queue": "bulk"},
    "campaigns.draw_segment": {"queue": "bulk"},
    "campaigns.poll_dispatches": {"queue": "bulk"},  # calls the platform
    "campaigns.report_runs": {"queue": "bulk"},
    "campaigns.*_forecast": {"queue": "bulk"},
    "campaigns.advance_sop": {"queue": "bulk"},
    "members.*": {"queue": "bulk"},
    "communities.*": {"queue": "bulk"},  # calls the platform
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_ETA_TASK_LIMIT = 100
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_CRON_STARTING_DEADLINE = 300
CELERY_DB_REUSE_MAX = 1000  # unset, a worker opens a new database session for every task

# --- Languages and time -------------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("简体中文")), ("en", _("英文"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("SCRM_TIME_ZONE", default="Asia/Shanghai")  # shown in the admin; kept in UTC

# --- Static files -------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.folder("SCRM_STATIC_DIR", default=DATA_DIR / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    "evidence": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "media" / "evidence",
            "base_url": None,  # has no address: our own view shows it, after a permission check
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "content": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "media" / "content",
            "base_url": None,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
MEDIA_ROOT = DATA_DIR / "media"  # served by our own views only, after a permission check

# --- Sign-in --------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# --- Security ---------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("SCRM_BEHIND_PROXY") else None
)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_NAME = "__Host-sid" if HTTPS else "scrm-sid"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 43_200
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "scrm-csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = False  # a frontend on the same site reads it and sends it back
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 5
SECURE_CSP = {  # the API answers JSON and needs nothing
    "default-src": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
}
PAGE_CSP = {  # admin and API docs: all assets are local; Unfold's Alpine needs unsafe-eval
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:", "blob:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "object-src": [CSP.NONE],
}
PAGE_CSP_PATHS = ("/admin/", "/api/docs/")

# --- API ----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "scrm.accounts.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["scrm.accounts.api.permissions.CapabilityPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["scrm.shared.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "scrm.shared.api.pagination.KeysetPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["scrm.shared.api.filters.StrictFilterBackend"],
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS would describe rows; the schema describes the API
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "30/min", "user": "6000/min"},
    "NUM_PROXIES": env.integer("SCRM_NUM_PROXIES", default=0, minimum=0, maximum=10),
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "scrm.shared.api.schema.ProblemAutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "STRICT_JSON": True,
}

DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "scrm.shared.api.problems.ProblemHandler",
    "EXCEPTION_FORMATTER_CLASS": "scrm.shared.api.problems.ProblemFormatter",
    "ALLOWED_ERROR_STATUS_CODES": ["400", "401", "403", "404", "409", "429"],
}

SPECTACULAR_SETTINGS = {
    "TITLE": "SCRM API",
    "DESCRIPTION": "社群运营后台接口 · The API of the community operations backend",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "ENUM_NAME_OVERRIDES": {  # stable names, whichever resources come to share a field name
        "CapabilityEnum": "scrm.accounts.rules.roles.Capability",
        "RoleEnum": "scrm.accounts.rules.roles.Role",
        "DataScopeEnum": "scrm.accounts.rules.roles.DataScope",
        "CommunityKindEnum": "communities.rules.kinds.CommunityKind",
        "CommunityStatusEnum": "communities.rules.status.CommunityStatus",
        "ActivityKindEnum": "members.rules.activity.ActivityKind",
        "ImportKindEnum": "members.models.import_run.ImportKind",
        "EntryApplicationStatusEnum": "members.rules.status.ApplicationStatus",
        "JoinSourceEnum": "members.rules.status.JoinSource",
        "LeaveReasonEnum": "members.rules.status.LeaveReason",
        "ClassificationSourceEnum": "members.rules.standing.ClassificationSource",
        "ConsentPurposeEnum": "members.rules.standing.ConsentPurpose",
        "ConsentDecisionEnum": "members.rules.standing.ConsentDecision",
        "ObservedByEnum": "members.rules.status.ObservedBy",
        "BroadcastStatusEnum": "campaigns.rules.status.BroadcastStatus",
        "BroadcastTargetEnum": "campaigns.rules.status.BroadcastTarget",
        "ContentCategoryEnum": "communities.rules.kinds.ContentCategory",
        "AttachmentKindEnum": "campaigns.rules.contents.AttachmentKind",
        "BroadcastScheduleKindEnum": "campaigns.rules.schedules.ScheduleKind",
        "FigureUnitEnum": "scrm.shared.figures.UNITS",
        "ExperimentUnitEnum": "campaigns.rules.experiments.ExperimentUnit",
        "ExperimentKindEnum": "campaigns.rules.experiments.ExperimentKind",
        "LexiconTermKindEnum": "campaigns.rules.guarding.TermKind",
        "SopStepKindEnum": "campaigns.rules.sop.StepKind",
        "QuitWatchStateEnum": "campaigns.rules.guarding.WatchState",
        "FailureKindEnum": "campaigns.api.run.REASON_KINDS",
        "BroadcastActionEnum": "campaigns.selectors.choices.ACTIONS",
        "RunActionEnum": "campaigns.selectors.choices.RUN_ACTIONS",
        "DispatchActionEnum": "campaigns.selectors.choices.DISPATCH_ACTIONS",
        "RecipientKindEnum": "campaigns.rules.status.RecipientKind",
        "RunStatusEnum": "campaigns.rules.status.RunStatus",
        "DeliveryStatusEnum": "campaigns.rules.status.DeliveryStatus",
        "WelcomeStatusEnum": "campaigns.rules.status.WelcomeStatus",
        "ChurnAlertStatusEnum": "campaigns.rules.status.AlertStatus",
        "OperatorTaskStatusEnum": "scrm.accounts.rules.operator_tasks.TaskStatus",
        "OperatorTaskKindEnum": "scrm.accounts.rules.operator_tasks.TaskKind",
        "StateEnum": "communities.rules.status.ChatState",
        "JoinWayStateEnum": "communities.rules.status.JoinWayState",
        "TierCauseEnum": "members.rules.standing.TierCause",
        "SplitActionEnum": ["refresh", "start", "complete", "cancel"],
        "SplitStatusEnum": "communities.rules.status.SplitStatus",
        "SplitInvitationStatusEnum": "members.rules.standing.InvitationStatus",
        "ConfidenceEnum": "members.rules.status.Confidence",
        "FollowEndEnum": "members.rules.status.FollowEnd",
        "ChatPlatformStatusEnum": "communities.rules.status.ChatPlatformStatus",
        "TransferStatusEnum": "communities.rules.transfers.TransferStatus",
        "TransferActionEnum": "communities.rules.transfer_actions.ACTIONS",
        "TransferPolicyActionEnum": ["edit", "deactivate", "reactivate"],
        "ResignationCaseActionEnum": ["approve", "reject", "replan"],
        "TransferItemStateEnum": "communities.rules.transfers.ItemState",
        "TransferNoticeStateEnum": "communities.rules.transfers.NoticeState",
        "TransferNoticeRoleEnum": "communities.rules.transfers.NoticeRole",
        "TransferSubjectEnum": "communities.rules.transfers.Subject",
        "TransferRouteEnum": "communities.rules.transfers.Route",
        "ReceiverSelectionEnum": "communities.rules.transfers.Selection",
        "PolicySelectionEnum": "communities.models.transfer_policy.CHOICES",
        "OwnershipCauseEnum": "communities.rules.transfers.OwnershipCause",
        "OwnershipViolationStatusEnum": "communities.rules.transfers.ViolationStatus",
        "BrokenRuleEnum": "communities.rules.transfers.BrokenRule",
        "ResignationCaseStatusEnum": "communities.rules.transfers.CaseStatus",
        "ResignationCaseCauseEnum": "communities.rules.transfers.CaseCause",
        "StaffPlatformStatusEnum": "scrm.accounts.models.enterprise.StaffPlatformStatus",
        "WecomPlatformEnum": "scrm.wecom.rules.status.Platform",
        "WecomConnectionStateEnum": "scrm.wecom.rules.status.ConnectionState",
        "InboundEventStateEnum": "scrm.wecom.rules.status.EventState",
        "ReadKindEnum": "scrm.wecom.rules.status.ReadKind",
        "ReadStateEnum": "scrm.wecom.rules.status.ReadState",
        "SyncScopeEnum": "scrm.wecom.rules.status.SyncScope",
        "SyncStateEnum": "scrm.wecom.rules.status.SyncState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_standardized_errors.openapi_hooks.postprocess_schema_enums",
    ],
}

# --- Channels: the ways to an outside platform, by the kind of a channel account -----------------

CHANNELS = {
    "sandbox": "campaigns.channels.sandbox.SandboxChannel",
    "webhook": "campaigns.channels.webhook.WebhookChannel",
    "wecom": "campaigns.channels.wecom.WecomChannel",
}
CHANNEL_LOOPBACK_ALLOWED = env.flag("SCRM_CHANNEL_LOOPBACK")  # else only public https endpoints
# How one-time codes of the join page reach a phone: "sandbox" shows them on the page, "webhook"
# posts them to VERIFICATION_URL, "none" sends nothing and the page says so.
VERIFICATION_URL = env.text("SCRM_VERIFICATION_URL", default="")
VERIFICATION_SECRET = env.text("SCRM_VERIFICATION_SECRET", default="")
VERIFICATION = env.choice(
    "SCRM_VERIFICATION",
    default="webhook" if VERIFICATION_URL else "sandbox" if EMBEDDED else "none",
    among=("sandbox", "webhook", "none"),
)
# A call to WeCom may take 45 seconds, and what it led to is written down within the lease.
LEASE_SECONDS = env.integer("SCRM_LEASE_SECONDS", default=60, minimum=50, maximum=3600)
DRAIN_WORKERS = env.integer("SCRM_DRAIN_WORKERS", default=2, minimum=1, maximum=256)

# --- WeCom: the platform, and the simulator that stands in for it on this machine ----------------

WECOM_API_URL = "https://qyapi.weixin.qq.com"
SIMULATOR_PORT = env.integer(
    "SCRM_SIMULATOR_PORT", default=PORT + 1000 if PORT < 64_000 else PORT - 1000,
    minimum=1, maximum=65_535,
)  # fmt: skip
WECOM_SIMULATOR_URL = env.text(  # empty: there is no simulator, and nothing can connect to one
    "SCRM_SIMULATOR_URL", default=f"http://127.0.0.1:{SIMULATOR_PORT}" if EMBEDDED else ""
).rstrip("/")
SIMULATOR_STATE = DATA_DIR / "simulator" / "world.json"
SIMULATOR_IS_OURS = EMBEDDED and WECOM_SIMULATOR_URL in {  # `make up` runs it
    f"http://{host}:{SIMULATOR_PORT}" for host in LOOPBACK
}
# Events of older months are detached from the table; the days counted from them stay. 0 keeps all.
ACTIVITY_KEEP_MONTHS = env.integer("SCRM_ACTIVITY_KEEP_MONTHS", default=0, minimum=0, maximum=1200)
WECOM_PAYLOAD_DAYS = env.integer("SCRM_WECOM_PAYLOAD_DAYS", default=30, minimum=1, maximum=3650)
WECOM_CLOCK_SKEW = env.integer(  # seconds that a callback's signature stays good
    "SCRM_WECOM_CLOCK_SKEW", default=300, minimum=10, maximum=86_400
)
WECOM_LISTENER_SECONDS = 5.0  # how late a web process learns that a connection was paused
WECOM_WAKE_SECONDS = 1.0  # a web process hurries the workers no more often than that

# --- Join ways ----------------------------------------------------------------------------------

SCAN_WRITE_SECONDS = 1.0  # scans are counted in memory; a killed process loses so many seconds

# --- Admin ----------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "社群 SCRM",
    "SITE_HEADER": "社群 SCRM",
    "SITE_SUBHEADER": _("私域运营后台"),
    "SITE_SYMBOL": "forum",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("desk/favicon.svg"),
        }
    ],
    "SITE_URL": "/api/docs/",
    "DASHBOARD_CALLBACK": "scrm.desk.dashboard.dashboard",
    "COLORS": {
        "primary": {  # emerald
            "50": "oklch(97.9% .021 166.113)",
            "100": "oklch(95% .052 163.051)",
            "200": "oklch(90.5% .093 164.15)",
            "300": "oklch(84.5% .143 164.978)",
            "400": "oklch(76.5% .177 163.223)",
            "500": "oklch(69.6% .17 162.48)",
            "600": "oklch(59.6% .145 163.225)",
            "700": "oklch(50.8% .118 165.612)",
            "800": "oklch(43.2% .095 166.913)",
            "900": "oklch(37.8% .077 168.94)",
            "950": "oklch(26.2% .051 172.552)",
        },
    },
    "SHOW_BACK_BUTTON": True,
    "SHOW_HISTORY": False,
    "ENVIRONMENT": "scrm.navigation.environment_badge",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "scrm.navigation.sidebar",
    },
}

# --- Logs: one JSON object a line, never a phone number, a text, a token or a name ---------------

LOG_FORMAT = env.choice("SCRM_LOG_FORMAT", default="json", among=("json", "text"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "scrm.shared.logs.RequestIDFilter"}},
    "formatters": {
        "json": {"()": "scrm.shared.logs.JSONFormatter"},
        "text": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": env.text("SCRM_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        "celery.beat": {"level": "WARNING"},  # one line for every tick
        "celery.app.trace": {"level": "WARNING"},  # one line for every task that went well
        "celery.worker.strategy": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},  # its INFO line prints URLs, which may carry tokens
        "httpcore": {"level": "WARNING"},
    },
}
