# Bob's core still sends; Ann's core has heard that they are no friends any more, and says nothing.
users ann@0 bob@1
friends ann bob
cores 2

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
deaf 1
hold 1 0
at bob 200 0
unfriend ann bob
> ann: gone bob unfriended
release 1 0
at bob 300 0
# Ann is gone for Bob when his core hears of it.
hearing 1
> bob: gone ann unfriended
