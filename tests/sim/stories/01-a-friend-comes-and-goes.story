# Bob walks into Ann's range, moves within it, and leaves it.
users ann bob
friends ann bob

join ann
at ann 0 0
> ann: nearby 0 of 0
# The first location is answered by the list; nobody is there yet.

join bob
at bob 9000 0
> bob: nearby 0 of 0

at bob 7000 0
> ann: update bob 7000.0 m
> bob: update ann 7000.0 m
at bob 6000 0
> ann: update bob 6000.0 m
at bob 6000 0
> ann: update bob 6000.0 m
at bob 9000 0
> ann: gone bob far
> bob: gone ann far
