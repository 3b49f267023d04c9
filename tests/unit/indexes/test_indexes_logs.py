"""Statements read from a server's log, in its three forms."""

from __future__ import annotations

import json

import pytest

from backstay.errors import WorkloadError
from backstay.indexes import WorkloadRecorder, workload_from_log

STDERR = """\
2026-11-25 00:00:00.000 UTC [7] LOG:  connection received: host=127.0.0.1
2026-11-25 00:00:00.100 UTC [7] app@shop LOG:  duration: 1.500 ms  execute <unnamed>: select *
\tfrom users where email = $1 and note is distinct from $2
2026-11-25 00:00:00.100 UTC [7] app@shop DETAIL:  parameters: $1 = 'o''neill@x.org', $2 = NULL
2026-11-25 00:00:00.200 UTC [7] app@shop LOG:  duration: 250.000 ms  statement: select 'LOG:  not a level'
2026-11-25 00:00:00.300 UTC [7] app@shop ERROR:  duration: 9 ms  statement: select broken
2026-11-25 00:00:00.300 UTC [7] app@shop DETAIL:  parameters: $1 = 'of the error'
2026-11-25 00:00:00.400 UTC [7] app@shop LOG:  duration: 0.200 ms  parse <unnamed>: select 5
2026-11-25 00:00:00.500 UTC [7] app@shop LOG:  duration: 3.000 ms  plan:
\tQuery Text: select *
\t  from orders where id = $1
\tQuery Parameters: $1 = '42'
\tIndex Scan using orders_pkey on orders  (cost=0.29..8.31 rows=1 width=40)
\t  Index Cond: (id = 42)
2026-11-25 00:00:00.600 UTC [7] app@shop LOG:  duration: 2.000 ms  plan:
\t{
\t  "Query Text": "select count(*) from orders",
\t  "Plan": {"Node Type": "Aggregate"}
\t}
""".splitlines(keepends=True)


def _read(lines, **options):
    return {query.sql: query for query in workload_from_log(lines, **options).queries}


def test_a_plain_log_is_read_with_its_parameters_and_plans() -> None:
    found = _read(STDERR)
    assert set(found) == {
        "select *\nfrom users where email = $1 and note is distinct from $2",
        "select 'LOG:  not a level'",
        "select *\n  from orders where id = $1",
        "select count(*) from orders",
    }
    users = found["select *\nfrom users where email = $1 and note is distinct from $2"]
    assert users.samples == (("o'neill@x.org", None),)
    assert users.seconds == pytest.approx(0.0015)
    assert found["select *\n  from orders where id = $1"].samples == (("42",),)
    assert found["select 'LOG:  not a level'"].seconds == pytest.approx(0.25)


def test_csv_and_json_say_the_same() -> None:
    message, detail = "duration: 4.0 ms  execute s1: select * from t where a = $1", "Parameters: $1 = 'x, \"y\"'"
    csv_row = [""] * 26
    csv_row[13], csv_row[14] = message, detail
    line = ",".join('"' + value.replace('"', '""') + '"' for value in csv_row)
    as_json = json.dumps({"message": message, "detail": detail})
    for lines, form in (([line], "csv"), ([as_json, "not json"], "json")):
        (query,) = workload_from_log(lines, form=form).queries
        assert (query.sql, query.samples) == ("select * from t where a = $1", (('x, "y"',),))


def test_a_value_that_the_server_cut_short_is_no_sample() -> None:
    lines = [
        "LOG:  duration: 1 ms  execute s: select * from t where a = $1\n",
        "DETAIL:  parameters: $1 = 'abc...'\n",
    ]
    (query,) = workload_from_log(lines).queries
    assert query.samples == ()


def test_memory_is_bounded_and_values_can_be_redacted() -> None:
    recorder = WorkloadRecorder(limit=10, redact=lambda _, values: ["*" for _ in values])

    def lines():
        for number in range(5000):
            yield f"LOG:  duration: 1 ms  execute s: select c{number % 40} from t where a = $1\n"
            yield f"DETAIL:  parameters: $1 = 'secret {number}'\n"

    workload = workload_from_log(lines(), recorder=recorder)
    assert len(workload.queries) == 10
    assert recorder.forgotten > 0
    assert all(len(query.samples) <= 5 and set(query.samples) == {("*",)} for query in workload.queries)


def test_one_endless_entry_does_not_fill_the_memory() -> None:
    lines = ["LOG:  duration: 1 ms  statement: select 1\n", *["\t" + "x" * 1000 + "\n"] * 1000]
    with pytest.raises(WorkloadError):
        workload_from_log(lines)  # cut, and then longer than the recorder takes


def test_a_log_without_statements_says_which_setting_is_missing() -> None:
    with pytest.raises(WorkloadError, match="log_min_duration_statement"):
        workload_from_log(["LOG:  checkpoint starting: time\n"])
