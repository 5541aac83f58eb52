# A user's location is the last one received from any device; each device has a view of its own,
# from its own first location on. Nobody is told of himself.
users ann bob
friends ann bob

join bob
at bob 0 0
> bob: nearby 0 of 0
join ann.phone
at ann.phone 100 0
> ann.phone: nearby 1 of 1: bob 100.0 m
> bob: update ann 100.0 m
join ann.watch
# The watch has sent nothing yet: it is told nothing.
at bob 10 0
> ann.phone: update bob 90.0 m
subscribe ann.watch bob
> ann.watch: error no_location
at ann.watch 200 0
> ann.watch: nearby 1 of 1: bob 190.0 m
> bob: update ann 190.0 m
at bob 20 0
> ann.phone: update bob 180.0 m
> ann.watch: update bob 180.0 m
leave ann.phone
at bob 30 0
> ann.watch: update bob 170.0 m
leave ann.watch
# Her location stays until it expires.
nearby bob
> bob: nearby 1 of 1: ann 170.0 m
at bob 40 0
wait 610
> bob: gone ann idle
