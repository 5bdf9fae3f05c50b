"""The list of jobs that `imaged queue list` prints."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from imaged.jobs.admin import ListedJob, QueueAdmin
from imaged.jobs.comparison import RecordedComparison
from imaged.jobs.queue import Kind

HEAD = ("id", "kind", "state", "attempts", "age", "image", "output", "error")
WIDTHS = (8, 7, 8, 9, 8, 36, 20, 0)


def print_jobs(queue: QueueAdmin, kind: Kind | None, *, failed_only: bool) -> None:
    """Print a line for each job: aligned columns on a terminal, else columns with tabs between them."""
    is_terminal = sys.stdout.isatty()
    if kind != "render" and not failed_only:
        _report_comparison(queue.comparison())
    if is_terminal:
        click.echo(_aligned(HEAD))
    for entry in queue.jobs(kind, failed_only=failed_only):
        columns = _columns(entry, age_text(entry.age_s) if is_terminal else f"{entry.age_s:.0f}")
        click.echo(_aligned(columns) if is_terminal else "\t".join(columns))


def _report_comparison(last: RecordedComparison | None) -> None:
    if last is not None and last.state != "ended":
        since = datetime.fromtimestamp(last.began_at_s, UTC).isoformat(" ", "seconds")
        click.echo(
            f"more uploads may be pending: the comparison with the remote store, begun {since}, is {last.state}; "
            f"{last.images} images looked at, {last.missing} files missing",
            err=True,
        )


def _columns(entry: ListedJob, age: str) -> tuple[str, ...]:
    columns = (entry.id, entry.kind, entry.state, entry.attempts, age, entry.image, entry.output, entry.error)
    return tuple(_plain(str(column)) for column in columns)


def _plain(text: str) -> str:
    """Return `text` on one line, without tabs and control characters."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def _aligned(columns: tuple[str, ...]) -> str:
    return " ".join(column.ljust(width) for column, width in zip(columns, WIDTHS, strict=True)).rstrip()


def age_text(age_s: float) -> str:
    """Return an age by its two largest units."""
    minutes, seconds = divmod(max(0, round(age_s)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"
