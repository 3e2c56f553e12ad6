import pytest
from django.core.exceptions import ImproperlyConfigured

from scrm import env


def test_text_reads_a_secret_from_the_file_it_is_pointed_to(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "key"))

    assert env.text("THING") == "s3cret"


def test_text_refuses_a_value_and_a_file_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("THING", "a")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "key"))

    with pytest.raises(ImproperlyConfigured, match="not both"):
        env.text("THING")


def test_text_names_the_variable_that_is_missing(monkeypatch):
    monkeypatch.delenv("THING", raising=False)

    with pytest.raises(ImproperlyConfigured, match="THING must be set"):
        env.text("THING")


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("THING", "")

    assert env.text("THING", default="fallback") == "fallback"


@pytest.mark.parametrize(("value", "expected"), [("yes", True), ("On", True), ("0", False)])
def test_flag_understands_the_usual_words(monkeypatch, value, expected):
    monkeypatch.setenv("THING", value)

    assert env.flag("THING") is expected


def test_flag_refuses_anything_else(monkeypatch):
    monkeypatch.setenv("THING", "maybe")

    with pytest.raises(ImproperlyConfigured, match="true or false"):
        env.flag("THING")


@pytest.mark.parametrize("value", ["eighty", "0", "70000"])
def test_integer_refuses_what_is_no_number_in_its_range(monkeypatch, value):
    monkeypatch.setenv("THING", value)

    with pytest.raises(ImproperlyConfigured, match="THING"):
        env.integer("THING", default=8000, minimum=1, maximum=65_535)


def test_names_splits_at_commas_and_drops_blanks(monkeypatch):
    monkeypatch.setenv("THING", "a.example, b.example,,")

    assert env.names("THING") == ["a.example", "b.example"]


def test_database_understands_a_server_with_an_escaped_password_and_options():
    described = env.database(
        "postgresql://scrm:p%40ss@db.example:5433/main?sslmode=require",
        options={"connect_timeout": 5, "sslmode": "prefer"},
    )

    assert described == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "main",
        "USER": "scrm",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"connect_timeout": 5, "sslmode": "require"},
    }


def test_database_understands_a_socket_folder():
    described = env.database("postgresql://scrm@/scrm?host=/run/pg", options={})

    assert (described["HOST"], described["PORT"], described["OPTIONS"]) == ("/run/pg", "", {})


@pytest.mark.parametrize("url", ["mysql://root@/db", "postgresql://host", "nonsense"])
def test_database_refuses_other_engines_and_half_urls(url):
    with pytest.raises(ImproperlyConfigured, match="postgresql://"):
        env.database(url, options={})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:pw@cache:6379/0", "redis://:pw@cache:6379/3"),
        ("rediss://cache:6379", "rediss://cache:6379/3"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock?db=3"),
        ("unix:///run/valkey.sock?db=1", "unix:///run/valkey.sock?db=3"),
    ],
)
def test_redis_database_changes_only_the_number(url, expected):
    assert env.redis_database(url, 3) == expected


def test_broker_gives_a_socket_the_name_that_kombu_knows():
    assert env.broker("unix:///run/valkey.sock?db=2") == (
        "redis+socket:///run/valkey.sock?virtual_host=2"
    )
    assert env.broker("redis://cache/1") == "redis://cache/1"
