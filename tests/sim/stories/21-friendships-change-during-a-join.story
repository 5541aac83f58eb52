# A list of friends shows the store at one moment and enters the engine later. What changes between
# the two is not lost: the core applies it to the list as well.
users ann bob carl
friends ann bob
cores 1

join bob
at bob 100 0
> bob: nearby 0 of 0
join carl
at carl 200 0
> carl: nearby 0 of 0
load ann
unfriend ann bob
befriend ann carl
rename carl Charles
join ann
at ann 0 0
> ann: nearby 1 of 1: carl "Charles" 200.0 m
> carl: update ann 200.0 m

# A list may also show what its core has not heard of yet; hearing it then changes nothing.
leave ann
deaf 0
befriend ann bob
load ann
join ann.2
at ann.2 0 0
> ann.2: nearby 2 of 2: bob 100.0 m, carl "Charles" 200.0 m
> carl: update ann 200.0 m
hearing 0
> bob: update ann 100.0 m
