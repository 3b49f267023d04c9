"""A procrastinate worker, whose queue is a PostgreSQL table."""

from __future__ import annotations

from procrastinate import App, PsycopgConnector
from procrastinate.blueprints import Blueprint

from backstay import Backstay
from workers.work import recompute

tasks = Blueprint()
done: dict[str, str] = {}
"""What became of each symbol: procrastinate keeps no results."""


@tasks.task(name="recompute_price")
async def recompute_price(symbol: str, access_token: str) -> None:
    """The task."""
    done[symbol] = await recompute(symbol, access_token)


def application(database_url: str) -> App:
    """The application over a database."""
    app = App(connector=PsycopgConnector(conninfo=database_url))
    app.add_tasks_from(tasks, namespace="prices")
    return app


async def work(app: App) -> None:
    """Work until the queue is empty; leave `wait` out to work for good."""
    async with Backstay.open():
        await app.run_worker_async(wait=False, install_signal_handlers=False)
