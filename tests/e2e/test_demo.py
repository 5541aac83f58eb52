#!/usr/bin/python3
"""Owns: the live map in a real browser: a friend who moves in is seen moving in; keyboard, list,
errors. With PICTURES=FOLDER in the environment it leaves screenshots there, else beside the logs."""
import asyncio
import contextlib
import os
import sys

from daemon import BUILD, Daemon, run, token
import browser
from browser import Browser

if browser.CHROMIUM is None:
    print("skipped: Debian: chromium")
    sys.exit(77)

HERE = (37.5665, 126.978)
PICTURES = os.environ.get("PICTURES", os.path.join(BUILD, "tests", "e2e", "pictures"))
# The rows of the list as text: name, distance, age.
ROWS = "[...document.querySelectorAll('#list button')].map((row) => [...row.children].slice(1).map((e) => e.textContent).join(' | '))"
# How many pixels of the canvas are of the colour of this user's disc.
PIXELS = """(() => { const canvas = document.getElementById('map'), pen = canvas.getContext('2d');
  const disc = document.createElement('canvas').getContext('2d');
  disc.fillStyle = document.querySelector('#list circle').getAttribute('fill'); disc.fillRect(0, 0, 1, 1);
  const [r, g, b] = disc.getImageData(0, 0, 1, 1).data;
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height); let x = 0, n = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i] === r && data[i + 1] === g && data[i + 2] === b) { x += i / 4 % canvas.width; n++; }
  return { n, x: n && x / n - canvas.width / 2 }; })()"""


def page_of(daemon, user):
    return f"http://127.0.0.1:{daemon.port}/#token={token(user)}&at={HERE[0]},{HERE[1]}"


async def a_friend_who_moves_in_is_seen_moving_in():
    os.makedirs(PICTURES, exist_ok=True)
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.admin("PUT", "/v1/users/2", {"name": "Bob"})
        daemon.befriend((1, 2))
        async with Browser(1280, 800) as page, daemon.session(2) as bob:
            await bob.begin(HERE[0], HERE[1] + 0.12)  # 6.6 miles east
            await page.open(page_of(daemon, 1))
            await page.until("document.querySelector('#state').dataset.state === 'open'")
            await page.until("!document.querySelector('#empty').hidden")
            await bob.locate(HERE[0], HERE[1] + 0.08)
            await page.until(ROWS + "[0]?.startsWith('Bob | 4.4 mi')")
            await page.until("document.querySelector('#news').innerText.includes('Bob came near')")
            await page.until(f"(window.far = {PIXELS}).n > 100")
            far = await page.run("far.x")
            await bob.locate(HERE[0], HERE[1] + 0.02)
            await page.until(ROWS + "[0]?.startsWith('Bob | 1.1 mi')")
            await page.until(f"{PIXELS}.x < {far / 2}")
            await page.picture(os.path.join(PICTURES, "moving-in.png"))
            await bob.locate(HERE[0], HERE[1] + 0.12)
            await page.until(ROWS + ".length === 0")
            await page.until("document.querySelector('#news').innerText.includes('Bob left')")


async def the_keyboard_moves_me():
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.befriend((1, 2))
        async with Browser(1280, 800) as page, daemon.session(2) as bob:
            await page.open(page_of(daemon, 1))
            await page.until("document.querySelector('#state').dataset.state === 'open'")
            await bob.begin(*HERE)
            assert (await bob.ask())["total"] == 1
            await page.run("document.getElementById('map').focus()")
            await page.key("ArrowUp")
            while True:
                entry, = (await bob.expect("update"))["friends"]
                if entry["lat"] > HERE[0]:
                    break
            assert 190 < entry["distance_m"] < 210, entry
            # And the mouse: 100 pixels to the east.
            middle = await page.run("[map.clientWidth / 2, map.clientHeight / 2]")
            await page.mouse("mousePressed", *middle)
            await page.mouse("mouseMoved", middle[0] + 100, middle[1])
            await page.mouse("mouseReleased", middle[0] + 100, middle[1])
            while True:
                entry, = (await bob.expect("update"))["friends"]
                if entry["lon"] > HERE[1] + 0.01:
                    break


async def it_is_at_home_on_phones_and_in_the_dark():
    os.makedirs(PICTURES, exist_ok=True)
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.befriend(*((1, 10 + i) for i in range(25)))
        async with contextlib.AsyncExitStack() as stack:
            for i in range(25):
                daemon.admin("PUT", f"/v1/users/{10 + i}", {"name": f"Friend {i + 1}"})
                friend = await stack.enter_async_context(daemon.session(10 + i))
                await friend.begin(HERE[0] + (i % 5 - 2) * 0.02, HERE[1] + (i // 5 - 2) * 0.025)
            for name, width, height, dark in (("phone-light", 390, 844, False), ("phone-dark", 390, 844, True),
                                              ("desktop-light", 1280, 800, False), ("desktop-dark", 1280, 800, True)):
                async with Browser(width, height, dark=dark, mobile=width < 500, calm=True) as page:
                    await page.open(page_of(daemon, 1))
                    await page.until(ROWS + ".length === 20")
                    assert await page.run("document.documentElement.scrollWidth <= innerWidth")
                    lightness = await page.run(
                        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
                    assert (lightness < 64) == dark, lightness
                    await page.until("document.getElementById('count').textContent === '25 friends'")
                    await page.picture(os.path.join(PICTURES, name + ".png"))
                    await page.run("document.getElementById('more').click()")
                    await page.until(ROWS + ".length === 25 && document.getElementById('more').hidden")


async def it_asks_for_what_it_does_not_know():
    os.makedirs(PICTURES, exist_ok=True)
    with Daemon(demo="yes", cores=1) as daemon:
        async with Browser(390, 844) as page:
            await page.open(f"http://127.0.0.1:{daemon.port}/")
            await page.until("document.getElementById('start')?.open")
            await page.until("document.activeElement.id === 'token'")
            await page.picture(os.path.join(PICTURES, "start.png"))
            await page.run("document.getElementById('go').click()")
            await page.until("document.getElementById('wrong').textContent.includes('nearbyctl token')")
            await page.run(f"document.getElementById('token').value = '{token(1)}'; lat.value = 37.5; lon.value = 127;"
                           " document.getElementById('go').click()")
            await page.until("document.querySelector('#state').dataset.state === 'open'")
            assert await page.run("document.getElementById('who').textContent") == "User 1"


def the_page_is_light_and_served_only_when_asked_for():
    files = ("/", "/demo.css", "/demo.js", "/nearby.js")
    with Daemon(demo="yes", cores=1) as daemon:
        answers = [daemon.request("GET", path) for path in files]
        assert [answer.status for answer in answers] == [200] * 4
        assert sum(len(answer.text.encode()) for answer in answers) < 60_000
        assert [answer.headers["content-type"].split(";")[0] for answer in answers] == [
            "text/html", "text/css", "text/javascript", "text/javascript"]
        # Nothing from elsewhere.
        assert not any("//" in word and "w3.org" not in word for answer in answers for word in answer.text.split()
                       if word.startswith(("src=", "href=", "url(", "http")))
    with Daemon(cores=1) as daemon:
        assert [daemon.request("GET", path).status for path in files] == [404] * 4


if __name__ == "__main__":
    run(a_friend_who_moves_in_is_seen_moving_in, the_keyboard_moves_me, it_is_at_home_on_phones_and_in_the_dark,
        it_asks_for_what_it_does_not_know, the_page_is_light_and_served_only_when_asked_for)
