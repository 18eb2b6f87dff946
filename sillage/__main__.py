"""``python -m sillage``: the command line."""

from sillage.cli import main

if __name__ == "__main__":
    main()
