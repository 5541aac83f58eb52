# A move is on its way to the friend's core when its user takes it back: it is not told any more,
# even though that core has not heard of the choice.
users ann@0 bob@1
friends ann bob
cores 2

join bob
at bob 0 0
> bob: nearby 0 of 0
join ann
at ann 100 0
> ann: nearby 1 of 1: bob 100.0 m
> bob: update ann 100.0 m
hold 0 1
at ann 150 0
deaf 1
share ann off
nearby bob
> bob: nearby 0 of 0
release 0 1
> bob: gone ann off
hearing 1
subscribe bob ann
> bob: gone ann off
