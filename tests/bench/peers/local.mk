# The servers that nearbyd is measured beside. Nothing here is built by make: `tests/bench/peers/install`
# fetches and builds what they need, on behalf of who runs the benchmarks.
EXTRA_DIST += \
	tests/bench/peers/README.md \
	tests/bench/peers/check \
	tests/bench/peers/install \
	tests/bench/peers/modules \
	tests/bench/peers/packages/package.json \
	tests/bench/peers/packages/package-lock.json \
	tests/bench/peers/common/feed.mjs \
	tests/bench/peers/common/graph.mjs \
	tests/bench/peers/common/options.mjs \
	tests/bench/peers/common/places.mjs \
	tests/bench/peers/common/session.mjs \
	tests/bench/peers/node/redis.mjs \
	tests/bench/peers/node/serve \
	tests/bench/peers/node/server.mjs \
	tests/bench/peers/bun/serve \
	tests/bench/peers/bun/server.mjs \
	tests/bench/peers/centrifuge/build \
	tests/bench/peers/centrifuge/main.go \
	tests/bench/peers/centrifuge/serve \
	tests/bench/peers/nats/nats.conf \
	tests/bench/peers/nats/serve
