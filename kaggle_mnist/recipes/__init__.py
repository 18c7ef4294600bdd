"""Recipes: everything that determines a result except the digits, the folds and the seed."""
