"""Many studies of one command line: what a sweep consists of, how its members stand, and what to run again.

`manifest` lists the members, `status` is what each member writes while it runs, `watch` shows them, `resume` finds what
is left of an earlier sweep.
"""
