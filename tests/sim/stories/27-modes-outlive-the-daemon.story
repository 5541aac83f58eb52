# What somebody shows stands with the location in the table: who comes back after a crash sees no
# more than before, also while the one who shares is not connected.
users ann bob cid
friends ann bob
friends ann cid

join ann
at ann 0 0
> ann: nearby 0 of 0
share ann approximate
share ann off bob
restart 2
join bob
at bob 0 0
> bob: nearby 0 of 0
join cid
at cid 0 0
> cid: nearby 1 of 1: ann about 600.4 m
share ann off
> cid: gone ann off
restart 3
join cid
at cid 0 0
> cid: nearby 0 of 0
subscribe cid ann
> cid: gone ann off
