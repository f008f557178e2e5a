"""`check`: what is at a URL, step by step, and which distribution owns the package. It changes nothing.

Without a URL only the installation is told. That works in an installation that is mixed with python-qpid-proton, too,
from which the rest of the command line may not be importable.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from typing import Any

from proton.cli import codes
from proton.cli.checks.findings import OK, Deadline, Finding, Report
from proton.cli.checks.package import CURE, tell_optional, tell_package, tell_python

__all__ = ["EXAMPLES", "add_arguments", "run"]

DEFAULT_TIMEOUT = 10.0
EXAMPLES = """\
  pure-proton check                               what is installed here
  pure-proton check amqp://broker.example.com
  pure-proton check amqps://localhost --ca authority.pem --user worker
  pure-proton check amqp://localhost/tasks        with links; nothing is moved
  pure-proton check amqp://localhost --json | jq '.steps[-1].text'
"""


# By hand, as the parts above the installation may be those of another distribution.
def _imported(name: str) -> tuple[Any, str]:
    """A module, and why it cannot be imported, "" if it can."""
    try:
        return importlib.import_module(name), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


common: Any
examine: Any
problem: str
common, problem = _imported("proton.cli.common")
examine, _problem = _imported("proton.cli.checks.examine")
problem = problem or _problem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    if problem:
        parser.add_argument("url", metavar="URL", nargs="?")
    else:
        parser.usage = "%(prog)s [URL] [options]"
        common.add_connection_arguments(parser)
        common.add_timeout_argument(parser, "the whole check", DEFAULT_TIMEOUT)
    parser.add_argument(
        "--json", action="store_true", help="one JSON object: the exit code, and each step with its facts"
    )


def run(options: argparse.Namespace) -> int:
    """Look, and tell.

    :return: the exit code: 0, or that of the first failure.
    """
    place = None
    if not problem and (options.url or options.broker):
        place = common.place_of(options, with_address=False)
    # Before the first line: it may ask for the password.
    target = _target(options, place) if place is not None else None
    report = Report(_ignore if options.json else _print_unless_ok if getattr(options, "quiet", False) else _print)
    tell_package(report)
    tell_python(report)
    if problem:
        text = f"the package cannot be imported: {problem}"
        report.failed(codes.CONNECTION, "import", text, CURE)
    elif target is None:
        tell_optional(report)
    else:
        examine.examine(report, target, Deadline(options.timeout))
    if options.json:
        steps = [finding.data() for finding in report.findings]
        found = {"url": place.url if place is not None else None, "code": report.code, "steps": steps}
        sys.stdout.write(json.dumps(found, indent=2, default=str) + "\n")
    return report.code


def _target(options: argparse.Namespace, place: Any) -> Any:
    url = examine.Url(options.broker or options.url)
    user = options.user or place.user
    password = common.password_of(options, place, user)
    login = examine.Login(
        user,
        password,
        options.mechanisms,
        container_id=options.container_id,
        virtual_host=options.virtual_host,
        shows_frames=options.verbose,
    )
    tls = None
    if url.scheme == "amqps":
        tls = examine.TLSOptions(options.ca, options.cert, options.key, options.insecure)
    address = options.address or url.path or None
    return examine.Target(url.host or "localhost", int(url.port), login, tls, address, tuple(options.capability or ()))


def _print(finding: Finding) -> None:
    sys.stdout.write(f"{finding.line()}\n")
    sys.stdout.flush()


def _print_unless_ok(finding: Finding) -> None:
    if finding.status != OK:
        _print(finding)


def _ignore(finding: Finding) -> None:
    pass
