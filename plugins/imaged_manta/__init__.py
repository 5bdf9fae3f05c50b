"""Keeps files in Manta, the object storage of Triton (Joyent).

Requests are signed with an SSH key, from a file or by the SSH agent. Manta has directories, which are made as they are
needed; a key of imaged is a path below the account. `docs/manta.md` is the operators' page.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec

from imaged.api import Host, Uploader, hookimpl, how_to_install

# An extra, so that who keeps no files in Manta needs none of it.
if find_spec("treq") is None:
    raise ImportError(f"treq is missing: {how_to_install('manta', 'python3-treq python3-bcrypt')}")

from .agent import AgentKey
from .connection import Connection, Limits, make_agent
from .keys import Key, KeyId, read_key
from .options import Options
from .signing import Signer, Signs, Unsigned
from .uploader import Manta


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Keep files where the options say."""
    return make_uploader(host, host.options(Options), Limits())


def make_uploader(host: Host, options: Options, limits: Limits) -> Manta:
    """Return the uploader for these options; nothing is sent yet, and the SSH agent is not asked."""
    signer: Signs = Unsigned(options.roles)
    if options.key_id is not None:
        identity = f"/{options.account}/{options.user}" if options.user else f"/{options.account}"
        signer = Signer(
            _key(options, KeyId.parse(options.key_id)), identity, options.roles, time.time, host.run_in_thread
        )
    agent, close = make_agent(host.clock, host.agent, limits, host.upload_concurrency)
    connection = Connection(options.url, agent, signer, host.clock, limits, host.upload_concurrency)
    return Manta(options, connection, host.run_in_thread, host.upload_concurrency, close)


def _key(options: Options, key_id: KeyId) -> Key:
    if options.key_file is None:
        return AgentKey(key_id, lambda: os.environ.get("SSH_AUTH_SOCK"))
    return read_key(options.key_file, options.key_passphrase)
