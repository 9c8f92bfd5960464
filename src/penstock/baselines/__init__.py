"""What scores are held against: simple models without a network, and a judge of generated images.

Each writes a folder: baseline.json with its figures on the test split, and what a validation needs besides.
"""
