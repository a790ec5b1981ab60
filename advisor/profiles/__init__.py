"""Machines with numbers of their own: profiles that a calibration stored, and whose questions they answer."""
