users ann bob
friends ann bob
origin 90 0

join ann
at ann 0 -500
> ann: nearby 0 of 0
join bob
at bob 0 500
> ann: update bob 707.1 m
> bob: nearby 1 of 1: ann 707.1 m
at bob 9000 0
> ann: gone bob far
> bob: gone ann far
at bob 500 0
> ann: update bob 0.0 m
> bob: update ann 0.0 m
