"""The same work in three task queues: what backstay does outside of HTTP."""
