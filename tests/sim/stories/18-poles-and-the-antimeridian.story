# Distance knows no edge: on both sides of 180 degrees, and around a pole.
users ann bob
friends ann bob
origin 0 180

join ann
at ann -500 0
> ann: nearby 0 of 0
join bob
at bob 500 0
> ann: update bob 1000.0 m
> bob: nearby 1 of 1: ann 1000.0 m
at bob 9000 0
> ann: gone bob far
> bob: gone ann far
at bob 7000 0
> ann: update bob 7500.0 m
> bob: update ann 7500.0 m
