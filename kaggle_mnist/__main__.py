"""`python -m kaggle_mnist` runs `kaggle-mnist`."""

from kaggle_mnist.cli import app

app(prog_name="kaggle-mnist")
