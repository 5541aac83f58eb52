"""
Owns: a real Chromium without a window, driven over its DevTools protocol.
Invariant: it is gone, and its folder too, when the `async with` ends.
Does not know: what page it shows.
"""
import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import websockets

CHROMIUM = shutil.which("chromium")
LIMIT_S = 60
KEY_CODES = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """`async with Browser(width, height) as page:` – one page, not yet anywhere."""

    def __init__(self, width, height, dark=False, mobile=False, calm=False):
        self.width, self.height, self.dark, self.mobile, self.calm = width, height, dark, mobile, calm
        self.asked = 0
        self.answers = {}

    async def __aenter__(self):
        self.folder = tempfile.mkdtemp(prefix="nearby-e2e-chromium-")
        # --no-sandbox: as root, in a container, there is none to be had; it shows our own page only.
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
             "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={self.folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        try:
            address = await asyncio.wait_for(asyncio.to_thread(self.find_address), LIMIT_S)
            self.socket = await websockets.connect(address, max_size=None, compression=None,
                                                   open_timeout=LIMIT_S, ping_interval=None)
            self.reading = asyncio.create_task(self.read())
            target = (await self.raw("Target.createTarget", url="about:blank"))["targetId"]
            self.session = (await self.raw("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
            await self.become(self.width, self.height, self.dark, self.mobile)
        except BaseException:
            self.end()
            raise
        return self

    async def become(self, width, height, dark=False, mobile=False):
        """Another screen."""
        await self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                       deviceScaleFactor=2 if mobile else 1, mobile=mobile)
        wishes = {"prefers-color-scheme": "dark" if dark else "light",
                  "prefers-reduced-motion": "reduce" if self.calm else "no-preference"}
        await self.ask("Emulation.setEmulatedMedia",
                       features=[{"name": name, "value": value} for name, value in wishes.items()])

    def find_address(self):
        for line in self.process.stderr:
            if b"DevTools listening on " in line:
                return line.split(b"listening on ")[1].decode().strip()
        raise AssertionError("chromium ended")

    async def read(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.socket:
                message = json.loads(text)
                if message.get("id") in self.answers:
                    self.answers.pop(message["id"]).set_result(message)

    async def raw(self, method, session=None, **parameters):
        self.asked += 1
        answer = self.answers[self.asked] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"id": self.asked, "method": method, "params": parameters,
                                           **({"sessionId": session} if session else {})}))
        message = await asyncio.wait_for(answer, LIMIT_S)
        assert "error" not in message, message
        return message["result"]

    async def ask(self, method, **parameters):
        return await self.raw(method, self.session, **parameters)

    async def open(self, url):
        """Goes there, and returns when all of the page is there."""
        await self.ask("Page.navigate", url=url)
        until = time.monotonic() + LIMIT_S
        while not await self.run("location.href !== 'about:blank' && document.readyState === 'complete'"):
            assert time.monotonic() < until, "the page does not load"

    async def run(self, script):
        """The value of an expression; a promise is waited for."""
        result = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, condition):
        """Waits until an expression is true in the page, looked at whenever it paints."""
        await self.run("new Promise((done, fail) => { const end = Date.now() + %d; const look = () => "
                       "{ if (%s) done(); else if (Date.now() > end) fail(new Error(%s)); "
                       "else requestAnimationFrame(look); }; look(); })"
                       % (LIMIT_S * 900, condition, json.dumps("never: " + condition)))

    async def key(self, name):
        more = {"windowsVirtualKeyCode": KEY_CODES[name], **({"text": "\r"} if name == "Enter" else {})}
        for kind in ("keyDown", "keyUp"):
            await self.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name, **more)

    async def mouse(self, kind, x, y):
        await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    async def picture(self, path):
        data = (await self.ask("Page.captureScreenshot", format="png"))["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def __aexit__(self, *_):
        self.reading.cancel()
        await self.socket.close()
        self.end()
