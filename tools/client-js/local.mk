# The client for browsers and node.
clientjsdir = $(pkgdatadir)/client-js
dist_clientjs_DATA = tools/client-js/nearby.js tools/client-js/nearby-protobuf.js \
	tools/client-js/nearby.d.ts tools/client-js/package.json
