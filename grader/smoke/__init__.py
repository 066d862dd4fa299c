"""Smoke trainings: a minute of training by the submission's own scripts, beside the solution's.

    plans       which script runs, with which arguments, on which pictures
    pictures    the pets to train and to validate on, and unseen ones whose labels never leave the trusted process
    unseen      what trained weights make of pictures, as numbers
    bands       what the solution's trainings gave over several seeds, as data (`python -m grader bands` makes it anew)
    results     what a run of a script left, read
    training    one smoke training, put together
    judging     a verdict with a name, from curves, notes and unseen pictures

The submission's process says how the training went; only what its final weights do on pictures that it has never seen
is beyond its reach: they are evaluated by the solution's network, in the solution's worker.
"""
