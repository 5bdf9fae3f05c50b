"""`imaged erase`: erase pictures, or forget their outputs, whether the daemon runs or not."""

from __future__ import annotations

import sys

import click

from imaged.commands.options import settings_options


@click.command(short_help="Erase pictures, or forget their outputs.")
@settings_options
@click.option("--outputs", "outputs_only", is_flag=True, help="Forget the outputs alone; they are rendered again.")
@click.option("--every-namespace", is_flag=True, help="In each namespace that has the picture; name none then.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@click.argument("words", metavar="[NAMESPACE] PICTURE...", nargs=-1, required=True)
def erase(
    config: str | None,
    overrides: tuple[str, ...],
    words: tuple[str, ...],
    *,
    outputs_only: bool,
    every_namespace: bool,
    dry_run: bool,
) -> None:
    """Erase pictures of NAMESPACE: their originals, records and outputs.

    PICTURE is a hash, however it is cut, or a path or URL with it; - reads one from each line of the standard input.
    NAMESPACE may be left out where each PICTURE is a path or URL with it.
    The local files go at once. A running daemon, or the next one, removes the remote files, and purges caches a minute
    later. Each picture is a line on the standard output. Exit status 1 says that some pictures were not erased, 2 that
    none was, because a PICTURE is none.
    """
    from imaged.commands.erasing import run

    sys.exit(
        run(
            config,
            overrides,
            words,
            sys.stdin,
            outputs_only=outputs_only,
            every_namespace=every_namespace,
            dry_run=dry_run,
        )
    )
