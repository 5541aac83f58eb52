# Whoever sends a first location learns at once who is near, nearest first; the others learn of the
# newcomer. A friend who is connected but has sent no location is nowhere.
users ann bob carl dora
friends ann bob
friends ann carl
friends ann dora

join bob
at bob 0 500
> bob: nearby 0 of 0
join carl
at carl 400 0
> carl: nearby 0 of 0
join dora

join ann
at ann 0 0
> ann: nearby 2 of 2: carl 400.0 m, bob 500.0 m
> bob: update ann 500.0 m
> carl: update ann 400.0 m
