"""`imaged queue`: show and change the job queue, whether the daemon runs or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from imaged.commands.options import settings_options

LARGEST_ID = 2**63 - 1


@click.group("queue")
def queue_group() -> None:
    """Show and change the queue of renders, uploads, erasures and purges."""


@queue_group.command("list")
@settings_options
@click.option("--parked", "failed_only", is_flag=True, help="Only the jobs that failed for good.")
@click.option("--kind", type=click.Choice(["render", "upload", "erase", "purge"]), help="Only the jobs of this kind.")
def list_jobs(config: str | None, overrides: tuple[str, ...], kind: Any, *, failed_only: bool) -> None:
    """List the jobs, one on each line, failed ones first.

    Until the local store has been compared with the remote one, more uploads may be pending: standard error says so.
    Where the output is no terminal, tabs separate the columns, the age is in seconds, and there is no heading.
    """
    from imaged.commands.queue_list import print_jobs
    from imaged.commands.queue_opening import open_queue

    with open_queue(config, overrides) as queue:
        print_jobs(queue, kind, failed_only=failed_only)


def which_jobs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the parameters that choose jobs: some by their ids, or all."""
    command = click.option("--all", "every", is_flag=True, help="Every failed job.")(command)
    return click.argument("ids", metavar="[ID...]", nargs=-1, type=click.IntRange(1, LARGEST_ID))(command)


@queue_group.command()
@settings_options
@which_jobs
def retry(config: str | None, overrides: tuple[str, ...], ids: tuple[int, ...], *, every: bool) -> None:
    """Queue failed jobs again, with no failed attempts.

    A running daemon takes them up within seconds. When one of the jobs has not failed, nothing changes.
    """
    from imaged.commands.queue_opening import open_queue

    chosen = _chosen(ids, every=every)
    with open_queue(config, overrides) as queue:
        click.echo(f"queued again: {queue.retry(chosen)}")


@queue_group.command()
@settings_options
@which_jobs
def drop(config: str | None, overrides: tuple[str, ...], ids: tuple[int, ...], *, every: bool) -> None:
    """Remove failed jobs.

    When one of the jobs has not failed, nothing changes.
    """
    from imaged.commands.queue_opening import open_queue

    chosen = _chosen(ids, every=every)
    with open_queue(config, overrides) as queue:
        click.echo(f"dropped: {queue.drop(chosen)}")


def _chosen(ids: tuple[int, ...], *, every: bool) -> tuple[int, ...] | None:
    if every == bool(ids):
        raise click.UsageError("Name jobs by their ids, or give --all.")
    return None if every else ids
