"""Settings from the environment."""

from __future__ import annotations

import pytest

from backstay.errors import ConfigError
from backstay.secret import Secret
from backstay.settings import Settings, from_env

CANARY = "s3cr3t-canary"


def test_nothing_set_means_the_embedded_default():
    assert from_env(environ={}) == Settings()


def test_each_field_has_its_variable():
    found = from_env(environ={"BACKSTAY_REDIS_URL": "redis://h", "BACKSTAY_CACHE_TTL": "1.5", "OTHER": "x"})
    assert found.redis_url == Secret("redis://h")
    assert found.cache.ttl == 1.5


def test_an_optional_number_is_read():
    assert from_env(environ={"BACKSTAY_CACHE_COMPRESS_ABOVE": "4096"}).cache.compress_above == 4096


def test_a_file_holds_a_mounted_secret(tmp_path):
    path = tmp_path / "url"
    path.write_text("redis://from-file\n")
    assert from_env(environ={"BACKSTAY_REDIS_URL_FILE": str(path)}).redis_url == Secret("redis://from-file")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"BACKSTAY_REDIS_ULR": CANARY}, "BACKSTAY_REDIS_URL"),
        ({"BACKSTAY_CACHE_TTL": CANARY}, "BACKSTAY_CACHE_TTL"),
        ({"BACKSTAY_CACHE_MAX_ENTRIES": "1.5"}, "BACKSTAY_CACHE_MAX_ENTRIES"),
        ({"BACKSTAY_REDIS_URL": CANARY, "BACKSTAY_REDIS_URL_FILE": "/x"}, "BACKSTAY_REDIS_URL_FILE"),
        ({"BACKSTAY_REDIS_URL_FILE": f"/{CANARY}"}, "BACKSTAY_REDIS_URL_FILE"),
    ],
)
def test_a_mistake_is_named_and_its_value_is_not(environ, named):
    with pytest.raises(ConfigError) as caught:
        from_env(environ=environ)
    assert named in str(caught.value)
    assert CANARY not in str(caught.value)


def test_the_test_suites_own_variables_are_no_mistake():
    assert from_env(environ={"BACKSTAY_REQUIRE": "hypopg"}) == Settings()


def test_a_secret_shows_in_no_repr():
    assert CANARY not in repr(from_env(environ={"BACKSTAY_DATABASE_URL": CANARY}))
