"""Events as log records."""

from __future__ import annotations

import logging

from backstay.cache.events import BackendLost, Computed, Doubted
from backstay.telemetry.logging import LogListener


def test_each_event_goes_to_its_subjects_logger_at_its_own_level(caplog):
    with caplog.at_level(logging.INFO):
        LogListener()(BackendLost(failures=1, retry_in=0.5))
        LogListener()(Computed(key="quiet", seconds=0.1))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("backstay.cache", logging.ERROR)
    assert record.getMessage() == "BackendLost failures=1 retry_in=0.5"
    assert record.backstay == {"event": "BackendLost", "failures": 1, "retry_in": 0.5}


def test_a_hostile_key_stays_one_record_on_one_line(caplog):
    LogListener()(Doubted(key="a\r\nWARNING forged %s {0}\x1b[31m", doubt="short"))
    (record,) = caplog.records
    assert len(record.getMessage().splitlines()) == 1
    assert "\x1b" not in record.getMessage()
