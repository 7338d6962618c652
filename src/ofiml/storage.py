"""A folder of files by name: on a disk, or at an address that fsspec knows, such as s3://bucket/folder.

A file appears whole or not at all: on a disk it is renamed into place, and an object store shows an object once its
upload is complete. The caches above also hash what they read, for places that promise less.
"""

import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ofiml.atomic import hash_file, write_atomically
from ofiml.errors import ConfigError, DataError

_EXTRAS = {"s3": "s3", "s3a": "s3"}  # the extra of this project that installs what a protocol needs
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}  # an object appears once its upload is complete

#: `user:password@` after the scheme. Drivers of databases and keys of S3 allow / ? # in a password, where urlsplit ends
#: the host. So what follows a colon and is no port is a password, up to the last @.
_USER = re.compile(r"(?<=://)(?:[^/?#\s]*|[^/?#:@\s]*:(?!:|\d*(?:[/?#,\]]|$))\S*)@")
_QUERY = re.compile(r"(://[^?#\s]*+)(\?[^#\s]*+)?")
_WORD = re.compile(r"\S++")


class Storage(Protocol):
    """A folder of files by name."""

    def read(self, name: str) -> bytes | None:
        """Read a file; None if it does not exist."""
        ...

    def write(self, name: str, write_to: Callable[[Path], object]) -> str:
        """Write a file whole, from what `write_to` writes to the path that it gets; return its SHA-256."""
        ...

    def list_names(self) -> list[str]:
        """List the names of the files, sorted."""
        ...

    def delete(self) -> None:
        """Delete the folder with its files, if it exists."""
        ...


def is_address(place: str) -> bool:
    """Return whether a place is an address, not a path."""
    return "://" in place


def open_storage(place: str | Path) -> Storage:
    """Open the folder at a path or an address. It is created with its first file.

    Raises ConfigError for an address whose protocol is unknown, or whose package is not installed.
    """
    if isinstance(place, Path) or not is_address(place):
        return Folder(Path(place))
    shown, protocol = strip_credentials(place), place.partition("://")[0]
    extra = _EXTRAS.get(protocol)
    try:
        import fsspec

        files, path = fsspec.core.url_to_fs(place)
    except ImportError as error:
        remedy = f"pip install 'ofiml[{extra}]'" if extra else f"install the package of fsspec for {protocol}://"
        raise ConfigError(f"{shown} needs a package that is not installed ({error.name or error}): {remedy}.") from None
    except ValueError as error:
        raise ConfigError(f"{shown} is no address that fsspec knows ({error}): write a path, or s3://….") from None
    return RemoteFolder(files, str(path).rstrip("/"), shown)


class Folder:
    """A folder on a disk of this machine, or on one that machines share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytes | None:
        """Read a file; None if it cannot be read."""
        try:
            return (self.path / name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, write_to: Callable[[Path], object]) -> str:
        """Write a temporary file and rename it."""
        self.path.mkdir(parents=True, exist_ok=True)
        return write_atomically(self.path / name, write_to)

    def list_names(self) -> list[str]:
        """List the names of the files, without those that are still being written."""
        return sorted(p.name for p in self.path.iterdir() if not p.name.startswith(".")) if self.path.is_dir() else []

    def delete(self) -> None:
        """Delete the folder with its files, if it exists."""
        shutil.rmtree(self.path, ignore_errors=True)


class RemoteFolder:
    """A folder of a filesystem of fsspec. `shown` is its address without credentials.

    Raises DataError if the filesystem does not answer or refuses.
    """

    def __init__(self, files: Any, path: str, shown: str) -> None:
        self.files, self.path, self.shown = files, path, shown

    def read(self, name: str) -> bytes | None:
        """Read a file; None if it does not exist."""
        with self._explain("read"):
            try:
                content: bytes = self.files.cat_file(f"{self.path}/{name}")
            except FileNotFoundError:
                return None
            return content

    def write(self, name: str, write_to: Callable[[Path], object]) -> str:
        """Write a file on this machine and upload it."""
        with tempfile.TemporaryDirectory(prefix="ofiml-") as folder:
            path = Path(folder) / name
            write_to(path)
            sha = hash_file(path)
            with self._explain("written"):
                self._upload(path, f"{self.path}/{name}")
        return sha

    def _upload(self, path: Path, target: str) -> None:
        protocols = self.files.protocol
        if _OBJECT_STORES & set([protocols] if isinstance(protocols, str) else protocols):
            self.files.put_file(str(path), target)
            return
        folder, _, name = target.rpartition("/")
        part = f"{folder}/.{name}.{uuid.uuid4().hex}"
        self.files.makedirs(folder, exist_ok=True)
        try:
            self.files.put_file(str(path), part)
            self.files.mv(part, target)
        finally:
            if self.files.exists(part):
                self.files.rm_file(part)

    def list_names(self) -> list[str]:
        """List the names of the files."""
        with self._explain("read"):
            self.files.invalidate_cache()
            if not self.files.exists(self.path):
                return []
            names = (str(path).rpartition("/")[2] for path in self.files.ls(self.path, detail=False))
            return sorted(name for name in names if not name.startswith("."))

    def delete(self) -> None:
        """Delete the folder with its files, if it exists."""
        with self._explain("deleted"):
            self.files.invalidate_cache()
            if self.files.exists(self.path):
                self.files.rm(self.path, recursive=True)

    @contextmanager
    def _explain(self, verb: str) -> Iterator[None]:
        """Raise whatever a filesystem raises as one sentence."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - libraries share no class of errors
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise DataError(
                f"{self.shown} cannot be {verb} ({reason}): check the address, the credentials and the network, or use "
                "a folder."
            ) from None


def strip_credentials(uri: str) -> str:
    """Remove `user:password@` and the query (which may contain a token) from a uri, and from each uri in a text.

    It takes linear time, because a stranger may have written the text.
    """
    return _QUERY.sub(r"\1", _take_users(uri)[0])


def list_credentials(uri: str) -> list[str]:
    """List what `strip_credentials` removes from a uri, and the passwords in it."""
    rest, users = _take_users(uri)
    queries = [match[2].removeprefix("?") for match in _QUERY.finditer(rest) if match[2]]
    passwords = [user.partition(":")[2] for user in users]
    return [secret for secret in (*users, *passwords, *queries) if secret]


def _take_users(text: str) -> tuple[str, list[str]]:
    """Take each `user:password@` out of a text; return the rest, and what was taken without its @."""
    users: list[str] = []

    def take(word: re.Match[str]) -> str:
        end = word[0].rfind("@") + 1  # beyond it no search for an @ begins, so that none is in vain
        users.extend(user.removesuffix("@") for user in _USER.findall(word[0][:end]))
        return _USER.sub("", word[0][:end]) + word[0][end:]

    return _WORD.sub(take, text), users
