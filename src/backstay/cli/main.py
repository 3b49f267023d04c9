"""``backstay``: the command. Each subject's commands are loaded when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from backstay.errors import MissingExtraError

try:
    import click
except ImportError as exc:
    raise MissingExtraError("cli", "the backstay command") from exc

_GROUPS: Final = {
    "index": "declare, build, judge and be advised on indexes",
    "migrate": "bring a database to where the migration files say",
    "password": "check, hash, verify and generate passwords; breach databases",
    "token": "keys, key sets, and the sessions behind tokens",
}


class _Subjects(click.Group):
    """Lists the subjects without importing them: help is quick, and a missing extra hurts nobody else."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The subjects."""
        return sorted(_GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The subject's group, now imported."""
        if cmd_name not in _GROUPS:
            return None
        group: click.Command = getattr(import_module(f"backstay.cli.{cmd_name}"), cmd_name)
        return group

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in the help text."""
        with formatter.section("Subjects"):
            formatter.write_dl(sorted(_GROUPS.items()))


@click.command(cls=_Subjects)
@click.version_option(package_name="backstay")
def main() -> None:
    """The async toolkit behind any Python web app or worker."""
