"""Training under cross-validation: folds, augmentation, the trainer, inference and metrics."""
