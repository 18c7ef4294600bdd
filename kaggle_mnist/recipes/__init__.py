"""Recipes: everything that decides a result but the digits, the folds and the seed."""
