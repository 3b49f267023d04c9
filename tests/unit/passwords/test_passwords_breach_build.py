"""Building the offline database: from both forms of the official data, through interruptions and damage."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backstay.errors import BreachDataError, ConfigError
from backstay.passwords import BreachDatabase
from backstay.passwords.breach import build
from backstay.passwords.breach import database as database_module

build_module = sys.modules["backstay.passwords.breach.build"]
RANGES = 64


@pytest.fixture
def few_ranges(monkeypatch):
    """64 ranges instead of a million, so that a directory of range files has 64."""
    monkeypatch.setattr(build_module, "RANGES", RANGES)
    monkeypatch.setattr(database_module, "RANGES", RANGES)
    monkeypatch.setattr(build_module, "_SYNC_EVERY", 8)


def rows(count=2_000):
    """Sorted digests, all of which begin with one of the 64 prefixes, and how often each was seen."""
    made = {f"{number % RANGES:05X}" + hashlib.sha1(str(number).encode()).hexdigest().upper()[5:]: number % 20 + 1
            for number in range(count)}  # fmt: skip
    return sorted(made.items())


def as_file(path, data):
    path.write_text("".join(f"{digest}:{count}\r\n" for digest, count in data), newline="")
    return path


def as_directory(path, data):
    path.mkdir()
    for place in range(RANGES):
        prefix = f"{place:05X}"
        lines = [f"{digest[5:]}:{count}" for digest, count in data if digest.startswith(prefix)]
        (path / f"{prefix}.txt").write_text("\r\n".join(lines), newline="")
    return path


@pytest.mark.parametrize("min_count", [1, 5, 21])
def test_both_forms_of_the_data_make_the_same_database(few_ranges, tmp_path, min_count):
    data = rows()
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    build(as_file(tmp_path / "all.txt", data), one, min_count=min_count)
    info = build(as_directory(tmp_path / "ranges", data), other, min_count=min_count)
    assert one.read_bytes() == other.read_bytes()
    assert info.entries == sum(count >= min_count for _, count in data)
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob("*.index"))
    with BreachDatabase(one) as database:
        database.verify()
        assert [database.contains(digest) for digest, _ in data] == [count >= min_count for _, count in data]
        assert not database.contains("0" * 39 + "1")
        assert database.info == info


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("form", [as_file, as_directory])
def test_a_build_goes_on_where_it_was_interrupted(few_ranges, tmp_path, form):
    data = rows()
    source, whole, out = form(tmp_path / "source", data), tmp_path / "whole.db", tmp_path / "out.db"
    build(source, whole)
    for stop in (8, 24, 56):

        def interrupt(done, total, stop=stop):
            assert total == RANGES
            if done >= stop:
                raise Interrupted

        with pytest.raises(Interrupted):
            build(source, out, progress=interrupt)
        assert not out.exists()
    begun = []
    build(source, out, progress=lambda done, _: begun.append(done))
    assert begun[0] >= 48
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("cut", [(0, 0), (1, 0), (0, 3), (400, 0), (10_000, 0), (0, 200), (3, 77)])
def test_what_a_crash_left_of_either_file_is_enough_to_go_on(few_ranges, tmp_path, cut):
    source, whole, out = as_file(tmp_path / "all.txt", rows()), tmp_path / "whole.db", tmp_path / "out.db"
    build(source, whole)

    def interrupt(done, total):
        if done >= 40:
            raise Interrupted

    with pytest.raises(Interrupted):
        build(source, out, progress=interrupt)
    for suffix, lost in zip((".partial", ".index"), cut, strict=True):
        left = tmp_path / f"out.db{suffix}"
        os.truncate(left, max(0, left.stat().st_size - lost))
    build(source, out)
    assert out.read_bytes() == whole.read_bytes()


def test_a_build_with_another_minimum_is_not_mixed_with_one_that_was_begun(few_ranges, tmp_path):
    source, out = as_file(tmp_path / "all.txt", rows()), tmp_path / "out.db"

    def interrupt(done, total):
        raise Interrupted

    with pytest.raises(Interrupted):
        build(source, out, progress=interrupt)
    with pytest.raises(ConfigError, match=r"out\.db\.partial"):
        build(source, out, min_count=2)


GOOD = f"{0:05X}{'A' * 35}:1"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([GOOD, "nonsense"], "line 2"),
        ([GOOD, GOOD.replace(":1", ":x")], "line 2"),
        ([GOOD, GOOD[:-1]], "line 2"),
        ([GOOD, GOOD], "ascending"),
        ([f"{1:05X}{'A' * 35}:1", GOOD], "ascending"),
        ([f"{0:05X}{'B' * 35}:1", GOOD], "ascending"),
        ([GOOD, "é"], "unreadable"),
    ],
)
def test_data_that_is_not_what_it_should_be_is_named_by_file_and_line(few_ranges, tmp_path, lines, named):
    source = tmp_path / "all.txt"
    source.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BreachDataError, match=named) as refused:
        build(source, tmp_path / "out.db")
    assert "all.txt" in str(refused.value)
    assert not (tmp_path / "out.db").exists()


def test_a_missing_range_is_named(few_ranges, tmp_path):
    source = as_directory(tmp_path / "ranges", rows())
    (source / "0001F.txt").unlink()
    with pytest.raises(BreachDataError, match=r"0001F\.txt"):
        build(source, tmp_path / "out.db")


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(BreachDataError, match="nowhere"):
        build(tmp_path / "nowhere", tmp_path / "out.db")


@pytest.mark.parametrize("place", [0, 8, 40, 48, 200])
def test_a_damaged_byte_never_gives_another_exception(few_ranges, tmp_path, place):
    out = tmp_path / "out.db"
    build(as_file(tmp_path / "all.txt", rows()), out)
    data = bytearray(out.read_bytes())
    data[place if place < 200 else len(data) - 20] ^= 0xFF
    out.write_bytes(data)
    try:
        with BreachDatabase(out) as database:
            assert {database.contains(digest) for digest, _ in rows()} <= {True, False}
            database.verify()
        message = "out.db"
    except BreachDataError as exc:
        message = str(exc)
    assert "out.db" in message


# ---- at full size


BUILD = """
import sys
from pathlib import Path
from backstay.passwords.breach import build
build(Path(sys.argv[1]), Path(sys.argv[2]), progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.slow
def test_a_build_that_was_killed_goes_on_from_its_last_sync(tmp_path):
    digests = sorted(hashlib.sha1(str(number).encode()).hexdigest().upper() for number in range(20_000))
    source = as_file(tmp_path / "all.txt", [(digest, 1) for digest in digests])
    command = [sys.executable, "-c", BUILD, str(source), str(tmp_path / "out.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(20):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.db").exists()
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ran.stdout.split()[0]) > 4096
    build(source, tmp_path / "whole.db")
    assert (tmp_path / "out.db").read_bytes() == (tmp_path / "whole.db").read_bytes()


@pytest.mark.nightly
def test_a_build_of_three_million_rows_needs_little_memory(tmp_path):
    source = tmp_path / "all.txt"
    with source.open("w") as file:
        for prefix in range(1 << 20):
            for number in range(3):
                rest = hashlib.sha1(f"{prefix}{number}".encode()).hexdigest().upper()[6:]
                file.write(f"{prefix:05X}{number:X}{rest}:1\n")
    # Not getrusage: its maximum is handed down from who started the process.
    code = BUILD + "\nprint(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    ran = subprocess.run([sys.executable, "-c", code, str(source), str(tmp_path / "out.db")],
                         capture_output=True, text=True, check=True)  # fmt: skip
    kib = int(ran.stdout.split()[-1])
    assert kib < 128 * 1024
    assert Path(tmp_path / "out.db").stat().st_size == 32 + 3 * 4 * 2**20 + 8 * (2**20 + 1)
