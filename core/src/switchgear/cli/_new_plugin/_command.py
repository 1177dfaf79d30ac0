"""The command `switchgear new-plugin`."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import click

from switchgear._errors import SwitchgearError
from switchgear._plugins import FIRST_PARTY
from switchgear.cli._new_plugin._template import copies

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: What pip takes: a distribution's name, and which versions of it.
_REQUIREMENT = re.compile(r"([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)\s*([<>=!~][=<>!~\w.*+, -]*)?")


@click.command()
@click.argument("name")
@click.option("--client", metavar="PKG", help='The package whose clients it guards, as pip takes it: "acme-client>=2".')
@click.option(
    "--out",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="Where to make its folder; by default here.",
)
def new_plugin(*, name: str, client: str | None, out: Path) -> None:
    """Make a folder switchgear-NAME with a plugin, its tests and its packaging.

    It works as it is, with a small client of its own, and passes the conformance kit. With --client it is written
    against that package: what is to be filled in is marked, and its tests say which checks are still to pass.

    \b
    Examples:
      switchgear new-plugin acme && cd switchgear-acme && python -m pytest
      switchgear new-plugin acme --client "acme-client>=2"
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    words = _words(name, client)
    folder = out / words["switchgear-acme"]
    try:
        folder.mkdir()
        for path, text in copies(("common", "alone" if client is None else "client"), words):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    except FileExistsError:
        raise SwitchgearError(
            f"{folder} is there already, and was left as it is. Take another name or --out."
        ) from None
    except OSError as exc:
        raise SwitchgearError(f"The plugin cannot be written: {exc}. Give another --out.") from exc
    click.echo(f"Made {folder}. Next:\n  cd {folder}\n  python -m pytest")


def _words(name: str, client: str | None) -> dict[str, str]:
    """What stands in the copy for the words of the original."""
    if not _NAME.fullmatch(name):
        likely = re.sub(r"[^a-z0-9]+", "_", name.lower().removeprefix("switchgear-")).strip("_0123456789")
        hint = f" How about {likely}?" if _NAME.fullmatch(likely) else ""
        raise click.BadParameter(
            f"{name!r} is no name for a plugin. A good one is the backend's, in small letters, with digits and single "
            f"underscores where need be: acme, acme_cloud.{hint}",
            param_hint="NAME",
        )
    if name in FIRST_PARTY:
        raise click.BadParameter(f"there is a plugin {name} already, switchgear-{name}.", param_hint="NAME")
    words = {
        "switchgear-acme": f"switchgear-{name.replace('_', '-')}",
        "acme": name,
        "Acme": "".join(part.capitalize() for part in name.split("_")),
        "ACME": name.upper(),
        "switchgear>=0": f"switchgear>={version('switchgear')}",
    }
    if client is None:
        return words | {'"acme-client",': '"anyio>=4.7", # what its client is made of'}
    return words | _words_of_client(client)


def _words_of_client(requirement: str) -> dict[str, str]:
    found = _REQUIREMENT.fullmatch(requirement.strip())
    if not found:
        raise click.BadParameter(
            f'{requirement!r} is no package. Write it like "acme-client>=2".', param_hint="--client"
        )
    dist, versions = found[1], found[3]
    if not versions:
        try:
            versions = f">={version(dist).partition('+')[0]}"
        except PackageNotFoundError:
            versions = ""
    return {"acme-client": f"{dist}{versions.replace(' ', '')}", "acme_client": _module(dist)}


def _module(dist: str) -> str:
    """What it is imported as: known where it is installed, else as most are."""
    installed = packages_distributions().items()
    public = [module for module, dists in installed if dist in dists and not module.startswith("_")]
    usual = re.sub(r"[-.]+", "_", dist).lower()
    return usual if usual in public or not public else min(public)
