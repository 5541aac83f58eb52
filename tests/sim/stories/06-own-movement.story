# Friends who stand still enter and leave when I move: at once when I moved more than 5 % of the
# radius since my list was last evaluated, else within 10 s.
users ann bob
friends ann bob
radius 1000

join bob
at bob 0 0
> bob: nearby 0 of 0
join ann
at ann 1030 0
> ann: nearby 0 of 0

# 40 m of 1000 m: not at once.
at ann 990 0
> bob: update ann 990.0 m
wait 5
wait 5
> ann: update bob 990.0 m
at ann 1020 0
> bob: gone ann far
wait 11
> ann: gone bob far

# 60 m: at once.
at ann 960 0
> ann: update bob 960.0 m
> bob: update ann 960.0 m
at ann 1020 0
> ann: gone bob far
> bob: gone ann far
