"""An uploader to Manta, the object storage of Triton (Joyent).

Requests are signed with an SSH key from a file or by the SSH agent. A key of imaged is a path below the account; the
uploader makes Manta's directories as needed. `docs/manta.md` is the operators' page.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec

from imaged.api import Host, Uploader, hookimpl, how_to_install

if find_spec("urllib3") is None:
    raise ImportError(f"urllib3 is missing: {how_to_install('manta', 'python3-urllib3 python3-bcrypt')}")

from .client import Client, Timeouts
from .keys import Key, KeyId, read_key
from .options import Options
from .signing import Signer
from .ssh_agent import AgentKey
from .uploader import MantaUploader


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Return an uploader to the account that the options name."""
    return make_uploader(host, host.options(Options), Timeouts())


def make_uploader(host: Host, options: Options, timeouts: Timeouts) -> MantaUploader:
    """Return the uploader for these options. It sends nothing yet, and does not call the SSH agent."""
    identity = f"/{options.account}/{options.user}" if options.user else f"/{options.account}"
    threads = host.make_threads(host.upload_concurrency)
    signer = Signer(_key(options), identity, options.roles, time.time)
    client = Client(options.url, signer, threads, timeouts, host.upload_concurrency)
    return MantaUploader(options, client, threads, host.upload_concurrency)


def _key(options: Options) -> Key | None:
    if options.key_id is None:
        return None
    if options.key_file is None:
        return AgentKey(KeyId.parse(options.key_id), lambda: os.environ.get("SSH_AUTH_SOCK"))
    return read_key(options.key_file, options.key_passphrase)
