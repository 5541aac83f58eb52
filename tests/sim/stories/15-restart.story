# The daemon dies; another adopts the segment with another number of cores. Devices come back, and
# everyone's location is still there.
users ann bob carl
friends ann bob
friends ann carl
cores 3

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
join carl
at carl 200 0
> ann: update carl 200.0 m
> carl: nearby 1 of 1: ann 200.0 m
restart 2
join ann
at ann 0 0
> ann: nearby 2 of 2: bob 100.0 m, carl 200.0 m
# Bob has not come back, but he was heard of a moment ago.
nearby ann
> ann: nearby 2 of 2: bob 100.0 m, carl 200.0 m
restart 5
wait 610
join ann
at ann 0 0
> ann: nearby 0 of 0
