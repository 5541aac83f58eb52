# A friendship takes effect while both are connected, and so does its end.
users ann bob
cores 1

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> bob: nearby 0 of 0

befriend ann bob
> ann: update bob 100.0 m
> bob: update ann 100.0 m
at bob 200 0
> ann: update bob 200.0 m
unfriend ann bob
> ann: gone bob unfriended
> bob: gone ann unfriended
at bob 300 0
befriend ann bob
> ann: update bob 300.0 m
> bob: update ann 300.0 m
