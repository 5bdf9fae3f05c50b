"""`imaged token`: makes tokens, with which clients post, process and delete."""

from __future__ import annotations

import re
import secrets

import click

from imaged.core.access_request import WRITES

PREFIX = "imaged_"
"""Programs that look for secrets in source code find a token by it."""

TOKEN_BYTES = 32

_ADVICE = """
Write it into {file} beside the settings, for the daemon's user alone, as in
    install -m 600 -o imaged /dev/stdin /etc/imaged/{file}
Add to the settings, and reload them with SIGHUP:
    access:
      tokens:
        - {entry}
Clients send the header
    Authorization: Bearer TOKEN"""


@click.group("token")
def token_group() -> None:
    """Make tokens for clients that post, process and delete."""


@token_group.command(short_help="Print a new token, and its lines for the settings.")
@click.option("--name", metavar="N", default="app", help="The name of the token in the log. Default: app.")
@click.option(
    "--namespace",
    "namespaces",
    metavar="NS",
    multiple=True,
    help="A namespace that it is for; may be repeated. Default: all.",
)
@click.option(
    "--action",
    "actions",
    type=click.Choice([str(action) for action in WRITES]),
    multiple=True,
    help="What a client may do with it; may be repeated. Default: all.",
)
def new(name: str, namespaces: tuple[str, ...], actions: tuple[str, ...]) -> None:
    """Print a new token, and on standard error the lines of the settings that name its file.

    imaged keeps no copy of it: send the standard output to a file.
    """
    import yaml

    from imaged.config.tokens import ALL, NAME
    from imaged.core.errors import ImagedError
    from imaged.core.hashes import check_namespace

    if not re.fullmatch(NAME, name):
        raise click.UsageError(f"{name!r} is no name: use letters, digits and _.-, with a letter or digit first.")
    try:
        chosen = [check_namespace(each) for each in dict.fromkeys(namespaces)]
    except ImagedError as error:
        raise click.UsageError(str(error)) from error
    click.echo(PREFIX + secrets.token_urlsafe(TOKEN_BYTES))
    entry = {
        "name": name,
        "token": {"file": f"{name}.token"},
        "namespaces": chosen or ALL,
        "actions": list(dict.fromkeys(actions)) or list(map(str, WRITES)),
    }
    line = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1000).strip()
    click.echo(_ADVICE.format(file=f"{name}.token", entry=line), err=True)
