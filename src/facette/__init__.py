"""Facette: audience segmentation as code."""
