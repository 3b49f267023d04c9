"""What a call gives to a function's parameters is what `inspect` says, at a tenth of its price."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.cache.templates import Arguments, Template
from backstay.errors import ConfigError, UncacheableKey


async def plain(a, b, c=3, *, d, e=5): ...
async def defaults(a=1, b=2): ...
async def positional_only(a, /, b=2): ...
async def gathers(a, *rest, b=1, **more): ...
async def nothing(): ...


@pytest.mark.parametrize("function", [plain, defaults, positional_only, gathers, nothing])
@given(
    args=st.lists(st.integers(), max_size=5),
    kwargs=st.dictionaries(st.sampled_from("abcdef"), st.integers(), max_size=5),
)
def test_arguments_are_those_that_the_function_will_see(function, args, kwargs):
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            Arguments(function).of(tuple(args), kwargs)
        return
    bound.apply_defaults()
    assert dict(Arguments(function).of(tuple(args), kwargs)) == bound.arguments


def test_a_template_is_filled_with_canonical_texts():
    template = Template("100%:{{x}}:{b}:{a}:{b}")
    assert template.names == ("b", "a", "b")
    assert template.fill({"a": "x:y%", "b": 1, "unused": object()}) == "100%:{x}:1:x%3Ay%25:1"
    with pytest.raises(UncacheableKey, match="'a'"):
        template.fill({"a": object(), "b": 1})


@pytest.mark.parametrize("text", ["{", "{}", "{a.b}", "{a!r}", "{a:>3}", "{0}"])
def test_a_template_has_plain_names_in_its_braces(text):
    with pytest.raises(ConfigError, match="template"):
        Template(text)
