"""Listeners that turn events into logs, traces and metrics. Each module imports what it writes to."""
