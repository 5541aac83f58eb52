# A user is deleted: the location goes at once, and everybody hears of it without waiting for the
# TTL. Whoever still holds the connection has no list either, until it sends again.
users ann bob
friends ann bob

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
forget bob
> ann: gone bob idle
> bob: gone ann idle
nearby ann
> ann: nearby 0 of 0
nearby bob
> bob: error no_location
at bob 200 0
> ann: update bob 200.0 m
> bob: update ann 200.0 m
# Of somebody without a location nothing is to be forgotten.
leave bob
forget bob
> ann: gone bob idle
forget bob
