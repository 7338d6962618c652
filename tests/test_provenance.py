"""The commit that a run logs is that of this code, not of a repository in which it happens to be installed."""

import platform
import subprocess

import numpy as np

from ofiml import provenance
from tests.conftest import ROOT


def git(folder, *arguments):
    who = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_this_repository():
    assert provenance.read_git_state()[0] == git(ROOT, "rev-parse", "HEAD")


def test_inside_somebody_elses_repository_nothing_of_theirs_is_logged(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "theirs")
    installed = tmp_path / ".venv" / "ofiml" / "provenance.py"
    installed.parent.mkdir(parents=True)
    installed.touch()
    (tmp_path / "theirs.py").write_text("a secret")
    monkeypatch.setattr(provenance, "__file__", str(installed))
    assert provenance.read_git_state() == ("unknown", "")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "theirs.py"))
    commit, diff = provenance.read_git_state()
    assert commit == git(tmp_path, "rev-parse", "HEAD")
    assert "a secret" in diff


def test_the_environment_names_each_package_once_and_is_listed_once(monkeypatch):
    listed = provenance.list_environment()
    names = [line.partition("==")[0] for line in listed.splitlines()]
    assert len(set(names)) == len(names) > 50
    assert {f"{name}=={version}" for name, version in provenance.list_versions().items()} - set(
        listed.splitlines()
    ) == {f"python=={platform.python_version()}"}
    monkeypatch.setattr(provenance.metadata, "distributions", None)
    monkeypatch.setattr(provenance.metadata, "version", None)
    assert provenance.list_environment() == listed
    assert provenance.list_versions()["numpy"] == np.__version__


def test_the_environment_is_read_from_the_headers_of_metadata(tmp_path, monkeypatch):
    headers = {
        "windows.dist-info/METADATA": "Metadata-Version: 2.4\r\nName: windows\r\nVersion: 1.0 \r\n\r\nName: no\r\n",
        "old.egg-info/PKG-INFO": "Metadata-Version: 1.0\nName: old\nVersion: 2\nVersion: 3\nDescription: Name: no\n",
        "broken.dist-info/METADATA": "Metadata-Version: 2.4\nVersion: 4\n\nName: broken\n",
        "empty.dist-info/RECORD": "",
    }
    for name, header in headers.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(header, newline="")
    found = list(provenance.metadata.distributions(path=[str(tmp_path)]))
    assert len(found) == 4
    monkeypatch.setattr(provenance.metadata, "distributions", lambda: found)
    assert provenance.list_environment.__wrapped__() == "old==2\nwindows==1.0\n"
