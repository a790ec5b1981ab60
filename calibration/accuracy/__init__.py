"""Predicted beside measured, on machines that the fit has not seen."""
