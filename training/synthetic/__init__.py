"""Minutiae sets of fingers that nobody has, for demonstrations, tests and a first model. No print of anyone was used."""
