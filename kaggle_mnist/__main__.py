"""`python -m kaggle_mnist` is `kaggle-mnist`."""

from kaggle_mnist.cli import app

app(prog_name="kaggle-mnist")
