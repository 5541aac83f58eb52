# A location older than the session's last one is stale; one that is over a minute in the future is
# refused. Both are ignored. The wall clock jumping changes no age.
users ann bob
friends ann bob

join bob
at bob 0 0
> bob: nearby 0 of 0
join ann
at ann 100 0 -60000
> ann: nearby 1 of 1: bob 100.0 m
> bob: update ann 100.0 m
at ann 200 0
> ann: error stale
at ann 300 0 -60001
> ann: error bad_time
at ann 400 0 -60000
> bob: update ann 400.0 m
clock 7200
at ann 500 0
> bob: update ann 500.0 m
clock -7200
at ann 600 0
> ann: error stale
nearby bob
> bob: nearby 1 of 1: ann 500.0 m
wait 500
nearby bob
> bob: nearby 1 of 1: ann 500.0 m
