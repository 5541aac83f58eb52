# Who changes the name is told of by the new one from the next entry on.
users ann bob
friends ann bob

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
rename bob Robert
> ann: update bob "Robert" 100.0 m
at bob 200 0
> ann: update bob "Robert" 200.0 m
nearby ann
> ann: nearby 1 of 1: bob "Robert" 200.0 m
