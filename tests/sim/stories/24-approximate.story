# Places on a grid of about 1 km, another for each user: what is shown, how far that is, and whether
# it is in range, all come from the middle of the cell.
users ann bob cid
friends ann bob
friends ann cid

join bob
at bob 0 0
> bob: nearby 0 of 0
join cid
at cid 0 2000
> cid: nearby 0 of 0
join ann
share ann approximate
at ann 0 0
> ann: nearby 2 of 2: bob 0.0 m, cid 2000.0 m
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
# Within the cell nothing changes but the time.
at ann 20 -20
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
at ann 40 10
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
# A walk to the north: the cell changes well past its border, and then not back at once.
at ann 0 300
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
at ann 0 600
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
at ann 0 900
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
at ann 0 1200
> bob: update ann about 1408.4 m
> cid: update ann about 717.7 m
at ann 0 900
> bob: update ann about 1408.4 m
> cid: update ann about 717.7 m
at ann 0 600
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
# Range is that of the shown place.
unsubscribe ann cid
at ann 8400 0
> ann: gone bob far
> bob: gone ann far
> cid: gone ann far
share ann precise
share ann approximate
at ann 0 0
> ann: update bob 0.0 m
> bob: update ann about 600.4 m
> cid: update ann about 1701.5 m
