"""What a test of code on backstay needs: conformance suites, real servers, and faults between the two.

* `backstay.testing.cache` and its neighbours: the conformance suite of each Protocol, for a backend of yours.
* `backstay.testing.redis_server`, `.redis_topologies` and `.postgres_server`: real servers, found on the
  machine or in a wheel, started in seconds or less, that a test may stop, kill or freeze.
* `backstay.testing.faults`: a TCP proxy that delays, drips, cuts, swallows or corrupts what passes through.
* `backstay.testing.tls_front`: a throw-away certificate, and TLS before a server that has none.

Nothing here is a pytest plugin: `backstay` installs no entry point, so it is never loaded into test runs that
did not ask for it. Import what you need into a ``conftest.py``. Servers need Linux or macOS.
"""
