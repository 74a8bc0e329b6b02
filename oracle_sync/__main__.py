"""`python -m oracle_sync`: the same commands as `oracle-sync`."""

from oracle_sync.cli.main import main

if __name__ == "__main__":
    main()
