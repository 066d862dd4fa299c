"""`python -m grader`: arguments in, exit code out."""

import sys

from grader.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
