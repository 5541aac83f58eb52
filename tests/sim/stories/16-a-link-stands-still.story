# Moves that a core has not heard of yet merge; nothing that is sent is ever old.
users ann@0 bob@1
friends ann bob
cores 2

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
hold 1 0
at bob 200 0
at bob 300 0
# A page is made of the places as they are, not as they were told.
nearby ann
> ann: nearby 1 of 1: bob 300.0 m
release 1 0
> ann: update bob 300.0 m
at bob 9000 0
> ann: gone bob far
> bob: gone ann far
hold 1 0
at bob 100 0
> bob: update ann 100.0 m
at bob 9000 0
> bob: gone ann far
release 1 0
