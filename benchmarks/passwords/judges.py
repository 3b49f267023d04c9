"""The estimators and policies that are compared: each says whether it would accept a row's password."""

from __future__ import annotations

from collections.abc import Callable

from labelled import Row

from backstay.passwords import About, Rules

Judge = Callable[[Row], bool]


def JUDGES() -> dict[str, Judge]:  # noqa: N802 - read as the table that it is
    """Every judge that is installed. Backstay's lists are read once, here."""
    found: dict[str, Judge] = {
        "backstay strong": backstay(Rules.strong()),
        "backstay classic": backstay(Rules.classic()),
    }
    for maker in (zxcvbn_rs, zxcvbn, django):
        try:
            found.update(maker())
        except ImportError:
            continue
    return found


def backstay(rules: Rules) -> Judge:
    return lambda row: bool(rules.check(row.password, About(**row.about)))


def inputs(row: Row) -> list[str]:
    """What is known of the user, in the flat form that peers take."""
    about = row.about
    return [
        *(about[key] for key in ("username", "email") if key in about),
        *about.get("names", ()),
        *about.get("context", ()),
    ]


def zxcvbn_rs() -> dict[str, Judge]:
    from zxcvbn_rs_py import zxcvbn

    def at_least(score: int) -> Judge:
        return lambda row: int(zxcvbn(row.password, inputs(row)).score) >= score

    return {"zxcvbn-rs >= 3": at_least(3), "zxcvbn-rs >= 4": at_least(4)}


def zxcvbn() -> dict[str, Judge]:
    from zxcvbn import zxcvbn

    return {"zxcvbn.py >= 3": lambda row: zxcvbn(row.password, inputs(row), max_length=100)["score"] >= 3}


def django() -> dict[str, Judge]:
    from types import SimpleNamespace

    import django.conf
    from django.contrib.auth.password_validation import (
        CommonPasswordValidator,
        MinimumLengthValidator,
        NumericPasswordValidator,
        UserAttributeSimilarityValidator,
    )
    from django.core.exceptions import ValidationError

    if not django.conf.settings.configured:
        django.conf.settings.configure(USE_I18N=False)
    validators = [
        MinimumLengthValidator(),
        CommonPasswordValidator(),
        NumericPasswordValidator(),
        UserAttributeSimilarityValidator(),
    ]

    def accepts(row: Row) -> bool:
        names = [*row.about.get("names", ()), "", ""]
        user = SimpleNamespace(
            username=row.about.get("username", ""),
            email=row.about.get("email", ""),
            first_name=names[0],
            last_name=names[1],
            _meta=SimpleNamespace(get_field=lambda name: SimpleNamespace(verbose_name=name)),
        )
        try:
            for validator in validators:
                validator.validate(row.password, user)
        except ValidationError:
            return False
        return True

    return {"Django": accepts}
