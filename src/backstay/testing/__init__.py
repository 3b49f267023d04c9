"""Conformance suites that anybody can run on an implementation of their own."""
