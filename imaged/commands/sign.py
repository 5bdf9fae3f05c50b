"""`imaged sign`: sign URLs with the first of the signing keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from imaged.commands.options import settings_options

if TYPE_CHECKING:
    from imaged.config.model import Settings

UPLOAD_TIME = "10m"
"""How long an upload URL is valid where the command does not say."""


@click.command("sign", short_help="Sign the URLs of outputs and of uploads.")
@settings_options
@click.option("--post", "namespace", metavar="NS", help="Sign an upload URL for this namespace.")
@click.option("--maximum-bytes", metavar="N", type=click.IntRange(1), help="With --post: the largest body.")
@click.option(
    "--expires",
    metavar="TIME",
    help="How long the URLs are valid: 90s, 10m, 1h, 7d, or seconds. Default: without end; with --post, 10m.",
)
@click.option(
    "--expires-at", metavar="MOMENT", help="Until when: 2027-01-31, 2027-01-31T12:00:00Z (UTC), or seconds since 1970."
)
@click.option("--url", default="", metavar="URL", help="Print whole URLs that begin so: https://img.example.com.")
@click.argument("paths", metavar="[PATH...]", nargs=-1)
def sign_command(  # each is an option
    config: str | None,
    overrides: tuple[str, ...],
    namespace: str | None,
    maximum_bytes: int | None,
    expires: str | None,
    expires_at: str | None,
    url: str,
    paths: tuple[str, ...],
) -> None:
    """Sign the path of an output, as in /p/HASH/w500.jpg, or a whole URL, and print each on a line.

    With --post, sign a URL to which a client without a token may post. The first of access.signing_keys signs.
    Standard error says which outputs need no signature. Exit status 1 says that some were not signed.
    """
    from imaged.commands.expiry import expiry

    if (namespace is None) == (not paths) or (namespace is None and maximum_bytes is not None):
        raise click.UsageError("Give paths, or --post with a namespace and perhaps --maximum-bytes.")
    if url and not url.startswith(("https://", "http://")):
        raise click.UsageError(f"--url {url}: begin it with https:// or http://.")
    if namespace is None:
        _sign_paths(_settings(config, overrides), expiry(expires, expires_at, time.time()), url, paths)
        return
    if expires is expires_at is None:
        expires = UPLOAD_TIME
    end = expiry(expires, expires_at, time.time())
    _sign_upload(_settings(config, overrides), namespace, str(end), maximum_bytes, url)


def _settings(config: str | None, overrides: tuple[str, ...]) -> Settings:
    """Read the settings; exit with their faults. Plugins and tokens may name secrets that this shell lacks."""
    from imaged.commands.configuration import read_settings
    from imaged.config.faults import ConfigurationError, begins

    loaded = read_settings(config, overrides)
    others = (("plugins",), ("access", "tokens"))
    if faults := [fault for fault in loaded.faults if not any(begins(fault.path, other) for other in others)]:
        raise SystemExit(str(ConfigurationError(faults)))
    return loaded.settings


def _sign_upload(settings: Settings, namespace: str, expires: str, maximum_bytes: int | None, url: str) -> None:
    from imaged.commands.signing import sign_upload
    from imaged.core.errors import ImagedError

    try:
        click.echo(sign_upload(settings, namespace, expires, maximum_bytes, url))
    except ImagedError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from error


def _sign_paths(settings: Settings, expires: str | None, url: str, paths: tuple[str, ...]) -> None:
    from imaged.commands.signing import PathSigner
    from imaged.core.errors import ImagedError

    signer, fine = PathSigner(settings, expires), True
    for path in paths:
        try:
            signed, is_public = signer.sign(path, url)
        except ImagedError as error:
            click.echo(str(error), err=True)
            fine = False
            continue
        click.echo(signed)
        if is_public:
            click.echo(f"{path} needs no signature with these settings", err=True)
    if not fine:
        raise SystemExit(1)
