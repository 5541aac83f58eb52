# A device that cannot take frames now gets, later, the newest place of each friend, once.
users ann bob carl
friends ann bob
friends ann carl

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
join carl
at carl 100 50
> ann: update carl 111.8 m
> carl: nearby 1 of 1: ann 111.8 m
pause ann
at bob 200 0
at bob 300 0
at carl 9000 0
> carl: gone ann far
at bob 400 0
resume ann
> ann: gone carl far
> ann: update bob 400.0 m
