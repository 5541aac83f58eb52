# Bob's core has no room to note that Ann's follows him. It tells Ann's core of everything from then
# on, so that nothing is missed.
users ann@0 bob@1 yan@1 zoe@1
friends ann bob
cores 2
channels 2

join bob
at bob 100 0
> bob: nearby 0 of 0
leave bob
join yan
join zoe
join ann
at ann 0 0
> ann: nearby 1 of 1: bob 100.0 m
# What is told of everything is told again. Bob is not heard of any more.
wait 300
> ann: update bob 100.0 m
at ann 0 0
wait 310
> ann: gone bob idle
# He comes back when there is room.
leave zoe
leave yan
join bob
at bob 200 0
> ann: update bob 200.0 m
> bob: nearby 1 of 1: ann 200.0 m
at bob 300 0
> ann: update bob 300.0 m
