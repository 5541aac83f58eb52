# unsubscribe mutes a friend for this session, in its lists too; subscribe answers where the friend
# is, or why not.
users ann bob carl
friends ann bob

join ann
subscribe ann bob
> ann: error no_location
join bob
at ann 0 0
> ann: nearby 0 of 0
subscribe ann bob
> ann: gone bob idle
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
unsubscribe ann bob
nearby ann
> ann: nearby 0 of 0
at bob 200 0
at bob 20000 0
> bob: gone ann far
at bob 300 0
> bob: update ann 300.0 m
subscribe ann bob
> ann: update bob 300.0 m
at bob 400 0
> ann: update bob 400.0 m
unsubscribe ann bob
at bob 20000 0
> bob: gone ann far
subscribe ann bob
> ann: gone bob far
subscribe ann carl
> ann: error not_friend
unsubscribe ann carl
> ann: error not_friend
