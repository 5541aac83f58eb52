# Somebody shows nothing: friends are told at once, and that it is off, whether a location came
# meanwhile or not. The one who is off goes on seeing friends.
users ann bob
friends ann bob

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m
share ann off
> bob: gone ann off
at ann 30 0
at bob 120 0
> ann: update bob 90.0 m
subscribe bob ann
> bob: gone ann off
list bob
> bob: lists 0
# The list without a device is that of where the devices are; nothing of ann is kept anywhere else.
list ann
> ann: lists 1
leave ann
list ann
> ann: lists 0
join ann
at ann 40 0
> ann: nearby 1 of 1: bob 80.0 m
# Back again: friends see where the device said it was, without waiting for it to say so again.
share ann precise
> bob: update ann 80.0 m
leave ann
share ann off
> bob: gone ann off
subscribe bob ann
> bob: gone ann off
share ann precise
subscribe bob ann
> bob: gone ann idle
