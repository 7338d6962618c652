"""Drive an installed Chromium over its DevTools pipe: open pages, run JavaScript in them, take screenshots.

Nothing is installed for it. Chromium reads commands from descriptor 3 and writes answers to descriptor 4, each a JSON
text that ends with a zero byte (`--remote-debugging-pipe`).
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
_TIMEOUT = 180.0  # seconds; a loaded machine takes a minute for a page
_FIRST_FREE = 10  # descriptors 3 and 4 are Chromium's


def find_browser() -> str | None:
    """Return the path of an installed Chromium; None if there is none."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


class Browser:
    """A headless Chromium with one page of `size` pixels. Use it in a `with` statement."""

    def __init__(self, size: tuple[int, int] = (1600, 900)) -> None:
        path = find_browser()
        if path is None:
            raise FileNotFoundError(f"No Chromium is installed: none of {', '.join(_NAMES)} is on the PATH.")
        self._profile = tempfile.mkdtemp(prefix="ofiml-browser-")
        commands, self._write = (_move_up(fd) for fd in os.pipe())
        self._read, answers = (_move_up(fd) for fd in os.pipe())
        flags = [*_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={self._profile}", f"--window-size={_join(size)}"]
        actions = [
            (os.POSIX_SPAWN_DUP2, commands, 3),
            (os.POSIX_SPAWN_DUP2, answers, 4),
            *((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)),
        ]
        self._pid = os.posix_spawn(path, [path, *flags, "about:blank"], os.environ, file_actions=actions, setpgroup=0)
        os.close(commands)
        os.close(answers)
        self._buffer, self._number, self._session = b"", 0, ""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        width, height = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result. Raises RuntimeError if it fails."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:  # others are events
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, address: str) -> None:
        """Open an address, also one that differs from the page's only behind the #."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """Run JavaScript in the page and return its value."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "JavaScript failed"))
        return result["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Wait until JavaScript has a true value and return it. Raises TimeoutError with the text of the page."""
        end = time.monotonic() + _TIMEOUT
        while time.monotonic() < end:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.2)
        raise TimeoutError(f"{script} stays false on a page with the text: {self.read_text()[:2000]}")

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows a text. Raises TimeoutError."""
        self.wait_for(f"(document.body?.innerText ?? '').includes({json.dumps(text)})")

    def read_text(self) -> str:
        """Return the visible text of the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def click(self, script: str) -> None:
        """Click in the middle of the element that JavaScript returns, once it is there."""
        self.wait_for(f"!!({script})")
        self.run(f"({script}).scrollIntoView({{block: 'center'}})")
        box = self.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(({script}).getBoundingClientRect())")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def save_screenshot(self, path: Path) -> None:
        """Save what the page shows as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + _TIMEOUT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._read, 1 << 16) if ready else b""
            if not part:
                raise TimeoutError("Chromium does not answer." if not ready else "Chromium has ended.")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _move_up(descriptor: int) -> int:
    """Move a descriptor beyond those that Chromium uses; children do not inherit it."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    os.close(descriptor)
    return moved


def _join(size: tuple[int, int]) -> str:
    return f"{size[0]},{size[1]}"
