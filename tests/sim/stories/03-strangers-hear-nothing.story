# Ann and Bob are friends, Carl is a friend of Bob's only: friendship does not carry over.
users ann bob carl
friends ann bob
friends bob carl

join ann
at ann 0 0
> ann: nearby 0 of 0
join carl
at carl 10 0
> carl: nearby 0 of 0
join bob
at bob 20 0
> ann: update bob 20.0 m
> bob: nearby 2 of 2: carl 10.0 m, ann 20.0 m
> carl: update bob 10.0 m
at carl 30 0
> bob: update carl 10.0 m
