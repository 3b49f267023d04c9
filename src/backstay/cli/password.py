"""``backstay password``: check, hash, verify and generate passwords, and build breach databases, from a shell.

Passwords are read from a prompt or from standard input, never from an argument or a variable: those stand in
process lists and in a shell's history.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio

from backstay.errors import BackstayError, MissingExtraError
from backstay.passwords import (
    LOCALES,
    OWASP,
    OWASP_46_MIB,
    PRESETS,
    RFC_9106_LOW_MEMORY,
    About,
    Argon2Profile,
    BreachDatabase,
    PasswordHasher,
    PasswordVerdict,
    PwnedRanges,
    StandardPolicy,
    UrllibTransport,
    generate_passphrase,
    generate_password,
    preset,
)
from backstay.secret import Secret

try:
    import click
except ImportError as exc:
    raise MissingExtraError("cli", "backstay password") from exc

T = TypeVar("T")

PROFILES: Final = {"owasp": OWASP, "owasp-46-mib": OWASP_46_MIB, "rfc-9106": RFC_9106_LOW_MEMORY}
_LONGEST_LINE: Final = 64 * 1024
_EXIT = """
Exit codes: 0 yes, or done; 1 no: refused, wrong, or breached; 2 wrong usage; 3 it could not be found out: a hash
that cannot be read, a breach source that does not answer, a damaged file.
"""

_JSON = click.option("--json", "as_json", is_flag=True, help="one JSON object instead of text")
_PRESET = click.option("--preset", "name", type=click.Choice(list(PRESETS)), default="classic", show_default=True)
_CONTEXT = click.option("--context", multiple=True, help="a word of the service that is refused; may be repeated")
_PROFILE = click.option("--profile", type=click.Choice(list(PROFILES)), default="owasp", show_default=True)


class _NotFoundOut(click.ClickException):
    exit_code = 3


@click.group(epilog=_EXIT)
def password() -> None:
    """Check, hash, verify and generate passwords. They are read from a prompt or standard input."""


@password.command()
@_PRESET
@_CONTEXT
@click.option("--username", default=None, help="whose password it is to be")
@click.option("--email", default=None, help="of the same person")
@click.option("--breach-db", "database", type=click.Path(dir_okay=False, path_type=Path), help="look it up there")
@click.option("--online", is_flag=True, help="ask Have I Been Pwned: five digits of its SHA-1 leave this machine")
@click.option("--locale", type=click.Choice(LOCALES), default="en", show_default=True)
@_JSON
def check(
    *,
    name: str,
    context: tuple[str, ...],
    username: str | None,
    email: str | None,
    database: Path | None,
    online: bool,
    locale: str,
    as_json: bool,
) -> None:
    """Say whether a password may be set, and if not, why. Exits 1 if it may not."""
    secret = _read_secret("Password")
    verdict = _call(_checked, secret, name, About.user(username, email, context), database, online)
    if as_json:
        click.echo(json.dumps(verdict.meter(locale), ensure_ascii=False))
    else:
        click.echo(f"{'accepted' if verdict else 'refused'}, score {verdict.meter()['score']} of 4")
        for problem in (*verdict.errors, *verdict.warnings):
            click.echo(f"- {problem.translated(locale)}. {problem.suggested(locale)}")
    if any(problem.code == "breach_unknown" for problem in verdict.warnings):
        raise _NotFoundOut("the breach source did not answer: nothing is known of breaches")
    sys.exit(0 if verdict else 1)


async def _checked(secret: Secret, name: str, about: About, database: Path | None, online: bool) -> PasswordVerdict:
    breach = PwnedRanges(UrllibTransport(), timeout=10.0) if online else None
    rules = preset(name)
    if database is None:
        return await StandardPolicy(rules, breach=breach).check(secret, about)
    with BreachDatabase(database) as offline:
        return await StandardPolicy(rules, breach=breach, offline=offline).check(secret, about)


@password.command(name="hash")
@_PROFILE
@_JSON
def hash_(*, profile: str, as_json: bool) -> None:
    """Print the argon2id hash of a password. A terminal asks for it twice."""
    secret = _read_secret("Password", confirm=True)

    async def work() -> str:
        async with PasswordHasher(PROFILES[profile]) as hasher:
            return await hasher.hash(secret)

    stored = _call(work)
    click.echo(json.dumps({"hash": stored}) if as_json else stored)


@password.command()
@_PROFILE
@click.option("--rehash", is_flag=True, help="print a new hash if the stored one is outdated")
@_JSON
def verify(*, profile: str, rehash: bool, as_json: bool) -> None:
    """Say whether a password belongs to a stored hash. Exits 1 if it does not.

    Standard input has the password in its first line and the stored hash in its second.
    """
    secret = _read_secret("Password")
    stored = _read_secret("Stored hash")

    async def work() -> dict[str, Any]:
        async with PasswordHasher(PROFILES[profile]) as hasher:
            verdict = await hasher.verify(secret, stored.reveal(), rehash=rehash)
        return {"ok": verdict.ok, "needs_rehash": verdict.needs_rehash, "new_hash": verdict.new_hash}

    answer = _call(work)
    if as_json:
        click.echo(json.dumps(answer))
    else:
        outdated = ", but the hash is outdated" if answer["needs_rehash"] else ""
        click.echo(f"right{outdated}" if answer["ok"] else "wrong")
        click.echo(answer["new_hash"] or "", nl=bool(answer["new_hash"]))
    sys.exit(0 if answer["ok"] else 1)


@password.command()
@click.option("--words", type=click.IntRange(1, 100), default=None, help="a passphrase of so many words")
@click.option("--length", type=click.IntRange(1, 1024), default=None, help="a password of so many characters")
@click.option("--bits", type=float, default=None, help="as many as reach these bits")
@click.option("--passphrase", is_flag=True, help="words instead of characters")
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True)
@_JSON
def generate(
    *, words: int | None, length: int | None, bits: float | None, passphrase: bool, count: int, as_json: bool
) -> None:
    """Print random passwords or passphrases, with the bits of their choice in the JSON form."""
    if length is not None and (words is not None or passphrase):
        raise click.UsageError("give either --length, or --words or --passphrase")
    for _ in range(count):
        if passphrase or words is not None:
            made = _do(lambda: generate_passphrase(words=words, bits=60.0 if bits is None else bits))
        else:
            made = _do(lambda: generate_password(length=length, bits=96.0 if bits is None else bits))
        text = made.secret.reveal()
        click.echo(json.dumps({"password": text, "bits": round(made.bits, 1)}) if as_json else text)


@password.command()
@_PRESET
@_CONTEXT
@_JSON
def policy(*, name: str, context: tuple[str, ...], as_json: bool) -> None:
    """Print a preset in words, or with --json also what an HTML form and a password manager need."""
    rules = preset(name, context=context)
    described = StandardPolicy(rules).describe()
    if as_json:
        answer = {"name": rules.name, "text": described, "html": dict(rules.html_attributes())}
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo(described)


@password.command()
@click.option(
    "--target", type=click.FloatRange(0.001, 60.0), default=0.25, show_default=True, help="seconds a hash"
)
@_JSON
def calibrate(*, target: float, as_json: bool) -> None:
    """Measure the profiles on this machine, and find how many passes fit a time. Run it where logins are served."""

    async def work() -> list[dict[str, Any]]:
        async with PasswordHasher(RFC_9106_LOW_MEMORY, memory_budget=1 << 30) as hasher:
            rows = [_row(name, profile, await hasher.calibrate(profile)) for name, profile in PROFILES.items()]
            second = rows[0]["seconds"] / OWASP.time_cost
            fitting = Argon2Profile(memory_kib=OWASP.memory_kib, time_cost=max(2, int(target / second)))
            return [*rows, _row("fits the target", fitting, await hasher.calibrate(fitting))]

    rows = _call(work)
    if as_json:
        click.echo(json.dumps(rows))
    else:
        _table(["profile", "memory KiB", "passes", "lanes", "ms a hash", "hashes/s a core"], rows)


def _row(name: str, profile: Argon2Profile, seconds: float) -> dict[str, Any]:
    costs = {"memory_kib": profile.memory_kib, "time_cost": profile.time_cost, "lanes": profile.lanes}
    return {"profile": name, **costs, "seconds": seconds}


def _table(headers: list[str], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*headers)
    for row in rows:
        name, *costs, seconds = row.values()
        table.add_row(name, *map(str, costs), f"{seconds * 1000:.1f}", f"{1 / seconds:.0f}")
    Console().print(table)


@password.group(name="breach-db", epilog=_EXIT)
def breach_db() -> None:
    """Breached passwords in one local file. Nothing here uses the network."""


@breach_db.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--min-count", type=click.IntRange(1), default=1, show_default=True, help="leave out rarer ones")
@_JSON
def build(*, source: Path, out: Path, min_count: int, as_json: bool) -> None:
    """Build OUT from SOURCE: a directory of range files, or one file of sorted SHA1:count lines.

    Both are what the official downloader of Pwned Passwords writes. A build that was interrupted goes on where it
    was; it takes little memory.
    """
    from backstay.passwords.breach import build as build_database

    with _progress(quiet=as_json) as tell:
        info = _do(lambda: build_database(source, out, min_count=min_count, progress=tell))
    answer = {"entries": info.entries, "min_count": info.min_count, "bytes": info.size_bytes}
    click.echo(json.dumps(answer) if as_json else f"{out}: {info.entries:,} entries, {info.size_bytes:,} bytes")


@breach_db.command(name="check")
@click.argument("database", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_JSON
def check_breach(*, database: Path, as_json: bool) -> None:
    """Say whether a password is in DATABASE. Exits 1 if it is."""
    secret = _read_secret("Password")

    async def work() -> bool:
        with BreachDatabase(database) as opened:
            return (await opened.look_up(secret)).state == "breached"

    breached = _call(work)
    click.echo(json.dumps({"breached": breached}) if as_json else "breached" if breached else "not found")
    sys.exit(1 if breached else 0)


@breach_db.command()
@click.argument("database", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--verify", "whole", is_flag=True, help="read all of it, to find damage")
@_JSON
def info(*, database: Path, whole: bool, as_json: bool) -> None:
    """Say what DATABASE holds, and how often it takes a clear password for breached."""

    def work() -> dict[str, Any]:
        with BreachDatabase(database) as opened:
            if whole:
                opened.verify()
            found = opened.info
        return {
            "entries": found.entries,
            "min_count": found.min_count,
            "bytes": found.size_bytes,
            "false_positives": found.false_positives,
        }

    answer = _do(work)
    if as_json:
        click.echo(json.dumps(answer))
    else:
        for key, value in answer.items():
            click.echo(f"{key.replace('_', ' '):16} {value}")


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[int, int], None] | None]:
    """A bar on a terminal, and nothing where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("ranges", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def _read_secret(prompt: str, *, confirm: bool = False) -> Secret:
    """One line of standard input, or what is typed unseen at a prompt on a terminal."""
    if sys.stdin.isatty():
        return Secret(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
    line = sys.stdin.buffer.readline(_LONGEST_LINE)
    if not line:
        raise click.UsageError(f"no {prompt.lower()} on standard input: give it as a line")
    try:
        return Secret(line.rstrip(b"\n").removesuffix(b"\r").decode())
    except UnicodeDecodeError:
        raise click.UsageError(f"the {prompt.lower()} on standard input is not UTF-8") from None


def _call(work: Callable[..., Awaitable[T]], *args: Any) -> T:
    return _do(lambda: anyio.run(work, *args))


def _do(work: Callable[[], T]) -> T:
    try:
        return work()
    except BackstayError as exc:
        raise _NotFoundOut(str(exc)) from None
