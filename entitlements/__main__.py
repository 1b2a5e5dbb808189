"""`python -m entitlements` is the console script."""

from entitlements.cli import main

if __name__ == "__main__":
    main(prog_name="entitlements")
