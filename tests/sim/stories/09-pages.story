# Pages are by distance, then by user; the cursor is the last entry, so a page goes on where the one
# before ended.
users ann bob carl dora
friends ann bob
friends ann carl
friends ann dora

join bob
at bob 0 300
> bob: nearby 0 of 0
join carl
at carl 0 100
> carl: nearby 0 of 0
join dora
at dora 0 300
> dora: nearby 0 of 0
join ann
nearby ann
> ann: error no_location
at ann 0 0
> ann: nearby 3 of 3: carl 100.0 m, bob 300.0 m, dora 300.0 m
> bob: update ann 300.0 m
> carl: update ann 100.0 m
> dora: update ann 300.0 m
nearby ann 1
> ann: nearby 1 of 3: carl 100.0 m, and more
more ann 1
> ann: nearby 1 of 3: bob 300.0 m, and more
more ann 1
> ann: nearby 1 of 3: dora 300.0 m
nearby ann 2
> ann: nearby 2 of 3: carl 100.0 m, bob 300.0 m, and more
# Carl walks to the end between two pages: he is seen again, nobody is missed.
at carl 0 400
> ann: update carl 400.0 m
more ann 2
> ann: nearby 2 of 3: dora 300.0 m, carl 400.0 m
list ann
> ann: lists 3
