"""An uploader to Manta, the object storage of Triton (Joyent).

Requests are signed with an SSH key from a file or by the SSH agent. A key of imaged is a path below the account; the
uploader makes Manta's directories as needed. `docs/manta.md` is the operators' page.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec

from imaged.api import Host, Uploader, hookimpl, how_to_install

# treq is an extra: only this plugin needs it.
if find_spec("treq") is None:
    raise ImportError(f"treq is missing: {how_to_install('manta', 'python3-treq python3-bcrypt')}")

from .client import Client, Timeouts, make_agent
from .keys import Key, KeyId, read_key
from .options import Options
from .signing import KeySigner, NoSigner, Signer
from .ssh_agent import AgentKey
from .uploader import MantaUploader


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Return an uploader to the account that the options name."""
    return make_uploader(host, host.options(Options), Timeouts())


def make_uploader(host: Host, options: Options, timeouts: Timeouts) -> MantaUploader:
    """Return the uploader for these options. It sends nothing yet, and does not call the SSH agent."""
    signer: Signer = NoSigner(options.roles)
    if options.key_id is not None:
        identity = f"/{options.account}/{options.user}" if options.user else f"/{options.account}"
        key = _key(options, KeyId.parse(options.key_id))
        signer = KeySigner(key, identity, options.roles, time.time, host.run_in_thread)
    agent, close = make_agent(host.clock, host.agent, timeouts, host.upload_concurrency)
    client = Client(options.url, agent, signer, host.clock, timeouts, host.upload_concurrency)
    return MantaUploader(options, client, host.run_in_thread, host.upload_concurrency, close)


def _key(options: Options, key_id: KeyId) -> Key:
    if options.key_file is None:
        return AgentKey(key_id, lambda: os.environ.get("SSH_AUTH_SOCK"))
    return read_key(options.key_file, options.key_passphrase)
