# One friend may see less than the others, or more.
users ann bob cid
friends ann bob
friends ann cid

join bob
at bob 0 0
> bob: nearby 0 of 0
join cid
at cid 0 200
> cid: nearby 0 of 0
join ann
at ann 100 0
> ann: nearby 2 of 2: bob 100.0 m, cid 223.6 m
> bob: update ann 100.0 m
> cid: update ann 223.6 m
share ann approximate cid
> cid: update ann about 503.9 m
> cid: update ann about 503.9 m
share ann off cid
> cid: gone ann off
at ann 110 0
> bob: update ann 110.0 m
subscribe cid ann
> cid: gone ann off
share ann default cid
> cid: update ann 228.2 m
# Off for everybody ends what single friends were shown ...
share ann approximate bob
> bob: update ann about 600.4 m
> bob: update ann about 600.4 m
share ann off
> bob: gone ann off
> cid: gone ann off
# ... and what is said after that opens for that friend alone.
share ann precise cid
> cid: update ann 228.2 m
at ann 120 0
> cid: update ann 233.2 m
subscribe bob ann
> bob: gone ann off
join bob.tablet
at bob.tablet 0 0
> ann: update bob 120.0 m
> bob.tablet: nearby 0 of 0
list bob
> bob: lists 0
list cid
> cid: lists 1
share ann default cid
> cid: gone ann off
share ann precise
> bob.tablet: update ann 120.0 m
> bob: update ann 120.0 m
> cid: update ann 233.2 m
