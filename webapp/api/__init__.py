"""The JSON API: predictions, recommendations, the catalog, stored calibrations and accuracy over HTTP."""
