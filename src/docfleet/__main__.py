"""`python -m docfleet` is the command `docfleet`."""

from docfleet.cli.main import main

if __name__ == "__main__":
    main()
