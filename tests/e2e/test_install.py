"""
Owns: what `make install DESTDIR=...` leaves: every program, page and file, and a library that others
  can build with.
Invariant: looks at the folder it is given only; tools/test makes it.
Does not know: how it was built.
"""
import glob
import os
import subprocess
import sys
import tempfile

FILES = (
    "sbin/nearbyd", "bin/nearbyctl", "bin/nearby-bench",
    "lib/libnearbyshm.so", "include/nearbyshm.h", "lib/pkgconfig/nearbyshm.pc",
    "lib/systemd/system/nearbyd.service", "share/bash-completion/completions/nearbyctl",
    "share/man/man8/nearbyd.8", "share/man/man8/nearbyctl.8", "share/man/man5/nearbyd.conf.5",
    "share/man/man5/nearby-shm.5", "share/man/man7/nearby-protocol.7",
    "share/man/man7/nearby-metrics.7", "share/man/man1/nearby-bench.1",
    "share/nearby/openapi.json", "share/nearby/asyncapi.json", "share/nearby/nearby.proto",
    "share/nearby/client-js/nearby.js", "share/nearby/client-js/nearby-protobuf.js",
    "share/nearby/client-js/nearby.d.ts",
)
READER = """
#include <nearbyshm.h>
#include <stdio.h>
int main(void)
{
	struct nearby_segment *segment;
	const char *reason = "";
	int error = nearby_segment_open(&segment, "never-was", &reason);
	printf("%d\\n", error);
	return 0;
}
"""


def every_file_is_there(prefix):
    missing = [name for name in FILES if not os.path.exists(os.path.join(prefix, name))]
    assert not missing, missing
    pages = {os.path.basename(page) for page in glob.glob(os.path.join(prefix, "share/man/man*/*"))}
    assert pages == {os.path.basename(name) for name in FILES if "/man/" in name}, pages


def programs_run_from_where_they_are(prefix):
    environment = {**os.environ, "LD_LIBRARY_PATH": os.path.join(prefix, "lib")}
    for name in ("sbin/nearbyd", "bin/nearbyctl"):
        said = subprocess.run([os.path.join(prefix, name), "--version"], env=environment,
                              capture_output=True, text=True, check=True).stdout
        assert said.startswith(os.path.basename(name) + " "), said


def a_reader_is_built_with_pkg_config_alone(prefix, destdir):
    environment = {**os.environ, "PKG_CONFIG_PATH": os.path.join(prefix, "lib/pkgconfig"),
                   "PKG_CONFIG_SYSROOT_DIR": destdir, "LD_LIBRARY_PATH": os.path.join(prefix, "lib")}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "nearbyshm"], env=environment,
                           capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory(prefix="nearby-install-") as folder:
        source, program = os.path.join(folder, "reader.c"), os.path.join(folder, "reader")
        with open(source, "w", encoding="ascii") as file:
            file.write(READER)
        subprocess.run(["cc", "-Wall", "-Werror", "-o", program, source, *flags], env=environment, check=True)
        said = subprocess.run([program], env=environment, capture_output=True, text=True, check=True).stdout
        assert int(said) < 0, said


if __name__ == "__main__":
    DESTDIR = os.path.abspath(sys.argv[1])
    PREFIX = os.path.join(DESTDIR, "usr/local")
    every_file_is_there(PREFIX)
    programs_run_from_where_they_are(PREFIX)
    a_reader_is_built_with_pkg_config_alone(PREFIX, DESTDIR)
