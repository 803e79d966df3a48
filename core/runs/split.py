"""Which part of a run's images a sample belongs to: what ``ProbeSet.split`` says of it.

Those held out are kept from training and validation on purpose.
"""

TRAINING, VALIDATION, HELD_OUT = 0, 1, 2
