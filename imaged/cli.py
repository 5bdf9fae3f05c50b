"""The command line, and the only place that touches the global reactor.

Each command imports what it needs, so that the others do not wait for it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from functools import partial
from typing import Any

import click

from imaged.commands.erase import erase
from imaged.commands.options import settings_options
from imaged.commands.queue import queue_group
from imaged.commands.sign import sign_command
from imaged.commands.token import token_group

_STANDARD_ERROR = 2  # not sys.stderr: after a write fails on a full disk, its buffer raises at every later write


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: token.replace("_", "-"),
        "max_content_width": 110,
    }
)
@click.version_option(package_name="imaged-server", prog_name="imaged")
@click.option("--remote-base-path", metavar="PREFIX", help="For process: the prefix of every key in the remote store.")
@click.option("--outputs", metavar="A,B", help="For process: the outputs to be made.")
@click.option("--namespace", metavar="NS", help="For process: the namespace.")
@click.pass_context
def main(context: click.Context, /, **given: str | None) -> None:
    """Serve images at any size, quality and format from originals that are stored once."""
    context.obj = given = {name: value for name, value in given.items() if value is not None}
    if given and context.invoked_subcommand != "process":
        option = "--" + next(iter(given)).replace("_", "-")
        raise click.UsageError(f"{option} goes with the command process alone; --set overrides any setting.")


@main.command()
@settings_options
def run(config: str | None, overrides: tuple[str, ...]) -> None:
    """Run the daemon in the foreground.

    SIGHUP reloads the settings, SIGUSR2 hands over to a new process of the program, SIGTERM stops the daemon; a second
    SIGTERM ends it at once.
    """
    from imaged.garbage import LONG_LIVED

    LONG_LIVED.begin()
    from imaged.process.inherited_sockets import detach, inherit_sockets
    from imaged.process.signals import Signals

    signals = Signals()
    inherited = inherit_sockets(os.environ)
    detach(inherited)
    from imaged.workers.templates import Templates

    templates = Templates()
    templates.start()  # it loads its modules beside this process
    reactor = _reactor()
    from twisted.logger import globalLogBeginner

    from imaged.commands import configuration
    from imaged.daemon.main import Daemon
    from imaged.daemon.start import start_service
    from imaged.logs.files import Logs
    from imaged.logs.streams import LogStream
    from imaged.process.ending import end
    from imaged.process.notify import make_notifier

    logs = Logs(LogStream("standard error", _STANDARD_ERROR), reactor)
    write: Any = logs.write
    globalLogBeginner.beginLoggingTo([write], redirectStandardIO=False)
    _raise_file_limit()
    path = configuration.find(config)
    notifier = make_notifier(os.environ, muted=inherited.channel is not None)
    start = partial(
        start_service,
        reactor,
        read=lambda: configuration.read(path, overrides),
        config_name=str(path or configuration.BUILT_IN),
        logs=logs,
        notifier=notifier,
        inherited=inherited,
        templates=templates,
    )
    status = Daemon(reactor, start, signals, notifier, inherited).run()
    logs.drain()
    end(status)


@main.command(short_help="Check the settings and the plugins they name.")
@settings_options
@click.option("--deep", is_flag=True, help="If there is no fault, test the stores, state_dir and the processors, too.")
def check(config: str | None, overrides: tuple[str, ...], *, deep: bool) -> None:
    """Check the settings and the plugins they name: exit status 0, or every fault on a line of its own.

    If there is no fault, --deep tests the real resources and prints a line for each step. Run it as the user of the
    daemon, because it makes missing folders.
    """
    reactor = _reactor()
    from imaged.commands import configuration
    from imaged.commands.deep_check import DeepCheck
    from imaged.daemon.faults import find_faults
    from imaged.process.ending import end
    from imaged.process.run_to_end import run_to_end
    from imaged.workers.threads import Threads

    path = configuration.find(config)
    loaded = configuration.read_settings(config, overrides)
    threads = Threads(reactor, "work", 4)
    notes: list[str] = []
    try:
        faults = find_faults(loaded, reactor, threads, notes.append)
        for fault in faults:
            click.echo(str(fault), err=True)
        fine = not faults
        if fine and deep:
            fine = run_to_end(reactor, DeepCheck(loaded, reactor, threads, click.echo).run()) is True
    finally:
        threads.let_go()  # do not wait for a thread that hangs
    if fine:
        click.echo(f"{path or configuration.BUILT_IN}: OK")
        for note in notes:
            click.echo(note, err=True)
    if deep:
        end(0 if fine else 1)
    if not fine:
        sys.exit(1)


@main.command(short_help="Make outputs of many pictures.")
@settings_options
@click.option("--namespace", metavar="NS", help="The namespace of what does not name its own. Default: p.")
@click.option("--outputs", metavar="A,B", help="The outputs to be made, besides those that the settings name.")
@click.option("--resume", metavar="FILE", help="Note in this file what is done, and skip what it notes already.")
@click.option("--failed", metavar="FILE", help="Write what fails to this file, replacing it; it can be given as INPUT.")
@click.option(
    "--shard", metavar="I/N", help="Do the Ith of N parts. Default: what Slurm or AWS Batch say; /N: with an I."
)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.pass_obj
def process(
    given: dict[str, str],
    config: str | None,
    overrides: tuple[str, ...],
    namespace: str | None,
    outputs: str | None,
    resume: str | None,
    failed: str | None,
    shard: str | None,
    inputs: tuple[str, ...],
) -> None:
    """Make outputs of many pictures: those that the remote store lacks are made and uploaded.

    INPUT is a picture, or a list of hashes, URLs or paths, one a line; - is a list on the standard input. Each picture
    that is done is a line on the standard output: hash, URL, width, height. Exit status 1 says that some were not.
    """
    from imaged.process.signals import Signals

    signals = Signals()
    reactor = _reactor()
    from twisted.logger import globalLogBeginner

    from imaged.batch.errors import UsageError
    from imaged.batch.plan import make_plan
    from imaged.batch.process import BatchProcess
    from imaged.batch.report import Screen
    from imaged.commands.configuration import read_settings
    from imaged.config.faults import ConfigurationError
    from imaged.logs.lines import observer
    from imaged.process.ending import end

    screen = Screen(sys.stderr)
    globalLogBeginner.beginLoggingTo([observer(screen, for_people=True)], redirectStandardIO=False)
    if (base_path := given.get("remote_base_path")) is not None:
        overrides = (f"remote.base_path={json.dumps(base_path)}", *overrides)
    loaded = read_settings(config, (*overrides, "access={}"))  # whose secrets the daemon alone may have
    if loaded.faults:
        raise SystemExit(str(ConfigurationError(loaded.faults)))
    namespace, outputs = namespace or given.get("namespace", "p"), outputs or given.get("outputs", "")
    try:
        plan = make_plan(loaded.settings, inputs, namespace, outputs, resume, failed, shard, os.environ)
        _raise_file_limit()
        status = BatchProcess(reactor, signals, loaded, plan, screen, sys.stdout.buffer).run()
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    end(status)


@main.command(short_help="Make outputs of a picture, to try settings.")
@settings_options
@click.option("-o", "--output-folder", metavar="DIR", default=".", help="Write the files here. Default: this folder.")
@click.option("--namespace", metavar="NS", default="p", help="The namespace whose policy applies. Default: p.")
@click.argument("file", metavar="FILE")
@click.argument("names", metavar="OUTPUT...", nargs=-1, required=True)
def render(
    config: str | None,
    overrides: tuple[str, ...],
    output_folder: str,
    namespace: str,
    file: str,
    names: tuple[str, ...],
) -> None:
    """Make outputs of the picture FILE with the settings, and write each as DIR/OUTPUT over an older file.

    OUTPUT is a name such as w500.webp; w500.auto makes each format that a client may get. Each file is a line on the
    standard output: path, size, bytes, time. No store, no queue and no remote store is used. Exit status 1 says that
    some outputs were not made.
    """
    reactor = _reactor()
    from pathlib import Path

    from twisted.logger import globalLogBeginner

    from imaged.batch.report import Screen
    from imaged.commands.configuration import read_settings
    from imaged.commands.render import WITHOUT, RenderCommand, chosen
    from imaged.config.faults import ConfigurationError
    from imaged.core.errors import ImagedError
    from imaged.core.hashes import check_namespace
    from imaged.core.outputs import parse
    from imaged.logs.lines import observer
    from imaged.process.ending import end
    from imaged.process.run_to_end import run_to_end

    globalLogBeginner.beginLoggingTo([observer(Screen(sys.stderr), for_people=True)], redirectStandardIO=False)
    try:
        outputs = tuple(chosen(names, parse))
        check_namespace(namespace)
    except ImagedError as error:
        raise click.UsageError(str(error)) from error
    loaded = read_settings(config, (*overrides, *WITHOUT))
    if loaded.faults:
        raise SystemExit(str(ConfigurationError(loaded.faults)))
    complain = partial(click.echo, err=True)
    where = (Path(file), namespace, outputs, Path(output_folder))
    try:
        fine = run_to_end(reactor, RenderCommand(loaded, reactor, *where, click.echo, complain).run())
    except ImagedError as error:
        complain(str(error))
        fine = False
    end(0 if fine else 1)


@main.command(short_help="List the plugins that are installed, or the options of one.")
@click.argument("name", required=False)
def plugins(name: str | None) -> None:
    """List the plugins that are installed, or the options of the plugin NAME.

    Each option is listed with type, default and description. Options stand below plugins.NAME in the YAML file.
    """
    from imaged.commands.plugins import options_text
    from imaged.hooks.installation import installed

    if name is not None:
        click.echo(options_text(name))
        return
    for each, entry_point in installed().items():
        distribution = entry_point.dist
        origin = f"{distribution.name} {distribution.version}" if distribution else ""
        click.echo(f"{each:<16} {entry_point.value:<24} {origin}")


main.add_command(erase)
main.add_command(queue_group)
main.add_command(sign_command)
main.add_command(token_group)


@main.group("config")
def config_group() -> None:
    """Show the settings."""


@config_group.command()
@settings_options
def show(config: str | None, overrides: tuple[str, ...]) -> None:
    """Print the effective settings as YAML; references stay references."""
    import yaml

    from imaged.commands.configuration import read_settings
    from imaged.config.faults import ConfigurationError

    loaded = read_settings(config, overrides)
    if loaded.faults:
        raise SystemExit(str(ConfigurationError(loaded.faults)))
    click.echo(yaml.safe_dump(loaded.plain_values(), sort_keys=False, allow_unicode=True), nl=False)


@config_group.command(short_help="Print a JSON Schema of the settings, for editors.")
def schema() -> None:
    """Print a JSON Schema of the settings, for editors, with the options of the plugins that are installed."""
    from imaged.commands.plugins import settings_schema

    click.echo(json.dumps(settings_schema(), indent=2))


def _reactor() -> Any:
    """Import the global reactor, with steady timers and its own threads for names.

    Not at the top: Twisted's endpoints would take the sockets of systemd, and no thread may run before the fork.
    """
    from twisted.internet import reactor

    from imaged.fetch.resolver import use_own_threads
    from imaged.process.clock import keep_monotonic

    use_own_threads(reactor)
    return keep_monotonic(reactor)


def _raise_file_limit() -> None:
    """Raise the limit of open files to the maximum: each client needs one, and each file that is served."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
