"""`imaged sign`: sign URLs with the first of the signing keys."""

from __future__ import annotations

import time

import click

from imaged.commands.options import settings_options


@click.command("sign", short_help="Sign the URLs of outputs.")
@settings_options
@click.option("--expires", metavar="TIME", help="How long the URLs are valid: 90s, 10m, 1h, 7d. Default: without end.")
@click.option(
    "--expires-at", metavar="MOMENT", help="Until when: 2027-01-31, 2027-01-31T12:00:00Z (UTC), or seconds since 1970."
)
@click.option("--url", default="", metavar="URL", help="Print whole URLs that begin so: https://img.example.com.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
def sign_command(
    config: str | None,
    overrides: tuple[str, ...],
    expires: str | None,
    expires_at: str | None,
    url: str,
    paths: tuple[str, ...],
) -> None:
    """Sign the path of an output, as in /p/HASH/w500.jpg, or a whole URL, and print each on a line.

    The first of access.signing_keys signs. Standard error says which of them need no signature. Exit status 1 says that
    some were not signed.
    """
    from imaged.commands.configuration import read_settings
    from imaged.commands.expiry import expiry
    from imaged.commands.signing import PathSigner
    from imaged.config.faults import ConfigurationError
    from imaged.core.errors import ImagedError

    end = expiry(expires, expires_at, time.time())
    loaded = read_settings(config, overrides)
    # The sections of plugins may name secrets that this shell does not have.
    if faults := [fault for fault in loaded.faults if fault.path[:1] != ("plugins",)]:
        raise SystemExit(str(ConfigurationError(faults)))
    signer, fine = PathSigner(loaded.settings, end), True
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
