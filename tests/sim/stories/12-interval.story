# With an interval between frames several moves become one entry.
users ann bob
friends ann bob
interval 1000

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
at bob 200 0
at bob 300 0
wait 1
> ann: update bob 300.0 m
wait 5
