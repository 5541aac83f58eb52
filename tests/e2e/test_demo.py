#!/usr/bin/python3
"""Owns: the live map in a real browser: a friend who moves in is seen moving in; what I share, who asks,
strangers; keyboard, colours, list, errors. With PICTURES=FOLDER in the environment it leaves screenshots
there, else beside the logs."""
import asyncio
import contextlib
import math
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
ROWS = "[...document.querySelectorAll('#list li > button')].map((row) => [...row.children].slice(1).map((e) => e.textContent).join(' | '))"
# How many pixels of the canvas are of the colour of this user's disc.
PIXELS = """(() => { const canvas = document.getElementById('map'), pen = canvas.getContext('2d');
  const disc = document.createElement('canvas').getContext('2d');
  disc.fillStyle = document.querySelector('#list circle').getAttribute('fill'); disc.fillRect(0, 0, 1, 1);
  const [r, g, b] = disc.getImageData(0, 0, 1, 1).data;
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height); let x = 0, y = 0, n = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i] === r && data[i + 1] === g && data[i + 2] === b) {
      x += i / 4 % canvas.width; y += i / 4 / canvas.width; n++; }
  return { n, x: n && x / n - canvas.width / 2, y: n && y / n - canvas.height / 2 }; })()"""


# How much the colour around the disc of PIXELS differs from that of the ground: the median of many places.
CLOUD = """(() => { const canvas = document.getElementById('map'), pen = canvas.getContext('2d');
  const { x, y, n } = PIXELS; if (n < 50) return NaN;
  const median = (r) => { const sums = []; for (let i = 0; i < 64; i++) { const a = i * Math.PI / 32;
    const d = pen.getImageData(x + canvas.width / 2 + r * Math.cos(a),
      y + canvas.height / 2 + r * Math.sin(a), 1, 1).data;
    sums.push(d[0] + d[1] + d[2]); } return sums.sort((a, b) => a - b)[32]; };
  return Math.abs(median(18) - median(45)); })()""".replace("PIXELS", PIXELS)
# Texts whose colour stands out from what is behind them by less than 4.5 to 1.
FAINT = """(() => { const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data]; };
  const over = (top, below) => top.map((v, i) => v * top[3] / 255 + below[i] * (1 - top[3] / 255));
  const behind = (e) => { if (!e) return [255, 255, 255, 255];
    if (e.matches('text')) return rgba(getComputedStyle(e.previousSibling).fill);
    return over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement)); };
  const light = (c) => [.2126, .7152, .0722].reduce((sum, w, i) => { const v = c[i] / 255;
    return sum + w * (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); }, 0);
  const faint = [];
  for (const e of document.body.querySelectorAll('*')) {
    if (!e.getClientRects().length || e.matches('select, option') ||
        ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const a = light(rgba(e.matches('text') ? style.fill : style.color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.push([e.tagName, e.textContent, ratio]);
  } return faint; })()"""
# From now on, all that the page tells in passing is kept in `told`.
LISTEN = """window.told = []; new MutationObserver((changes) => changes.forEach((change) =>
  change.addedNodes.forEach((line) => told.push(line.textContent)))).observe(
    document.getElementById('news'), { childList: true }); 0"""
MODE = "document.querySelector('[name=mode]:checked')?.value"


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
            await page.run(LISTEN)
            await bob.locate(HERE[0], HERE[1] + 0.08)
            await page.until(ROWS + "[0]?.startsWith('Bob | 4.4 mi')")
            await page.until("told.includes('Bob came near')")
            await page.until(f"(window.far = {PIXELS}).n > 100")
            far = await page.run("far.x")
            await bob.locate(HERE[0], HERE[1] + 0.02)
            await page.until(ROWS + "[0]?.startsWith('Bob | 1.1 mi')")
            await page.until(f"{PIXELS}.x < {far / 2}")
            await page.picture(os.path.join(PICTURES, "moving-in.png"))
            await bob.locate(HERE[0], HERE[1] + 0.12)
            await page.until(ROWS + ".length === 0")
            await page.until("told.includes('Bob left')")


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


async def hear_until(client, suits):
    """The next message that suits; others are passed over."""
    while True:
        message = await client.hear()
        if suits(message):
            return message


def entry_of(message, kind, user):
    """What a message of this kind says of the user; {} when it is no such message."""
    entries = message["friends"] if message["type"] == kind else ()
    return next((entry for entry in entries if entry["user"] == user), {})


async def friends_see_what_i_choose_to_share():
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.admin("PUT", "/v1/users/2", {"name": "Bob"})
        daemon.befriend((1, 2))
        async with Browser(1280, 800, calm=True) as page, daemon.session(2) as bob:
            async def pick(mode):
                await page.run(f"document.querySelector('[value={mode}]').click()")

            async def bob_hears(kind, **facts):
                await hear_until(bob, lambda message: facts.items() <= entry_of(message, kind, "1").items())

            await bob.begin(HERE[0], HERE[1] + 0.03)
            await page.open(page_of(daemon, 1))
            await page.until(MODE + " === 'precise'")
            await bob_hears("update", lat=HERE[0])
            await pick("off")
            await bob_hears("gone", why="off")
            await page.until("document.getElementById('caption').textContent === 'Nobody sees where you are.'")
            await pick("approximate")
            await bob_hears("update", approximate=True)
            # And what he lets me see: a disc with a cloud around it.
            await page.until(f"{CLOUD} < 8")
            await bob.send(type="sharing", mode="approximate")
            await page.until("document.querySelector('#list .vague') && " + ROWS + "[0].includes('~')")
            await page.until(f"{CLOUD} > 25")
            # He alone sees nothing.
            await page.run("(() => { const menu = document.querySelector('#list select'); menu.value = 'off';"
                           " menu.dispatchEvent(new Event('change', { bubbles: true })); })()")
            await bob_hears("gone", why="off")
            await page.until(ROWS + "[0].includes('does not see you')")
            await page.until("document.getElementById('caption').textContent.endsWith(', but for 1 friend.')")
            state = daemon.request("GET", "/v1/me/sharing", user=1).json()
            assert state == {"mode": "approximate", "until": None,
                             "friends": [{"user": "2", "mode": "off", "until": None}]}, state


async def who_asks_is_shown_and_accepted_or_declined():
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.admin("PUT", "/v1/users/1", {"name": "Alex"})
        daemon.admin("PUT", "/v1/users/5", {"name": "Eve"})
        daemon.admin("PUT", "/v1/users/6", {"name": "Max"})
        asks = "[...document.querySelectorAll('#asks li b')].map((e) => e.textContent).join()"
        assert daemon.request("PUT", "/v1/me/friends/1", user=5).json() == {"state": "asked"}
        async with Browser(1280, 800) as page, daemon.session(5) as eve:
            await page.open(page_of(daemon, 1))
            await page.until(asks + " === 'Eve'")
            await page.run(LISTEN)
            assert daemon.request("PUT", "/v1/me/friends/1", user=6).json() == {"state": "asked"}
            await page.until(asks + ".includes('Max')")
            await page.until("told.includes('Max asks to be your friend')")
            await page.run("document.querySelector('[aria-label=\"Decline Max\"]').click()")
            await page.until(asks + " === 'Eve'")
            await page.run("document.querySelector('[aria-label=\"Accept Eve\"]').focus()")
            await page.key("Enter")
            await page.until("document.getElementById('asks').hidden")
            await page.until("told.includes('Eve is your friend now')")
            await eve.begin(*HERE)
            await page.until(ROWS + "[0]?.startsWith('Eve')")
            friends = daemon.request("GET", "/v1/me/friends", user=1).json()["friends"]
            assert friends == [{"user": "5", "name": "Eve"}], friends


async def strangers_appear_and_go():
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.admin("PUT", "/v1/users/9", {"name": "Zoe"})
        async with Browser(1280, 800) as page, daemon.session(9) as zoe:
            await zoe.begin(HERE[0] + 0.01, HERE[1])
            await zoe.send(type="strangers", on=True)
            await page.open(page_of(daemon, 1))
            await page.until("document.querySelector('#state').dataset.state === 'open'")
            crowd = "[...document.querySelectorAll('#crowd li b')].map((e) => e.textContent).join()"
            await page.run("document.getElementById('strangers').click()")
            await page.until(crowd + " === 'Somebody'")
            assert await page.run("document.querySelectorAll('#list li').length") == 0
            await hear_until(zoe, lambda message: message["type"] == "strangers" and
                             [person["user"] for person in message["people"]] == ["1"])
            await zoe.send(type="strangers", on=False)
            await page.until("document.getElementById('crowd').innerText.includes('No strangers around')")
            # Who shows nobody anything meets nobody, and is told why.
            await page.run("document.querySelector('[value=off]').click()")
            await page.until("document.getElementById('crowd').innerText.includes('only while you share')")
            await page.run("document.getElementById('strangers').click()")
            await page.until("document.getElementById('crowd').hidden")


async def every_control_is_reached_by_the_keyboard_and_shows_it():
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.befriend((1, 2))
        async with Browser(1280, 800, calm=True) as page, daemon.session(2) as bob:
            await bob.begin(*HERE)
            await page.open(page_of(daemon, 1))
            await page.until(ROWS + ".length === 1 && " + MODE + " === 'precise'")
            reached = []
            while "change" not in reached:
                await page.key("Tab")
                name, has_outline = await page.run(
                    "(() => { const e = document.activeElement; const shown = e.name === 'mode' ? e.nextSibling : e;"
                    " return [e.id || e.value || e.parentNode.dataset.user, getComputedStyle(shown).outlineStyle]; })()")
                assert has_outline == "solid", name
                reached.append(name)
                assert len(reached) < 20, reached
            wanted = ["map", "closer", "further", "theme", "precise", "strangers", "2", "default", "change"]
            assert [name for name in reached if name in wanted] == wanted, reached
            await page.run("document.querySelector('[value=precise]').focus()")
            await page.key("ArrowLeft")
            await hear_until(bob, lambda message: entry_of(message, "update", "1").get("approximate"))


async def it_is_at_home_on_phones_and_in_the_dark():
    os.makedirs(PICTURES, exist_ok=True)
    names = ("Ann Bob Cleo Dan Eve Finn Gita Hugo Ida Jun Kim Leo Mia Noor Otto Pia Quin Ravi Suna Theo Uma Vera Will "
             "Yara Zoe").split()
    with Daemon(demo="yes", cores=1) as daemon:
        daemon.admin("PUT", "/v1/users/1", {"name": "Alex"})
        daemon.befriend(*((1, 10 + i) for i in range(25)))
        daemon.admin("PUT", "/v1/users/5", {"name": "Maximilian"})
        assert daemon.request("PUT", "/v1/me/friends/1", user=5).status == 200
        async with contextlib.AsyncExitStack() as stack:
            for i, name in enumerate(names):
                daemon.admin("PUT", f"/v1/users/{10 + i}", {"name": name})
                friend = await stack.enter_async_context(daemon.session(10 + i))
                away, angle = (i + 1) ** .5, i * 2.4
                await friend.begin(HERE[0] + 0.013 * away * math.sin(angle), HERE[1] + 0.016 * away * math.cos(angle))
                if i % 4 == 1:
                    await friend.send(type="sharing", mode="approximate")
                    await hear_until(friend, lambda message: message["type"] == "sharing")
            for i in range(5):
                stranger = await stack.enter_async_context(daemon.session(100 + i))
                await stranger.begin(HERE[0] + (0.012, 0.02, -0.01, -0.02, 0.03)[i], HERE[1] + (i - 2) * 0.013)
                await stranger.send(type="strangers", on=True)
            page = await stack.enter_async_context(Browser(1280, 800, calm=True))
            for name, width, height, dark in (("phone-light", 390, 844, False), ("phone-dark", 390, 844, True),
                                              ("desktop-light", 1280, 800, False), ("desktop-dark", 1280, 800, True)):
                await page.become(width, height, dark, mobile=width < 500)
                await page.open(page_of(daemon, 1).replace("/#", f"/?{name}#"))
                await page.until(ROWS + ".length === 20 && " + MODE + " === 'precise'")
                assert await page.run("document.documentElement.scrollWidth <= innerWidth")
                lightness = await page.run(
                    "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
                assert (lightness < 64) == dark, lightness
                await page.until("document.getElementById('count').textContent === '25 friends'")
                await page.run("document.getElementById('strangers').click()")
                await page.until("document.querySelectorAll('#crowd li').length > 1 &&"
                                 " !document.getElementById('asks').hidden")
                await page.run("document.querySelectorAll('#list li > button')[4].click()")
                faint = await page.run(FAINT)
                assert faint == [], faint
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
            # A token that is refused is said to be, and another one asked for.
            await page.run("document.getElementById('change').click();"
                           " document.getElementById('token').value = 'nonsense'; document.getElementById('go').click()")
            await page.until("document.getElementById('wrong').textContent.includes('does not accept this token')")


def the_page_is_light_and_served_only_when_asked_for():
    files = ("/", "/demo.css", "/demo.js", "/map.js", "/nearby.js")
    with Daemon(demo="yes", cores=1) as daemon:
        answers = [daemon.request("GET", path) for path in files]
        assert [answer.status for answer in answers] == [200] * 5
        assert sum(len(answer.text.encode()) for answer in answers) < 60_000
        assert [answer.headers["content-type"].split(";")[0] for answer in answers] == [
            "text/html", "text/css", *["text/javascript"] * 3]
        # Nothing from elsewhere.
        assert not any("//" in word and "w3.org" not in word for answer in answers for word in answer.text.split()
                       if word.startswith(("src=", "href=", "url(", "http")))
    with Daemon(cores=1) as daemon:
        assert [daemon.request("GET", path).status for path in files] == [404] * 5


if __name__ == "__main__":
    run(a_friend_who_moves_in_is_seen_moving_in, the_keyboard_moves_me, friends_see_what_i_choose_to_share,
        who_asks_is_shown_and_accepted_or_declined, strangers_appear_and_go,
        every_control_is_reached_by_the_keyboard_and_shows_it, it_is_at_home_on_phones_and_in_the_dark,
        it_asks_for_what_it_does_not_know, the_page_is_light_and_served_only_when_asked_for)
