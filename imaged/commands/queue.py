"""`imaged queue`: show and change the job queue, whether the daemon runs or not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from imaged.commands.configuration import read_settings, settings_options
from imaged.config.faults import ConfigurationError
from imaged.core.errors import ImagedError
from imaged.jobs.admin import ListedJob, QueueAdmin, administer
from imaged.jobs.comparison import RecordedComparison
from imaged.jobs.queue import Kind

HEAD = ("id", "kind", "state", "attempts", "age", "image", "output", "error")
WIDTHS = (8, 7, 8, 9, 8, 36, 20, 0)
LARGEST_ID = 2**63 - 1


@click.group("queue")
def queue_group() -> None:
    """Show and change the queue of renders and uploads."""


@queue_group.command("list")
@settings_options
@click.option("--parked", "failed_only", is_flag=True, help="Only the jobs that failed for good.")
@click.option("--kind", type=click.Choice(["render", "upload"]), help="Only the jobs of this kind.")
def list_jobs(config: str | None, overrides: tuple[str, ...], kind: Kind | None, *, failed_only: bool) -> None:
    """List the jobs, one on each line, failed ones first.

    Until the local store has been compared with the remote one, more uploads may be pending: standard error says so.
    Where the output is no terminal, tabs separate the columns, the age is in seconds, and there is no heading.
    """
    is_terminal = sys.stdout.isatty()
    with _queue(config, overrides) as queue:
        if kind != "render" and not failed_only:
            _report_comparison(queue.comparison())
        if is_terminal:
            click.echo(_aligned(HEAD))
        for entry in queue.jobs(kind, failed_only=failed_only):
            columns = _columns(entry, _age(entry.age_s) if is_terminal else f"{entry.age_s:.0f}")
            click.echo(_aligned(columns) if is_terminal else "\t".join(columns))


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
    chosen = _chosen(ids, every=every)
    with _queue(config, overrides) as queue:
        click.echo(f"queued again: {queue.retry(chosen)}")


@queue_group.command()
@settings_options
@which_jobs
def drop(config: str | None, overrides: tuple[str, ...], ids: tuple[int, ...], *, every: bool) -> None:
    """Remove failed jobs.

    When one of the jobs has not failed, nothing changes.
    """
    chosen = _chosen(ids, every=every)
    with _queue(config, overrides) as queue:
        click.echo(f"dropped: {queue.drop(chosen)}")


@contextmanager
def _queue(config: str | None, overrides: tuple[str, ...]) -> Iterator[QueueAdmin]:
    loaded = read_settings(config, overrides)
    # The queue needs no options of plugins: their secrets may be in an environment that only the daemon has.
    faults = [fault for fault in loaded.faults if fault.path[:1] != ("plugins",)]
    if faults:
        raise SystemExit(str(ConfigurationError(faults)))
    try:
        with administer(Path(loaded.settings.state_dir), time.time) as queue:
            yield queue
    except ImagedError as error:
        raise SystemExit(str(error)) from error


def _report_comparison(last: RecordedComparison | None) -> None:
    if last is not None and last.state != "ended":
        since = datetime.fromtimestamp(last.began_at_s, UTC).isoformat(" ", "seconds")
        click.echo(
            f"more uploads may be pending: the comparison with the remote store, begun {since}, is {last.state}; "
            f"{last.images} images looked at, {last.missing} files missing",
            err=True,
        )


def _chosen(ids: tuple[int, ...], *, every: bool) -> tuple[int, ...] | None:
    if every == bool(ids):
        raise click.UsageError("Name jobs by their ids, or give --all.")
    return None if every else ids


def _columns(entry: ListedJob, age: str) -> tuple[str, ...]:
    columns = (entry.id, entry.kind, entry.state, entry.attempts, age, entry.image, entry.output, entry.error)
    return tuple(_plain(str(column)) for column in columns)


def _plain(text: str) -> str:
    """Return `text` on one line, without tabs and control characters."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def _aligned(columns: tuple[str, ...]) -> str:
    return " ".join(column.ljust(width) for column, width in zip(columns, WIDTHS, strict=True)).rstrip()


def _age(age_s: float) -> str:
    minutes, seconds = divmod(max(0, round(age_s)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"
