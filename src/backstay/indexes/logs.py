"""A workload from a server's log: what ``log_min_duration_statement`` and auto_explain wrote there. Pure.

The three forms of a log are read line by line, so that a log larger than memory is no trouble. A statement that
both settings write is counted twice; use one of them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from backstay.errors import WorkloadError

from .workload import Workload, WorkloadRecorder

LogForm = Literal["stderr", "csv", "json"]

_MAX_ENTRY = 200_000  # characters; a longer entry is no statement worth an index
_LEVEL = re.compile(r"(?:^|\s|\])(LOG|DETAIL|ERROR|STATEMENT|HINT|CONTEXT|WARNING|FATAL|NOTICE|INFO):  ")
_DURATION = re.compile(r"^duration: ([\d.]+) ms\s+(statement|execute [^:]*|plan):\s*(.*)$", re.DOTALL)
_PARAMETER = re.compile(r"\$(\d+) = (NULL|'((?:[^']|'')*)')(?:, |$)")
_QUERY_TEXT = re.compile(r"^Query Text: (.*?)\n(?=Query Parameters: |[^\n]*\(cost=)", re.DOTALL)
_QUERY_PARAMETERS = re.compile(r"^Query Parameters: (.*)$", re.MULTILINE)
_CSV_MESSAGE, _CSV_DETAIL = 13, 14  # "Using CSV-Format Log Output", PostgreSQL manual


def workload_from_log(
    lines: Iterable[str], *, form: LogForm = "stderr", recorder: WorkloadRecorder | None = None
) -> Workload:
    """The statements in a log with their calls, time and up to five sampled parameter sets.

    Args:
        lines: The log, such as an open file.
        form: ``log_destination`` that wrote it: ``stderr``, ``csv`` (csvlog) or ``json`` (jsonlog).
        recorder: Bounds the memory, and redacts; one of the default size if none is given.

    Raises:
        WorkloadError: no statement with its duration is in it.
    """
    kept = WorkloadRecorder() if recorder is None else recorder  # an empty one is false
    for message, detail in _ENTRIES[form](lines):
        found = _statement(message, detail)
        if found is not None:
            kept.record(*found)
    if not len(kept):
        raise WorkloadError(
            f"no statement with its duration is in this {form} log: the server writes them when "
            "log_min_duration_statement or auto_explain.log_min_duration is set"
        )
    return kept.workload()


def _statement(message: str, detail: str) -> tuple[str, tuple[str | None, ...], float] | None:
    """Statement, parameters and seconds of one entry; None if it is about something else."""
    match = _DURATION.match(message)
    if match is None:
        return None
    seconds, kind, text = float(match[1]) / 1000, match[2], match[3].strip()
    if kind != "plan":
        return text, _parameters(detail), seconds
    if text.startswith("{"):
        return _from_json_plan(text, seconds)
    query = _QUERY_TEXT.match(text)
    if query is None:
        return None
    parameters = _QUERY_PARAMETERS.search(text, query.end())
    return query[1].strip(), _parameters(parameters[1] if parameters else ""), seconds


def _from_json_plan(text: str, seconds: float) -> tuple[str, tuple[str | None, ...], float] | None:
    try:
        plan: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    query = plan.get("Query Text")
    return None if query is None else (str(query), _parameters(str(plan.get("Query Parameters", ""))), seconds)


def _parameters(text: str) -> tuple[str | None, ...]:
    """The values of ``$1 = '…', $2 = NULL``; none at all if the server cut one of them short."""
    if "...'" in text:
        return ()
    found = {
        int(match[1]): None if match[2] == "NULL" else match[3].replace("''", "'")
        for match in _PARAMETER.finditer(text)
    }
    if sorted(found) != list(range(1, len(found) + 1)):
        return ()
    return tuple(found[number] for number in sorted(found))


# -- the three forms -------------------------------------------------------------------------------------------


def _stderr_entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Message and detail: a DETAIL belongs to the LOG right before it."""
    message = ""
    for level, text in _stderr_records(lines):
        if level == "DETAIL" and message:
            yield message, text
            message = ""
            continue
        if message:
            yield message, ""
        message = text if level == "LOG" else ""
    if message:
        yield message, ""


def _stderr_records(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Level and text: a record begins with a level and goes on in lines that begin with a tab."""
    level, parts, size = "", list[str](), 0
    for line in lines:
        match = None if line.startswith("\t") else _LEVEL.search(line)
        if match is not None:
            yield level, "\n".join(parts)
            level, parts, size = match[1], [line[match.end() :].rstrip("\n")], len(line)
        elif line.startswith("\t") and size <= _MAX_ENTRY:
            size += len(line)
            parts.append(line[1:].rstrip("\n"))
    yield level, "\n".join(parts)


def _csv_entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for row in csv.reader(lines):
        if len(row) > _CSV_DETAIL:
            yield row[_CSV_MESSAGE], row[_CSV_DETAIL]


def _json_entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        yield str(entry.get("message", "")), str(entry.get("detail", ""))


_ENTRIES = {"stderr": _stderr_entries, "csv": _csv_entries, "json": _json_entries}
