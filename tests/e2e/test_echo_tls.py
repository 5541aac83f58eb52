#!/usr/bin/python3
"""All that test_echo.py asks of the network layer, asked over TLS, but for what differs by its nature."""
import sys
import tempfile
import unittest

import test_echo
from certificates import Authority

# Without room nobody is given a handshake, so nobody can be told 503; and a client whose socket does not
# block, that leaves a thousand handshakes to one thread, or that reads in one thread what another writes
# (libssl allows one at a time) is another story with TLS.
OTHERWISE = (
    "test_a_core_without_room_refuses_what_is_passed_to_it",
    "test_a_thousand_half_open_handshakes_hold_nobody_up",
    "test_clients_that_stop_reading_are_bounded_and_closed",
    "test_large_bodies_flow_both_ways_without_piling_up",
    "test_more_connections_than_configured_are_told_to_come_back",
)


def cases(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from cases(part)
        elif part.id().rsplit(".", 1)[1] not in OTHERWISE:
            yield part


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="nearby-tls-") as folder:
        authority = Authority(folder)
        certificate, key = authority.issue("server")
        test_echo.Tls.options = {"tls_certificate": certificate, "tls_key": key}
        test_echo.Tls.client = authority.client()
        chosen = unittest.TestSuite(cases(unittest.defaultTestLoader.loadTestsFromModule(test_echo)))
        result = unittest.TextTestRunner().run(chosen)
    sys.exit(not result.wasSuccessful())
