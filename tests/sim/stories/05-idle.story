# A location counts for 600 s from its receipt, whatever the device's clock says. Who is not heard
# of any longer is gone; one's own location expiring empties one's list until one sends again.
users ann bob
friends ann bob

join ann
at ann 0 0
> ann: nearby 0 of 0
join bob
at bob 100 0 3600000
> ann: update bob 100.0 m
> bob: nearby 1 of 1: ann 100.0 m

wait 300
at bob 150 0
> ann: update bob 150.0 m
wait 310
> ann: gone bob idle
> bob: gone ann idle
# Ann was heard of 610 s ago: she is gone for Bob, and her own list is empty.
nearby ann
> ann: error no_location
subscribe ann bob
> ann: error no_location
# Bob was heard of 310 s ago: he is there again as soon as she sends.
at ann 0 0
> ann: update bob 150.0 m
> bob: update ann 150.0 m
wait 250
# Now it is he whose location has not been renewed for more than 600 s.
wait 60
> ann: gone bob idle
> bob: gone ann idle
subscribe ann bob
> ann: gone bob idle
