from __future__ import annotations

import lzma
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import BreachDataError, ConfigError
from backstay.passwords.data.build import SOURCES, checked
from backstay.passwords.strength import LANGUAGES
from backstay.passwords.strength.wordlist import BANDS_PER_DECADE, decode, encode

DATA = resources.files("backstay.passwords.data")
NOTICE = Path(__file__).parents[3] / "NOTICE"
WORDS = st.dictionaries(st.text("abcxyz019", min_size=1, max_size=12), st.integers(0, 18), max_size=40)


@given(bands=WORDS)
def test_a_list_reads_back_as_it_was_written(bands):
    data = encode(bands)
    assert data == encode(dict(reversed(bands.items())))
    read = {word: round(price * BANDS_PER_DECADE) for price, words in decode(data) for word in words}
    assert read == {word: band for word, band in bands.items() if bands}


@pytest.mark.parametrize("data", [b"not a list", lzma.compress(b"#3\n\nword"), lzma.compress(b"#three\n0word")])
def test_a_damaged_list_is_named_as_such(data):
    with pytest.raises(BreachDataError, match="damaged"):
        list(decode(data))


def test_the_shipped_lists_keep_their_budget():
    assert 150_000 < len((DATA / "english.xz").read_bytes()) < 260_000
    assert all(len((DATA / "packs" / f"{language}.xz").read_bytes()) < 40_000 for language in LANGUAGES)


def test_the_notice_names_every_source_with_its_version():
    notice = NOTICE.read_text()
    for archive in SOURCES:
        version = re.search(r"-(\d+\.\d+\.\d+)", archive)
        assert version is not None
        assert version.group(1) in notice
    for language in LANGUAGES:
        assert f"packs/{language}.xz" in notice


def test_another_release_than_the_pinned_one_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="missing"):
        checked(tmp_path)
    for archive in SOURCES:
        (tmp_path / archive).write_bytes(b"something else")
    with pytest.raises(ConfigError, match="not the pinned release"):
        checked(tmp_path)
