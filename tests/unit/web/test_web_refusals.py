"""What is refused says the right thing, and nothing that it should not."""

from __future__ import annotations

import inspect

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import errors
from backstay.errors import BackstayError, RequestRefused
from backstay.web.auth import (
    Answer,
    Call,
    Carrier,
    Challenges,
    Credential,
    Transport,
    answer_to,
    check_forgery,
    extract,
)
from backstay.web.auth.extraction import SUBPROTOCOL, CookieNames, hide_subprotocol_token

SECRET = "s3cret-token-value"
EVERY = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BackstayError) and kind.__init__ is BackstayError.__init__
]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_has_an_answer_and_those_of_operators_tell_clients_nothing(kind):
    answer = answer_to(kind("postgres at 10.0.0.1 refused the password hunter2"))
    assert 400 <= answer.status <= 599
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    if answer.status >= 500:
        assert b"10.0.0.1" not in answer.body
        assert b"hunter2" not in answer.body
    if issubclass(kind, ConnectionError):
        assert (answer.status, answer.header("retry-after")) == (503, "1")


def scope(**members) -> dict:
    return {"type": "http", "method": "GET", "headers": [], **members}


@given(
    st.lists(st.tuples(st.sampled_from([b"authorization", b"cookie", b"x"]), st.binary(max_size=60)), max_size=4)
)
def test_whatever_the_headers_are_extraction_refuses_with_400_or_finds_one_token(headers):
    try:
        found = extract(scope(headers=headers), Transport(cookies=CookieNames()))
    except RequestRefused as exc:
        assert exc.status == 400  # noqa: PT017 - or it is read
        return
    assert found is None or (found.token and found.scheme == "bearer")


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded"]))
def test_whatever_a_body_is_it_is_refused_or_read_as_texts(body, kind):
    call = Call(scope=scope(headers=[(b"content-type", kind.encode())]), body=body)
    try:
        fields = call.fields()
    except RequestRefused as exc:
        assert exc.status == 400  # noqa: PT017 - or it is read
        return
    assert all(isinstance(text, str) for pair in fields.items() for text in pair)


def test_a_body_is_cut_off_as_soon_as_it_is_too_large():
    asked = []

    async def receive():
        asked.append(1)
        return {"type": "http.request", "body": b"x" * 40_000, "more_body": True}

    with pytest.raises(RequestRefused) as caught:
        anyio.run(Call.read, scope(), receive)
    assert (caught.value.status, len(asked)) == (413, 2)


def test_nothing_shows_what_was_sent():
    credential = Credential(SECRET, "bearer", Carrier.HEADER)
    call = Call(scope=scope(headers=[(b"authorization", SECRET.encode())]), body=SECRET.encode())
    for shown in (credential, call, Answer(body=SECRET.encode()), [credential], {"c": call}):
        assert SECRET not in repr(shown)
        assert SECRET not in f"{shown!s}"


def test_the_token_is_taken_out_of_what_the_application_sees_offered():
    offered = scope(type="websocket", subprotocols=["chat", SUBPROTOCOL, SECRET, "other"])
    assert extract(offered, Transport()) == Credential(SECRET, "bearer", Carrier.SUBPROTOCOL)
    hide_subprotocol_token(offered)
    assert offered["subprotocols"] == ["chat", SUBPROTOCOL, "other"]
    with pytest.raises(RequestRefused, match="follows"):
        extract(scope(type="websocket", subprotocols=[SUBPROTOCOL]), Transport())


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nSet-Cookie: x", "ä"])
def test_a_realm_that_would_break_a_header_is_refused(realm):
    with pytest.raises(ValueError, match="realm"):
        Challenges(realm=realm)


SHOP = {"host": "shop.example"}
WAYS = [
    # over TLS, a page of the same host without it is not ours: whoever is on the line may have written it
    ("wss", {"origin": "https://shop.example"}, True),
    ("wss", {"origin": "http://shop.example"}, False),
    ("https", {"origin": "http://shop.example"}, False),
    ("https", {"origin": "https://shop.example"}, True),
    # behind a proxy that ends TLS, nobody can tell
    ("ws", {"origin": "https://shop.example"}, True),
    ("http", {"origin": "https://shop.example"}, True),
    # what the browser says goes before what the origin looks like
    ("ws", {"origin": "https://shop.example", "sec-fetch-site": "cross-site"}, False),
    ("ws", {"origin": "https://shop.example", "sec-fetch-site": "same-origin"}, True),
    ("ws", {"origin": "https://app.example", "sec-fetch-site": "cross-site"}, True),
    ("wss", {"origin": "https://app.example"}, True),
    ("ws", {"origin": "https://shop.example:8443"}, False),
    ("ws", {"origin": "https://shop.example.evil.example"}, False),
    ("ws", {"origin": "null"}, False),
    ("ws", {"origin": "null", "host": ""}, False),
    ("ws", {"origin": "http://[shop.example"}, False),
    ("http", {"origin": "http://[shop.example"}, False),
    ("ws", {"sec-fetch-site": "same-origin"}, False),
]


@pytest.mark.parametrize(("scheme", "headers", "passes"), WAYS)
def test_which_pages_may_send_a_cookie(scheme, headers, passes):
    transport = Transport(cookies=CookieNames(), trusted_origins=frozenset({"https://app.example"}))
    kind = "websocket" if scheme.startswith("ws") else "http"
    doubled = {"cookie": "__Host-csrf=c", "x-csrf-token": "c"} if kind == "http" else {}
    pairs = [(name.encode(), value.encode()) for name, value in (SHOP | headers | doubled).items()]
    scope = {"type": kind, "method": "POST", "scheme": scheme, "headers": pairs}
    if passes:
        check_forgery(scope, transport)
        return
    with pytest.raises(RequestRefused) as caught:
        check_forgery(scope, transport)
    assert (caught.value.status, caught.value.error) == (403, "cross_site")


NAMES = st.sampled_from([b"host", b"origin", b"sec-fetch-site", b"cookie", b"x-csrf-token"])
TEXTS = st.one_of(st.binary(max_size=40), st.from_regex(rb"\Ahttps?://[\[\]a-z.:@/0-9]{0,20}\Z"))


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=8), st.sampled_from(["http", "websocket"]))
def test_whatever_the_headers_are_forgery_is_refused_or_not_there(headers, kind):
    transport = Transport(cookies=CookieNames(), trusted_origins=frozenset({"https://app.example"}))
    scope = {"type": kind, "method": "POST", "scheme": "http", "headers": headers}
    try:
        check_forgery(scope, transport)
    except RequestRefused as exc:
        assert exc.status in {400, 403}  # noqa: PT017 - or it passes
