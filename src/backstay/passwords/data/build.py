"""Builds the ranked lists from pinned packages: ``python -m backstay.passwords.data.build DOWNLOADS``.

DOWNLOADS is a directory with the archives named in `SOURCES` (``pip download --no-deps`` and ``npm pack``
fetch them). Each is checked against its SHA-256, so the same release is built byte for byte by anybody.
Licences are in the README beside this file and in NOTICE.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import math
import re
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from backstay.errors import ConfigError
from backstay.passwords.strength.canonical import fold
from backstay.passwords.strength.wordlist import BANDS_PER_DECADE, encode

SOURCES: Final = {
    "zxcvbn-4.5.0-py2.py3-none-any.whl": "2b6eed621612ce6d65e6e4c7455b966acee87d0280e257956b1f06ccc66bd5ff",
    "django-5.2.8-py3-none-any.whl": "37e687f7bd73ddf043e2b6b97cfe02fcbb11f2dbb3adccc6a2b18c6daa054d7f",
    "zxcvbn-ts-language-cs-3.0.1.tgz": "09a49378a0af1f8c6d30b626646a84e31376e52824cd651379350a087d540012",
    "zxcvbn-ts-language-de-3.0.2.tgz": "8b8b3879ce48c4ae35a3d11eb89981c00497007ba6541d514c9052b5a8a3096a",
    "zxcvbn-ts-language-es-es-4.1.2.tgz": "5f98d17dde175d3d39bf9404d1d4b27a0b7b13a527f68a627dd78ce7409795b4",
    "zxcvbn-ts-language-fi-3.0.2.tgz": "4e9e89b2ef8b5d1161a81f82b2f8ba6a1220a5e975d55dc37b03199b4e7b0c71",
    "zxcvbn-ts-language-fr-4.1.2.tgz": "0102842dd0fcd3501807c37e14a37de9614a34d71f5dcfc23e80f67a6b0fbe16",
    "zxcvbn-ts-language-id-4.1.1.tgz": "68831b859c1f6b564e4a792931677d8f4b69e6b403d351f0b1db663fba5eeb05",
    "zxcvbn-ts-language-it-3.0.2.tgz": "26371cb82bd291af6ea2278ef507c76b0fb16b83e3ac8998aae9577df78d947f",
    "zxcvbn-ts-language-nl-be-3.0.2.tgz": "352b272e589bfe04a4e58881f4ef6edd1ed3a17162cb427c8aed5dd275219f79",
    "zxcvbn-ts-language-pl-3.0.2.tgz": "bcda408cb7817421a09094cc342782f953973763f523908c95e812d86aff8652",
    "zxcvbn-ts-language-pt-br-4.1.1.tgz": "7d8466eed71d29aeeda07b11c238ba7ca5c5791aba1c1c1a3b361ffdb6e1bbc2",
}
_DEEPEST_BAND = 18  # about 30,000 guesses: beyond it, an entry is not worth its bytes
_SHORTEST = 3
_SHORTEST_IN_PACK = 5  # shorter foreign words are found by chance in random passwords
_PACK_WORDS = 5_000
# Common words, and names of any gender; not what Wikipedia writes, nor sequences of words.
_PACK_LISTS = re.compile(r"package/src/(commonWords|\w*[nN]ames)\.json")
_LONGEST = 32
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def band_of(rank: float) -> int:
    """The quarter decade into which a rank falls."""
    return max(0, round(math.log10(max(rank, 1.0)) * BANDS_PER_DECADE))


class Ranked:
    """Words with the cheapest band that any list gives them."""

    def __init__(self, shortest: int) -> None:
        self.bands: dict[str, int] = {}
        self._shortest = shortest

    def add(self, words: Iterable[str], *, factor: float = 1.0, offset: int = 0) -> None:
        """Take a list in order of frequency; `factor` and `offset` price the choice of the list."""
        for rank, raw in enumerate(words, start=1):
            word = fold(raw.strip())
            band = band_of((rank + offset) * factor)
            fits = self._shortest <= len(word) <= _LONGEST and word.isascii() and word.isprintable()
            if fits and band < self.bands.get(word, _DEEPEST_BAND + 1):
                self.bands[word] = band


def zxcvbn_lists(archive: Path) -> dict[str, list[str]]:
    """The frequency lists of the Python port of zxcvbn, read from its source without running it."""
    with zipfile.ZipFile(archive) as wheel:
        tree = ast.parse(wheel.read("zxcvbn/frequency_lists.py"))
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Call):
                    words = [arg.value for arg in ast.walk(value) if isinstance(arg, ast.Constant)]
                    text = max((str(word) for word in words), key=len)
                    found[str(key.value)] = text.split(",")
    return found


def django_passwords(archive: Path) -> list[str]:
    """Django's common passwords, in its order."""
    with zipfile.ZipFile(archive) as wheel:
        packed = wheel.read("django/contrib/auth/common-passwords.txt.gz")
    return gzip.decompress(packed).decode().splitlines()


def pack_lists(archive: Path) -> dict[str, list[str]]:
    """The word lists of one zxcvbn-ts language package."""
    with tarfile.open(archive) as package:
        members = {Path(name).stem: name for name in package.getnames() if _PACK_LISTS.fullmatch(name)}
        return {stem: json.loads(_read(package, name)) for stem, name in sorted(members.items())}


def _read(package: tarfile.TarFile, name: str) -> bytes:
    member = package.extractfile(name)
    if member is None:
        raise ConfigError(f"{name} is not a file of its package")
    return member.read()


def english(lists: dict[str, list[str]], django: Sequence[str]) -> dict[str, int]:
    """Passwords at their rank, other words a little below theirs, names ten further down."""
    ranked = Ranked(_SHORTEST)
    ranked.add(lists["passwords"])
    ranked.add(django)
    for name in ("male_names", "female_names"):
        ranked.add(lists[name], offset=10)
    ranked.add(lists["surnames"], factor=2, offset=10)
    for name in ("english_wikipedia", "us_tv_and_film"):
        ranked.add((word for word in lists[name] if word.isalpha()), factor=1.25)
    return ranked.bands


def pack(lists: dict[str, list[str]], known: dict[str, int]) -> dict[str, int]:
    """A language's commonest words and names at four times their rank, less what English has as cheap."""
    ranked = Ranked(_SHORTEST_IN_PACK)
    for name, words in lists.items():
        # A list in alphabetical order has no ranks: each of its words is worth half the list.
        if words[:50] == sorted(words[:50]):
            for word in words[:_PACK_WORDS]:
                ranked.add([word], factor=2 * min(len(words), _PACK_WORDS))
        else:
            long_enough = [word for word in words if len(word) >= _SHORTEST_IN_PACK]
            ranked.add(long_enough[:_PACK_WORDS], factor=4, offset=0 if name == "commonWords" else 10)
    return {word: band for word, band in ranked.bands.items() if band < known.get(word, _DEEPEST_BAND + 1)}


def trigram_prices(words: dict[str, int]) -> bytes:
    """log10 of one over P(third letter | two before), in hundredths, for all triples of a-z and start."""
    counts: Counter[tuple[int, int, int]] = Counter()
    for word, band in words.items():
        codes = [_ALPHABET.find(char) + 1 for char in word]
        weight = 1 + max(0, _DEEPEST_BAND - band)
        before = (0, 0)
        for code in codes:
            if code:
                counts[*before, code] += weight
            before = (before[1], code) if code else (0, 0)
    prices = bytearray(27**3)
    for first in range(27):
        for second in range(27):
            row = [counts[first, second, third] for third in range(1, 27)]
            total = sum(row) + 0.5 * 26
            for third, count in enumerate(row, start=1):
                price = math.log10(total / (count + 0.5))
                prices[(first * 27 + second) * 27 + third] = min(255, round(price * 100))
    return bytes(prices)


def tail_bands(passwords: Sequence[str]) -> dict[str, int]:
    """Digits and symbols that people put after a word, ranked by how often the lists show them."""
    counts: Counter[str] = Counter()
    for rank, password in enumerate(passwords, start=1):
        stem = password.rstrip("0123456789!@#$%&*.?_-+=")
        tail = password[len(stem) :]
        if stem and stem[-1:].isalpha() and 1 <= len(tail) <= 4:
            counts[tail] += 1 + 3_000 // rank
    ordered = [tail for tail, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    return {tail: band_of(rank) for rank, tail in enumerate(ordered, start=1)}


def checked(directory: Path) -> None:
    """Compare every archive with its pinned digest.

    Raises:
        ConfigError: an archive is missing or is not the pinned one.
    """
    for name, digest in SOURCES.items():
        path = directory / name
        if not path.is_file():
            raise ConfigError(f"{name} is missing from {directory}: download that release first")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ConfigError(f"{name} is not the pinned release: its SHA-256 differs")


def build(downloads: Path, out: Path) -> dict[str, int]:
    """Write every list below `out`; returns the size of each file in bytes."""
    checked(downloads)
    lists = zxcvbn_lists(downloads / "zxcvbn-4.5.0-py2.py3-none-any.whl")
    django = django_passwords(downloads / "django-5.2.8-py3-none-any.whl")
    words = english(lists, django)
    files = {"english.xz": encode(words), "tails.xz": encode(tail_bands([*lists["passwords"], *django]))}
    trained = dict(words)
    for name in SOURCES:
        if name.startswith("zxcvbn-ts-language-"):
            language = name.removeprefix("zxcvbn-ts-language-").split("-")[0]
            ours = pack(pack_lists(downloads / name), words)
            trained.update(ours)
            files[f"packs/{language}.xz"] = encode(ours)
    files["trigrams.bin"] = trigram_prices(trained)
    for relative, data in files.items():
        (out / relative).write_bytes(data)
    return {relative: len(data) for relative, data in files.items()}


if __name__ == "__main__":
    for file, size in build(Path(sys.argv[1]), Path(__file__).parent).items():
        sys.stdout.write(f"{size:>8} {file}\n")
