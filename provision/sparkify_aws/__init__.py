"""Sets up and takes down what Sparkify needs of an AWS account: the command `sparkify-aws`."""
