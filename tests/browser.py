"""A real headless Chromium, driven over its debugging pipe: real keys, reloads and downloads."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)}")
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --use-angle=swiftshader --no-first-run "
    "--enable-unsafe-swiftshader --remote-debugging-pipe --window-size=700,800 "
    "--disable-background-networking"
)
CODES = {"Enter": ("Enter", 13, "\r"), "Backspace": ("Backspace", 8, ""), " ": ("Space", 32, " ")}


class Browser:
    """One page; ``with Browser(folder) as page``.  Waits are bounded by ``patience`` seconds."""

    patience = 120.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "downloads").mkdir(parents=True)
        self.count, self.buffer, self.session = 0, b"", None

    def __enter__(self) -> Self:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [os.dup(fd) for fd in (theirs_in, theirs_out)]  # clear of 3 and 4 while we move them

        def pipes() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.log = (self.folder / "browser.log").open("wb")
        self.process = subprocess.Popen(
            [CHROMIUM, *OPTIONS.split(), f"--user-data-dir={self.folder / 'profile'}", "about:blank"],
            stdout=self.log, stderr=self.log, close_fds=False, preexec_fn=pipes,  # noqa: PLW1509
        )  # fmt: skip
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        self.read_end, self.write_end = ours_in, ours_out
        targets = self.send("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.send(
            "Browser.setDownloadBehavior",
            behavior="allow", downloadPath=str(self.folder / "downloads"),
        )  # fmt: skip
        self.session = attached["sessionId"]
        self.send("Page.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self.read_end)
        os.close(self.write_end)
        self.log.close()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command of the DevTools protocol."""
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + self.patience
        while True:
            while b"\0" not in self.buffer:
                ready, _, _ = select.select([self.read_end], [], [], end - time.monotonic())
                read = os.read(self.read_end, 1 << 20) if ready else b""
                if not read:
                    log = (self.folder / "browser.log").read_text(errors="replace")[-2000:]
                    raise AssertionError(f"the browser does not answer {method}: {log}")
                self.buffer += read
            first, _, self.buffer = self.buffer.partition(b"\0")
            answer = json.loads(first)
            if answer.get("id") == self.count:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(self, path: Path) -> None:
        """Open a file from disk."""
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.documentElement?.dataset.state")

    def reload(self) -> None:
        self.evaluate("document.documentElement.dataset.old = 1")
        self.send("Page.reload")
        self.wait("((d) => d && !d.old && d.state)(document.documentElement?.dataset)")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """The first value of an expression that is true."""
        return self.until(lambda: self.evaluate(expression), expression)

    def until(self, question: Callable[[], Any], name: str = "") -> Any:
        """The first answer that is true."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            if answer := question():
                return answer
            time.sleep(0.02)
        raise AssertionError(f"never true: {name or question}")

    def picture(self) -> np.ndarray:
        """What is on the screen, ``[height, width, 3]``."""
        from PIL import Image

        png = base64.b64decode(self.send("Page.captureScreenshot")["data"])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def press(self, key: str) -> None:
        """A real key, down and up."""
        code, number, text = CODES.get(key, (key, ord(key.upper()[0]), key))
        event = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)
