"""Minutiae sets of fingers that nobody has, for demonstrations, tests and a first model. No print of anyone was used."""

# Before numpy, which reads once how many threads it may have: the trainer says that it is one.
import tumar_train as tumar_train
