#!/usr/bin/python3
"""Owns: openapi.json and asyncapi.json against the daemon: every route is described, every answer and every
message is as described. What a client may say is said, and taken."""
import asyncio
import json
import os
import re
import sys

from daemon import SOURCE, Daemon, run, token

try:
    import jsonschema
except ImportError:
    print("skipped: Debian: python3-jsonschema")
    sys.exit(77)

HERE = (37.5665, 126.978)


def table(name):
    """The texts in the rows of a table of the code."""
    with open(os.path.join(SOURCE, "src", name), encoding="utf-8") as file:
        return [re.findall(r'"((?:[^"\\]|\\.)*)"|, (\w+)(?=[,)])', row) for row in file if re.match(r"[A-Z_]+\(", row)]


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def check(document, schema, value):
    """The value is as the schema says, whose references are into the document."""
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


class Described:
    """The daemon's HTTP, where every answer is held against openapi.json."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.document = daemon.request("GET", "/v1/openapi.json").json()
        self.seen = set()

    def operation(self, method, path):
        for pattern, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path.split("?")[0]) and method.lower() in item:
                return pattern, item[method.lower()]
        raise AssertionError(f"{method} {path} is not described")

    def ask(self, status, method, path, *arguments, via="admin", **options):
        pattern, operation = self.operation(method, path)
        answer = getattr(self.daemon, via)(method, path, *arguments, **options)
        assert answer.status == status, (method, path, answer.status, answer.text)
        assert str(status) in operation["responses"], f"{method} {pattern}: {status} is not described"
        described = resolve(self.document, operation["responses"][str(status)])
        content = described.get("content", {})
        kind = answer.headers.get("content-type", "").split(";")[0]
        assert (kind in content) if answer.text else not content, (method, path, kind, list(content))
        if kind in ("application/json", "application/problem+json", "application/geo+json"):
            check(self.document, content[kind]["schema"], answer.json())
        elif kind == "application/x-ndjson":
            for line in answer.text.splitlines():
                check(self.document, content[kind]["schema"], json.loads(line))
        self.seen.add((method, pattern, status))
        return answer


def every_route_is_described_and_nothing_else():
    with Daemon(cores=1) as daemon:
        document = daemon.request("GET", "/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    routes = set()
    for row in table("app/routes.tbl"):
        texts = [text for text, _ in row if text]
        if texts[0] != "demo":
            routes.add((texts[1], re.sub(r"{\w*}", "{}", texts[2])))
    described = {(method.upper(), re.sub(r"{\w+}", "{}", path)) for path, item in document["paths"].items()
                 for method in item if method != "parameters"}
    assert routes == described, routes ^ described
    identities = [operation["operationId"] for item in document["paths"].values()
                  for method, operation in item.items() if method != "parameters"]
    assert len(identities) == len(set(identities))
    for match in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        resolve(document, {"$ref": match})


async def walk(daemon):
    async with daemon.session(1) as ann, daemon.session(2) as bob:
        await bob.begin(*HERE)
        await ann.begin(*HERE)


def answers_are_as_described():
    with Daemon(history_commit_ms=10, friends_max=2) as daemon:
        api = Described(daemon)
        for path in ("/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/asyncapi.json"):
            api.ask(200, "GET", path)
        api.ask(201, "PUT", "/v1/users/1", {"name": "Ann", "picture": "https://example.org/1"})
        api.ask(204, "PUT", "/v1/users/1", {"name": "Änn"})
        api.ask(400, "PUT", "/v1/users/1", {"name": 5})
        api.ask(413, "PUT", "/v1/users/1", "x" * 10000)
        api.ask(200, "GET", "/v1/users/1")
        api.ask(404, "GET", "/v1/users/9")
        api.ask(204, "PUT", "/v1/users/1/friends/2")
        api.ask(204, "PUT", "/v1/users/1/friends/3")
        api.ask(409, "PUT", "/v1/users/1/friends/4")
        api.ask(422, "PUT", "/v1/users/1/friends/1")
        api.ask(204, "DELETE", "/v1/users/1/friends/3")
        lines = {"Content-Type": "text/tab-separated-values"}
        api.ask(200, "POST", "/v1/import/friends", "7\t8\nx\t1\n7\t7\n", lines)
        api.ask(415, "POST", "/v1/import/friends", "7\t8\n", {"Content-Type": "text/plain"})
        api.ask(200, "POST", "/v1/import/users", '{"user":"7","name":"G"}\n{"user":7}\n{"user":"8","name":8}\n',
                {"Content-Type": "application/x-ndjson"})
        asyncio.run(walk(daemon))
        daemon.wait_for_counter("history_locations_total", 2)
        for path in ("/v1/me", "/v1/me/friends?limit=1", "/v1/me/nearby", "/v1/me/history"):
            api.ask(200, "GET", path, via="request", user=1)
            api.ask(401, "GET", path, via="request")
        assert api.ask(200, "GET", "/v1/me/nearby", via="request", user=1).json()["total"] == 1
        api.ask(409, "GET", "/v1/me/nearby", via="request", user=9)
        api.ask(400, "GET", "/v1/me/friends?limit=0", via="request", user=1)
        api.ask(426, "GET", "/v1/ws", via="request", user=1)
        assert api.ask(200, "GET", "/v1/me/history", via="request", user=1).text
        api.ask(200, "GET", "/v1/me/history", via="request", user=1, headers={"Accept": "text/csv"})
        for path in ("/v1/users/1/history", "/v1/export"):
            assert api.ask(200, "GET", path, headers={"Accept": "application/geo+json"}).json()["features"]
        for path in ("/v1/users/1/friends", "/v1/users/1/nearby", "/v1/users/1/history", "/v1/export"):
            api.ask(200, "GET", path)
        api.ask(403, "GET", "/v1/users/1", headers={"Authorization": "Bearer " + token(1)})
        api.ask(204, "POST", "/v1/users/1/kick")
        api.ask(204, "PUT", "/v1/users/1/not-before", {"not_before": 0})
        api.ask(400, "PUT", "/v1/users/1/not-before", {"not_before": "soon"})
        api.ask(204, "PUT", "/v1/users/1/block")
        api.ask(403, "GET", "/v1/me", via="request", user=1)
        api.ask(409, "PUT", "/v1/users/1/not-before", {"not_before": 0})
        api.ask(204, "DELETE", "/v1/users/1/block")
        api.ask(200, "PATCH", "/v1/me", body={"name": "Ann", "picture": None}, via="request", user=1)
        api.ask(400, "PATCH", "/v1/me", body={"picture": "http://example.org/1"}, via="request", user=1)
        api.ask(413, "PATCH", "/v1/me", body="x" * 10000, via="request", user=1)
        mine = {"via": "request", "user": 5}
        api.ask(200, "PUT", "/v1/me/friends/3", **mine)
        api.ask(404, "PUT", "/v1/me/friends/99", **mine)
        daemon.befriend((20, 30), (20, 31))
        api.ask(409, "PUT", "/v1/me/friends/20", **mine)
        api.ask(422, "PUT", "/v1/me/friends/5", **mine)
        for path in ("/friends/asked", "/friends/asking", "/blocked"):
            api.ask(200, "GET", "/v1/me" + path, **mine)
            api.ask(400, "GET", "/v1/me" + path + "?limit=0", **mine)
            api.ask(200, "GET", "/v1/users/5" + path)
        api.ask(204, "DELETE", "/v1/me/friends/3", **mine)
        api.ask(204, "PUT", "/v1/me/blocked/3", **mine)
        api.ask(404, "PUT", "/v1/me/blocked/99", **mine)
        api.ask(422, "PUT", "/v1/me/blocked/5", **mine)
        api.ask(403, "PUT", "/v1/me/friends/3", **mine)
        api.ask(204, "DELETE", "/v1/me/blocked/3", **mine)
        one_a_line = {"Content-Type": "text/plain"}
        api.ask(200, "PUT", "/v1/users/5/friends", "3\n6\n", one_a_line)
        api.ask(400, "PUT", "/v1/users/5/friends", "x\n", one_a_line)
        api.ask(409, "PUT", "/v1/users/5/friends", "3\n6\n9\n", one_a_line)
        api.ask(415, "PUT", "/v1/users/5/friends", "3\n")
        api.ask(422, "PUT", "/v1/users/5/friends", "5\n", one_a_line)
        api.ask(204, "DELETE", "/v1/me/history", via="request", user=1)
        api.ask(400, "DELETE", "/v1/me/history?from=5", via="request", user=1)
        api.ask(204, "DELETE", "/v1/users/1/history")
        api.ask(204, "DELETE", "/v1/me", via="request", user=2)
        for method, path, body in (("GET", "/v1/me/sharing", None), ("PUT", "/v1/me/sharing", {"mode": "approximate"}),
                                   ("PUT", "/v1/me/sharing/7", {"mode": "off"}), ("DELETE", "/v1/me/sharing/7", None)):
            api.ask(200, method, path, body=body, via="request", user=8)
        api.ask(404, "PUT", "/v1/me/sharing/99", body={"mode": "off"}, via="request", user=8)
        api.ask(400, "PUT", "/v1/me/sharing", body={"mode": "all"}, via="request", user=8)
        api.ask(200, "GET", "/v1/users/8/sharing")
        api.ask(200, "PUT", "/v1/users/8/sharing", {"mode": "precise"})
        for method, path, body in (("GET", "/v1/me/sharing", None), ("PUT", "/v1/me/sharing", {"mode": "approximate"}),
                                   ("PUT", "/v1/me/sharing/7", {"mode": "off"}), ("DELETE", "/v1/me/sharing/7", None)):
            api.ask(200, method, path, body=body, via="request", user=8)
        api.ask(404, "PUT", "/v1/me/sharing/99", body={"mode": "off"}, via="request", user=8)
        api.ask(400, "PUT", "/v1/me/sharing", body={"mode": "all"}, via="request", user=8)
        api.ask(200, "GET", "/v1/users/8/sharing")
        api.ask(200, "PUT", "/v1/users/8/sharing", {"mode": "precise"})
        copy = os.path.join(daemon.folder, "copy")
        api.ask(204, "POST", "/v1/backup", {"directory": copy})
        api.ask(409, "POST", "/v1/backup", {"directory": copy})
        api.ask(422, "POST", "/v1/backup", {"directory": "/dev/null/x"})
        api.ask(204, "DELETE", "/v1/users/1")
        api.ask(204, "POST", "/v1/drain")
        unseen = {(method.upper(), path) for path, item in api.document["paths"].items()
                  for method in item if method != "parameters"} - {(method, path) for method, path, _ in api.seen}
        assert not unseen, unseen


async def messages_are_as_described():
    with Daemon(cores=2, messages_per_s=0) as daemon:
        document = daemon.request("GET", "/v1/asyncapi.json").json()
        assert document["asyncapi"] == "3.0.0"
        messages = document["components"]["messages"]
        operations = {name: [resolve(document, resolve(document, message)) for message in operation["messages"]]
                      for name, operation in document["operations"].items()}
        schemas = {message["name"]: message["payload"] for message in operations["say"]}
        heard = set()

        def hear(text):
            message = json.loads(text)
            check(document, schemas[message["type"]], message)
            heard.add(message["type"])
            return message

        daemon.befriend((1, 7))
        async with daemon.session(1) as ann, daemon.session(7) as bob, daemon.session(8) as cid:
            hear(json.dumps(ann.welcome))
            ann.hear = lambda: receive(ann)

            async def receive(client):
                return hear(await asyncio.wait_for(client.socket.recv(), 60))

            await bob.begin(*HERE)
            await cid.begin(*HERE)
            await cid.send(type="strangers", on=True)
            assert (await cid.expect("strangers"))["people"] == []
            # Whatever is given as an example is taken, and no error comes of it but of the order.
            said = set()
            for message in operations["hear"]:
                for example in message.get("examples", [{"payload": {"type": "token", "token": token(1)}}]):
                    check(document, message["payload"], example["payload"])
                    await ann.send(**{**example["payload"], **({"lat": HERE[0], "lon": HERE[1]}
                                                               if example["payload"]["type"] == "location" else {})})
                    said.add(message["name"])
            await ann.send(type="nearby", limit=100)
            assert said == {message["name"] for message in operations["hear"]}
            lists, people, shared = 0, [], 0
            while lists < 3 or not people or shared < len(messages["sharingAsk"]["examples"]):
                message = await ann.receive()
                assert message["type"] != "error", message
                lists += message["type"] == "nearby"
                people += message.get("people", [])
                shared += message["type"] == "sharing"
            assert [person["user"] for person in people] == ["8"]
            await cid.send(type="strangers", on=False)
            await ann.expect("strangers_gone", skipping=("update",))
            await bob.locate(HERE[0] + 0.001, HERE[1])
            await ann.send(type="subscribe", user="7")
            await ann.expect("update")
            await bob.locate(HERE[0] + 1, HERE[1])
            await ann.expect("gone", skipping=("update",))
            await ann.send(type="subscribe", user="99")
            await ann.expect("error")
            assert daemon.admin("PUT", "/v1/users/1/friends/99").status == 204
            await ann.friend("added", 99)
            daemon.admin("POST", "/v1/drain")
            await ann.expect("reconnect")
        assert heard == set(schemas), set(schemas) - heard
        codes = [row[0][0] for row in table("proto/error_codes.tbl")]
        assert messages["error"]["payload"]["properties"]["code"]["enum"] == codes


if __name__ == "__main__":
    run(every_route_is_described_and_nothing_else, answers_are_as_described, messages_are_as_described)
