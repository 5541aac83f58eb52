"""
Owns: certificates for tests, made as they are asked for by python3-cryptography.
Invariant: each authority is its own, so that a client trusts what a test gives it and nothing else.
Does not know: who serves them.
"""
import datetime
import ipaddress
import os
import ssl
import sys

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import NameOID
except ImportError as missing:
    print(f"skipped: {missing}; Debian: python3-cryptography")
    sys.exit(77)

DAY = datetime.timedelta(days=1)


def new_key(kind="ec"):
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))


def key_text(key, password=None):
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o600)
    return path


class Authority:
    """Issues certificates by an intermediate one, as those on the Internet do."""

    def __init__(self, folder):
        self.folder = folder
        self.root_key, self.key = new_key(), new_key()
        self.root = self.sign("Test Root", "Test Root", self.root_key, self.root_key, ca=1)
        self.intermediate = self.sign("Test Issuer", "Test Root", self.key, self.root_key, ca=0)
        self.path = write(os.path.join(folder, "root.pem"), self.pem(self.root))

    @staticmethod
    def pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    @staticmethod
    def sign(name, issuer, key, issuer_key, ca=None, names=(), days=(-1, 30)):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder()
                   .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
                   .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY)
                   .add_extension(x509.BasicConstraints(ca is not None, ca), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]),
                critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    def issue(self, label, names=("localhost", "127.0.0.1"), kind="ec", days=(-1, 30)):
        """Writes LABEL.pem (with the intermediate) and LABEL.key, and returns the two paths."""
        key = new_key(kind)
        certificate = self.sign(label, "Test Issuer", key, self.key, names=names, days=days)
        return (write(os.path.join(self.folder, label + ".pem"),
                      self.pem(certificate) + self.pem(self.intermediate)),
                write(os.path.join(self.folder, label + ".key"), key_text(key)))

    def client(self, versions=("TLSv1_2", "TLSv1_3"), alpn=("http/1.1",)):
        """The settings of a client that trusts this authority alone."""
        context = ssl.create_default_context(cafile=self.path)
        context.minimum_version = getattr(ssl.TLSVersion, versions[0])
        context.maximum_version = getattr(ssl.TLSVersion, versions[-1])
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
