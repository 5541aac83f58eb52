#!/usr/bin/python3
"""Owns: who may come in by which key: public keys, sets of keys, their rotation, and forgeries of
each known kind, made with python3-jwt, python3-cryptography and by hand."""
import base64
import json
import os
import signal
import sys
import time

from daemon import Daemon, LIMIT_S, run

try:
    import jwt
    from cryptography.hazmat.primitives import hashes, hmac, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
except ImportError as missing:
    print(f"skipped: {missing}; Debian: python3-jwt, python3-cryptography")
    sys.exit(77)

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
OTHER_P256 = ec.generate_private_key(ec.SECP256R1())


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def letters(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key, **members):
    """The public half as a JSON Web Key."""
    numbers = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"kty": "RSA", "n": letters(numbers.n.to_bytes(256, "big")),
                "e": letters(numbers.e.to_bytes(3, "big")), **members}
    return {"kty": "EC", "crv": "P-256", "x": letters(numbers.x.to_bytes(32, "big")),
            "y": letters(numbers.y.to_bytes(32, "big")), **members}


def claims(user=7, **others):
    return {"sub": str(user), "exp": int(time.time()) + 3600, **others}


def signed(key, algorithm, content=None, **header):
    return jwt.encode(content or claims(), key, algorithm=algorithm, headers=header or None)


def by_hand(header, content, signature=b""):
    """A token of any header, with any signature."""
    text = letters(json.dumps(header).encode()) + "." + letters(json.dumps(content).encode())
    if callable(signature):
        signature = signature(text.encode())
    return text + "." + letters(signature)


def write_key(daemon, data):
    path = os.path.join(daemon.folder, "keys")
    with open(path + ".new", "wb") as file:
        file.write(data if isinstance(data, bytes) else json.dumps(data).encode())
    os.rename(path + ".new", path)


class KeyedDaemon(Daemon):
    """With these keys instead of the secret."""

    def __init__(self, data, **options):
        super().__init__(**options)
        self.options["token-key"] = os.path.join(self.folder, "keys")
        write_key(self, data)

    def enter(self, bearer):
        """Status for this token, and the reason when there is one."""
        answer = self.request("GET", "/v1/me", bearer=bearer)
        return answer.status, "" if answer.status == 200 else answer.json()["detail"]

    def let_in(self, bearer):
        status, why = self.enter(bearer)
        assert status == 200, why

    def refuse(self, bearer, why):
        status, detail = self.enter(bearer)
        assert status == 401 and why in detail, (status, detail)

    def rotate(self, data, bearer, status):
        """Puts other keys in place and asks until this token gets that status."""
        write_key(self, data)
        until = time.monotonic() + LIMIT_S
        self.reload()
        while self.enter(bearer)[0] != status:
            self.reload()
            assert time.monotonic() < until, self.log_text()

    def reload(self):
        """To be asked again until it is done: right after another one it is refused."""
        self.process.send_signal(signal.SIGHUP)


def a_public_key_lets_in_what_its_private_one_signed():
    with KeyedDaemon(public_pem(RSA)) as daemon:
        daemon.let_in(signed(RSA, "RS256"))
        daemon.let_in(signed(RSA, "PS256"))
        daemon.refuse(signed(OTHER_RSA, "RS256"), "signature")
        daemon.refuse(signed(RSA, "RS512"), "algorithm")
        daemon.refuse(signed(P256, "ES256"), "algorithm")
    with KeyedDaemon(public_pem(P256)) as daemon:
        daemon.let_in(signed(P256, "ES256"))
        daemon.refuse(signed(OTHER_P256, "ES256"), "signature")
        daemon.refuse(signed(ec.generate_private_key(ec.SECP384R1()), "ES384"), "algorithm")


def forgeries_of_each_known_kind_are_refused():
    pem = public_pem(RSA)

    def mac(text, key=pem):
        code = hmac.HMAC(key, hashes.SHA256())
        code.update(text)
        return code.finalize()

    with KeyedDaemon(pem + public_pem(P256)) as daemon:
        good = signed(RSA, "RS256")
        daemon.let_in(good)
        header, content, signature = good.split(".")
        # The public key taken for an HMAC secret, in each form that it might be read in.
        for secret in (pem, pem.strip(), jwk(RSA)["n"].encode()):
            daemon.refuse(by_hand({"alg": "HS256"}, claims(), lambda text: mac(text, secret)), "algorithm")
        for none in ("none", "None", "NONE", "nOnE", ""):
            daemon.refuse(by_hand({"alg": none}, claims()), "algorithm")
            daemon.refuse(by_hand({"alg": none}, claims(), lambda text: mac(text)), "algorithm")
        # A key that the token brings along, and others to be fetched.
        own = {"jwk": jwk(OTHER_RSA), "jku": "https://example.org/keys", "x5u": "https://example.org/x",
               "x5c": [letters(public_pem(OTHER_RSA))]}
        daemon.refuse(signed(OTHER_RSA, "RS256", **own), "signature")
        daemon.refuse(signed(OTHER_RSA, "RS256", kid="../../../../dev/null"), "signature")
        for kid in ("a\0b", "\0", "x" * 3000, 7, None, ["a"], "'; drop table keys; --"):
            daemon.refuse(by_hand({"alg": "RS256", "kid": kid}, claims(), bytes(256)), "")
        daemon.refuse(signed(RSA, "RS256", crit=["b64"], b64=False), "algorithm")
        # Of ES256: zeros (CVE-2022-21449), DER instead of two numbers, cut and prolonged.
        daemon.refuse(by_hand({"alg": "ES256"}, claims(), bytes(64)), "signature")
        daemon.refuse(by_hand({"alg": "ES256"}, claims(),
                              lambda text: P256.sign(text, ec.ECDSA(hashes.SHA256()))), "signature")
        ours = signed(P256, "ES256")
        daemon.let_in(ours)
        daemon.refuse(ours[:-2], "signature")
        daemon.refuse(ours + "AA", "signature")
        # Parts exchanged, taken away, doubled.
        daemon.refuse(f"{header}.{letters(json.dumps(claims(8)).encode())}.{signature}", "signature")
        daemon.refuse(f"{header}.{content}.", "signature")
        daemon.refuse(f"{header}.{content}", "three parts")
        daemon.refuse(f"{good}.{signature}", "three parts")
        daemon.refuse("A" * 5000 + ".B.C", "three parts")
        # Claims: twice, expired, of the future, without an end, of nobody.
        twice = by_hand({"alg": "RS256"}, {}).split(".")[0] + "." + letters(
            b'{"sub":"7","exp":9999999999,"sub":"8"}')
        from cryptography.hazmat.primitives.asymmetric import padding
        daemon.refuse(twice + "." + letters(RSA.sign(twice.encode(), padding.PKCS1v15(), hashes.SHA256())),
                      "without a field twice")
        daemon.refuse(signed(RSA, "RS256", claims(exp=int(time.time()) - 1)), "expired")
        daemon.refuse(signed(RSA, "RS256", claims(nbf=int(time.time()) + 3000)), "not valid yet")
        daemon.refuse(signed(RSA, "RS256", claims(iat=int(time.time()) + 3000)), "issued in the future")
        daemon.refuse(signed(RSA, "RS256", {"sub": "7"}), "exp")
        for end in (-1, 1e300, "9999999999", [9999999999], True, 1 << 62):
            daemon.refuse(signed(RSA, "RS256", claims(exp=end)), "exp")
        for user in ("root", "007", "-1", "7 ", "", str(1 << 63)):
            daemon.refuse(signed(RSA, "RS256", claims(user=user)), "sub")
        # What a user's token may not: the admin listener asks for the scope, whatever signed it.
        answer = daemon.request("GET", "/v1/users/7", admin=True,
                                headers={"Authorization": "Bearer " + signed(RSA, "RS256")})
        assert answer.status == 403, answer.text


def service_tokens_and_user_tokens_open_what_is_theirs():
    with KeyedDaemon(public_pem(P256), token_leeway_s=5) as daemon:
        def administrate(bearer):
            return daemon.request("GET", "/v1/users/7", admin=True,
                                  headers={"Authorization": "Bearer " + bearer}).status
        user = signed(P256, "ES256")
        daemon.let_in(user)
        assert administrate(user) == 403
        for scope in ("administrator", "user admins", ["admin"], {"admin": True}, True):
            assert administrate(signed(P256, "ES256", claims(scope=scope))) == 403, scope
        # A service is no user: it need not name one, and is none where users are.
        for subject in ({}, {"sub": "billing"}, {"sub": 7}, {"sub": None}):
            service = signed(P256, "ES256", {"exp": int(time.time()) + 3600, "scope": "read admin", **subject})
            assert administrate(service) == 200, subject
            daemon.refuse(service, "sub")
        # One that names a user is that user's as well.
        both = signed(P256, "ES256", claims(scope="admin"))
        assert administrate(both) == 200
        daemon.let_in(both)
        # Clocks may differ by the leeway, and by no more.
        daemon.let_in(signed(P256, "ES256", claims(nbf=int(time.time()) + 2, iat=int(time.time()) + 2)))
        daemon.refuse(signed(P256, "ES256", claims(nbf=int(time.time()) + 3000)), "not valid yet")


def the_audience_must_be_ours():
    with KeyedDaemon(public_pem(P256), token_audience="nearby") as daemon:
        daemon.let_in(signed(P256, "ES256", claims(aud="nearby")))
        daemon.let_in(signed(P256, "ES256", claims(aud=["x", "nearby"])))
        daemon.refuse(signed(P256, "ES256", claims(aud="nearby2")), "audience")
        daemon.refuse(signed(P256, "ES256"), "audience")


async def keys_rotate_while_sessions_go_on():
    old, new = jwk(RSA, kid="old", alg="RS256", use="sig"), jwk(OTHER_RSA, kid="new", alg="RS256")
    with KeyedDaemon({"keys": [old]}) as daemon:
        by_old = signed(RSA, "RS256", kid="old")
        by_new = signed(OTHER_RSA, "RS256", kid="new")
        async with daemon.session(7, bearer=by_old) as ann:
            daemon.refuse(by_new, "kid")
            daemon.rotate({"keys": [old, new, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}, by_new, 200)
            daemon.let_in(by_old)
            # A kid of one key does not open by another.
            daemon.refuse(signed(OTHER_RSA, "RS256", kid="old"), "signature")
            daemon.rotate({"keys": [new]}, by_old, 401)
            daemon.refuse(by_old, "kid")
            await ann.begin(37.5, 127.0)
            # What is no sound set is refused, and the keys of before stay.
            write_key(daemon, {"keys": []})
            until = time.monotonic() + LIMIT_S
            while "there is no key" not in daemon.log_text():
                daemon.reload()
                daemon.let_in(by_new)
                assert time.monotonic() < until, daemon.log_text()


def a_key_that_is_too_weak_or_secret_stops_the_start():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    for data, why in ((public_pem(weak), "2048 to 8192 bits"), (private, "private key"),
                      (public_pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
                      (public_pem(ed25519.Ed25519PrivateKey.generate()), "RSA (RS256, PS256)"),
                      (public_pem(RSA).replace(b"MII", b"M!I"), "not all of it is sound PEM"),
                      ({"keys": [jwk(RSA, use="enc")]}, "there is no key")):
        daemon = KeyedDaemon(data)
        try:
            daemon.start(ready=False)
            status = daemon.process.wait(60)
            assert status != 0 and why in daemon.log_text(), (why, daemon.log_text())
        finally:
            daemon.__exit__(AssertionError, None, None)


if __name__ == "__main__":
    run(a_public_key_lets_in_what_its_private_one_signed, forgeries_of_each_known_kind_are_refused,
        service_tokens_and_user_tokens_open_what_is_theirs, the_audience_must_be_ours, keys_rotate_while_sessions_go_on,
        a_key_that_is_too_weak_or_secret_stops_the_start)
